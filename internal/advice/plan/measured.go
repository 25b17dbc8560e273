package plan

import (
	"fmt"
	"slices"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/snapshot"
)

// NewBasis is the host of a snapshot as [Measure] needs it; profile and set are its kernel's and its settings
// in the model.
func NewBasis(s snapshot.Snapshot, profile model.Profile, set model.Settings, o Options, growth float64) (Basis, error) {
	if len(s.Namespaces) == 0 || len(s.Namespaces[0].Settings) == 0 {
		return Basis{}, ErrNoSettings
	}
	m := newMaker(&s, o)
	return Basis{Profile: profile, Kernel: m.kernel, Settings: set, Flow: m.p.Memory.Flow, Budget: m.p.Memory.Budget, Headroom: growth,
		Keepalive: m.keepalive(), Fixed: !m.p.Initial && !m.machineWritable()}, nil
}

// measured plans what the recording's replay chose.
func (m *maker) measured(r *Measured) {
	m.p.Measured = r
	a := r.Chosen()
	if a == nil {
		return
	}
	m.measuredMax(r, a)
	m.buckets()
	m.measuredTimeouts(r, a)
	m.measuredPolicy(a)
	m.measuredNotes(r, a)
}

func (m *maker) measuredMax(r *Measured, a *Alternative) {
	limit, ok := m.running("max")
	params := []any{"peak", r.Alternatives[0].Least, "headroom", r.Headroom, "max", limit, "span", r.span()}
	switch {
	case m.planned("max"):
	case ok && limit == 0:
		m.keep("max", message.New("keep_max_unlimited"))
	case a.Max == limit && a.Fits:
		m.keep("max", message.New("keep_measured_max", "least", a.Least, "peak", int64(a.Peak.High), "headroom", r.Headroom, "max", limit))
	case a.Max == limit && m.fixed():
		m.keep("max", message.New("keep_machine"))
	case a.Max == limit:
		m.keep("max", message.New("keep_max_budget", "max", limit, "budget", int64(m.p.Memory.Budget)))
	default:
		code := "reason_measured_max"
		if a.Max < a.Least {
			code = "reason_measured_budget"
		}
		params = append(params, "high", int64(a.Peak.High), "least", a.Least, "budget", int64(m.p.Memory.Budget))
		if st := m.step("max", a.Max, message.New(code, params...), replayed); st != nil && st.From != nil {
			st.Memory = (st.To - *st.From) * int64(m.p.Memory.Flow)
		}
	}
}

// replayed is the source of figures that a replay gave.
const replayed = "replay"

func (m *maker) fixed() bool { return !m.p.Initial && !m.machineWritable() }

func (m *maker) measuredTimeouts(r *Measured, a *Alternative) {
	if a.Policy != nil {
		return
	}
	base := &r.Alternatives[0]
	for _, name := range model.Names() {
		to, ok := a.Set[name]
		if !ok || m.planned(name) {
			continue
		}
		code := "reason_measured_timeout"
		if name == establishedName {
			code = "reason_measured_established"
		}
		st := m.step(name, to, message.New(code, "least", a.Least, "before", base.Least), replayed)
		if st == nil {
			continue
		}
		if n := a.extra(r.Alternatives); n > 0 && a.bearer() == name {
			st.Breaks = append(st.Breaks, message.New("breaks_measured", "flows", int64(n)))
		}
		if m.n.Flows != nil && m.n.Flows.Summary.Total > 0 {
			st.Flows = &m.n.Flows.Summary.Total
		}
	}
	if _, changed := a.Set[establishedName]; !changed {
		if now, ok := m.running(establishedName); ok && !m.planned(establishedName) {
			m.keep(establishedName, message.New("keep_measured_established", "timeout", now))
		}
	}
}

// bearer is the timeout that what the alternative breaks is put down to: established, or the first.
func (a *Alternative) bearer() string {
	if _, ok := a.Set[establishedName]; ok {
		return establishedName
	}
	for _, name := range model.Names() {
		if _, ok := a.Set[name]; ok {
			return name
		}
	}
	return ""
}

func (m *maker) measuredPolicy(a *Alternative) {
	if a.Policy == nil {
		return
	}
	do, undo := a.Policy.NFT()
	manual := Manual{Reason: message.New("manual_policy", "service", a.Policy.Service.String()), Commands: do, Undo: []string{undo}}
	for _, name := range model.Names() { // safe only once the rules are loaded, so neither is ours to set
		if to, ok := a.Set[name]; ok {
			key := m.n.Settings[name].Key
			manual.Commands = append(manual.Commands, fmt.Sprintf("sysctl -w %s=%d", key, to))
			if was, ok := m.running(name); ok {
				manual.Undo = slices.Insert(manual.Undo, 0, fmt.Sprintf("sysctl -w %s=%d", key, was))
			}
		}
	}
	m.p.Manual = append(m.p.Manual, manual)
}

// fullShare of max from which a table that was recorded may have refused what the record does not hold.
const fullShare = 0.98

// measuredNotes says what the recording cannot know.
func (m *maker) measuredNotes(r *Measured, a *Alternative) {
	note := func(code string, pairs ...any) { m.p.Notes = append(m.p.Notes, message.New(code, pairs...)) }
	if !a.Fits {
		note("note_measured_misfit", "least", a.Least, "max", a.Max, "refused", int64(a.Refused.High))
	}
	if c, ok := m.n.Count(); ok && uint64(c) > r.Alternatives[0].Peak.High {
		note("note_measured_low", "count", c, "peak", int64(r.Alternatives[0].Peak.High))
	}
	if limit, ok := m.running("max"); r.Unseen > 0 {
		note("note_measured_refused", "refused", int64(r.Unseen))
	} else if ok && limit > 0 && r.bounded && float64(r.Alternatives[0].Peak.High) >= fullShare*float64(limit) {
		note("note_measured_full", "max", limit)
	}
	if r.Share > 0 {
		note("note_measured_share", "share", r.Share)
	}
	if r.Lost > 0 {
		note("note_measured_lost", "lost", int64(r.Lost))
	}
	timeout := a.Set[establishedName]
	if timeout == 0 {
		timeout, _ = m.running(establishedName)
	}
	if n := r.staying(timeout); r.span() < timeout && n > 0 {
		note("note_measured_short", "span", r.span(), "timeout", timeout, "flows", int64(n))
	}
}

// staying is how many flows would stay once all that fell silent pile up for a whole timeout: their arrivals
// by the time that each is kept. 0 when none was seen to fall silent.
func (r *Measured) staying(timeout int64) float64 {
	rate := 0.0
	for i := range r.Demand.Classes {
		c := &r.Demand.Classes[i]
		if c.Service.Proto == flow.TCP && (c.Outcome == demand.Silent || c.Outcome == demand.Open) {
			rate += c.Rate
		}
	}
	return rate * float64(timeout)
}
