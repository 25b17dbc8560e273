package plan

import (
	"errors"
	"fmt"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
)

// wishes adds the user's own steps, first of all, with what each would break.
func (m *maker) wishes() error {
	for _, w := range m.o.Wishes {
		s, ok := settings.Lookup(w.Setting)
		if !ok {
			return &WishError{Setting: w.Setting, Value: w.Value, Why: "no such setting"}
		}
		to, err := m.check(s, w.Value)
		if err != nil {
			return err
		}
		st := m.step(s.Name, to, message.New("reason_wish"), "--set")
		if st == nil {
			m.keep(s.Name, message.New("keep_already", "value", to))
			continue
		}
		st.Wish = true
		st.Breaks = m.breaks(s, to)
		m.price(st)
	}
	return nil
}

// check refuses what this kernel or good sense does not take, and returns the value that will read back.
func (m *maker) check(s settings.Setting, v int64) (int64, error) {
	no := func(why string) error { return &WishError{Setting: s.Name, Value: v, Why: why} }
	val, ok := m.n.Settings[s.Name]
	switch {
	case s.ReadOnly:
		return 0, no("it can only be read")
	case !ok:
		return 0, no("this kernel has no such setting")
	case s.Scope == settings.Machine && m.machineWritable():
		// the namespace shows it read-only, and it is written from here
	case s.Scope == settings.Machine && !m.p.Initial:
		return 0, no("it belongs to the machine and can be written in its first network namespace only")
	case val.Mode != 0 && val.Mode&0o222 == 0:
		return 0, no("it cannot be written here")
	}
	if !s.Sane(v) {
		low, high := s.KernelRange(m.kernel)
		return 0, &WishError{Setting: s.Name, Value: v, Low: max(low, s.Min), High: min(high, s.Max), Range: true}
	}
	got, err := s.Accept(m.kernel, fmt.Sprint(v))
	var refused *settings.RefusedError
	if errors.As(err, &refused) {
		return 0, &WishError{Setting: s.Name, Value: v, Low: max(refused.Low, s.Min), High: min(refused.High, s.Max), Range: refused.Number, Why: refused.Errno}
	}
	if err == nil && s.Name == "max" && !m.o.Force {
		err = m.belowCount(v)
	}
	return got, err
}

// machineWritable reports whether the reader stands where the machine's values can be written.
func (m *maker) machineWritable() bool {
	return m.s.Source.InitNetns != nil && *m.s.Source.InitNetns
}

// belowCount refuses a max under the present count: it evicts nothing, and every new flow would be refused.
func (m *maker) belowCount(v int64) error {
	for i := range m.s.Namespaces {
		if c, ok := m.s.Namespaces[i].Count(); ok && v < c {
			return &WishError{Setting: "max", Value: v, Why: fmt.Sprintf("%s holds %d flows now: every new flow would be refused (--force sets it all the same)", m.s.Namespaces[i].Name, c)}
		}
	}
	return nil
}

// breaks says what a wish would break.
func (m *maker) breaks(s settings.Setting, to int64) []message.Message {
	var all []message.Message
	switch s.Name {
	case "tcp_timeout_established":
		if k := m.keepalive(); to < k {
			all = append(all, message.New("breaks_keepalive", "timeout", to, "keepalive", k))
		}
		if c, ok := m.class("tcp", "ESTABLISHED"); ok && c.Idle != nil {
			if n := c.Idle.Over(to); n > 0 {
				all = append(all, message.New("breaks_stale", "flows", int64(n), "timeout", to))
			}
		}
	case "max":
		if c, ok := m.n.Count(); ok && to < c {
			all = append(all, message.New("breaks_max", "count", c, "max", to))
		}
		if b := m.p.Memory.Budget; b > 0 && uint64(to)*m.p.Memory.Flow > b {
			all = append(all, message.New("breaks_budget", "bytes", int64(uint64(to)*m.p.Memory.Flow), "budget", int64(b)))
		}
	case "tcp_loose":
		if to == 0 {
			all = append(all, message.New("breaks_loose"))
		}
	case "udp_timeout_stream", "udp_timeout":
		if from, ok := m.running(s.Name); ok && to < from && to < 30 {
			all = append(all, message.New("breaks_udp", "timeout", to))
		}
	}
	return all
}

// price fills in what a wish costs, and how many flows keep their timers.
func (m *maker) price(st *Step) {
	if st.From != nil {
		switch st.Setting {
		case "max":
			st.Memory = (st.To - *st.From) * int64(m.p.Memory.Flow)
		case "buckets":
			st.Memory = (st.To - *st.From) * settings.BucketBytes
		}
	}
	if s, _ := settings.Lookup(st.Setting); s.Effect == settings.EffectNextPacket && m.n.Flows != nil {
		total := m.n.Flows.Summary.Total
		if total > 0 {
			st.Flows = &total
		}
	}
}
