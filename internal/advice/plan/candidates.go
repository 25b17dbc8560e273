package plan

import (
	"maps"
	"math"
	"slices"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/flow"
)

const (
	// idleMargin: a timeout is at least so many times the longest healthy idle gap.
	idleMargin = 1.25
	// steps are how many established timeouts are tried between the present one and the least, and again between the
	// last two of them that matter.
	steps = 4
	// policyShare of the table from which one service is worth timeouts of its own.
	policyShare = 0.5
)

// candidates are all ways to be measured, the present settings first, longer timeouts before shorter.
func (b *Basis) candidates(d demand.Demand) []Alternative {
	all := []Alternative{b.alternative(Present, nil)}
	half, closing := b.shortened(d, handshakes()), b.shortened(d, closings())
	if len(half) > 0 {
		all = append(all, b.alternative(HalfOpen, half))
	}
	if len(closing) > 0 {
		all = append(all, b.alternative(Closing, closing))
	}
	ladder := b.ladder(floor(d, every))
	for _, v := range ladder {
		all = append(all, b.alternative(Established, map[string]int64{establishedName: v}))
	}
	if len(half)+len(closing) > 0 {
		together := maps.Clone(half)
		maps.Copy(together, closing)
		if len(ladder) == 0 {
			all = append(all, b.alternative(Timeouts, together))
		}
		for _, v := range ladder {
			t := maps.Clone(together)
			t[establishedName] = v
			all = append(all, b.alternative(Timeouts, t))
		}
	}
	return append(all, b.services(d)...)
}

const establishedName = "tcp_timeout_established"

func (b *Basis) alternative(name string, set map[string]int64) Alternative {
	return Alternative{Name: name, Set: set, Max: b.Settings.Max, Buckets: b.Settings.Buckets}
}

func handshakes() []string { return []string{"tcp_timeout_syn_sent", "tcp_timeout_syn_recv"} }

func closings() []string {
	return []string{"tcp_timeout_time_wait", "tcp_timeout_fin_wait", "tcp_timeout_close_wait", "tcp_timeout_last_ack"}
}

// shortened are the settings among names that can be shorter: to what plan brings them to elsewhere, but never
// under the longest handshake seen.
func (b *Basis) shortened(d demand.Demand, names []string) map[string]int64 {
	least := int64(0)
	for i := range d.Classes {
		least = max(least, int64(math.Ceil(idleMargin*d.Classes[i].Handshake)))
	}
	out := map[string]int64{}
	for _, s := range short() {
		now, ok := b.Settings.Get(s.setting)
		if to := max(s.to, least); ok && slices.Contains(names, s.setting) && to < now {
			out[s.setting] = to
		}
	}
	return out
}

func every(*demand.Class) bool { return true }

// floor is the least timeout of established connections that breaks none that was seen: the longest idle gap
// among the chosen classes, and some.
func floor(d demand.Demand, of func(*demand.Class) bool) int64 {
	longest := 0.0
	for i := range d.Classes {
		c := &d.Classes[i]
		if c.Service.Proto == flow.TCP && c.Idle != nil && of(c) {
			longest = max(longest, c.Idle.Longest)
		}
	}
	return int64(math.Ceil(idleMargin * longest))
}

// ladder are established timeouts under the present one, the longest first, down to the least that breaks no
// connection seen and none that TCP keepalive holds, unless it is under keepalive already.
func (b *Basis) ladder(least int64) []int64 {
	now, ok := b.Settings.Get(establishedName)
	if now > b.Keepalive {
		least = max(least, b.Keepalive)
	}
	least = max(least, 1)
	if !ok || least >= now {
		return nil
	}
	return slices.Compact(rungs(now, least))
}

// rungs are timeouts from under one down to another, evenly apart by their ratio.
func rungs(from, to int64) []int64 {
	out := make([]int64, 0, steps)
	for i := 1; i <= steps; i++ {
		v := int64(math.Round(float64(from) * math.Pow(float64(to)/float64(from), float64(i)/steps)))
		out = append(out, max(v, to))
	}
	return out
}

// services are the alternatives that treat one service otherwise.
func (b *Basis) services(d demand.Demand) []Alternative {
	var out []Alternative
	if a, ok := b.longerForOne(d); ok {
		out = append(out, a)
	} else if a, ok := b.shorterForOne(d); ok {
		out = append(out, a)
	}
	for _, s := range heaviest(d) {
		if s.nat || s.service.Port == 0 || s.share < policyShare {
			continue // without tracking there is no translation
		}
		a := b.alternative(Untracked, nil)
		a.Policy = &Policy{Service: s.service, Notrack: true}
		out = append(out, a)
		break
	}
	return out
}

// longerForOne shortens established for all but the one service whose idle connections need longer.
func (b *Basis) longerForOne(d demand.Demand) (Alternative, bool) {
	now, _ := b.Settings.Get(establishedName)
	var one demand.Service
	longest := 0.0
	for i := range d.Classes {
		c := &d.Classes[i]
		if c.Service.Proto == flow.TCP && c.Idle != nil && c.Idle.Longest > longest {
			one, longest = c.Service, c.Idle.Longest
		}
	}
	own := int64(math.Ceil(idleMargin * longest))
	rest := floor(d, func(c *demand.Class) bool { return c.Service != one })
	if now > b.Keepalive {
		rest = max(rest, b.Keepalive)
	}
	rest = max(rest, 1)
	if one.Port == 0 || own <= 2*rest || rest >= now {
		return Alternative{}, false
	}
	a := b.alternative(PolicyOf, map[string]int64{establishedName: rest})
	a.Policy = &Policy{Service: one, Set: map[string]int64{establishedName: min(own, now)}}
	return a, true
}

// shorterForOne gives shorter timeouts to the one service that fills the table.
func (b *Basis) shorterForOne(d demand.Demand) (Alternative, bool) {
	top := heaviest(d)
	if len(top) == 0 || top[0].share < policyShare || top[0].service.Port == 0 {
		return Alternative{}, false
	}
	one := top[0].service
	set := map[string]int64{}
	switch one.Proto {
	case flow.TCP:
		set = b.shortened(d, append(handshakes(), closings()...))
		if l := b.ladder(floor(d, func(c *demand.Class) bool { return c.Service == one })); len(l) > 0 {
			set[establishedName] = l[len(l)-1]
		}
	case flow.UDP:
		least := idleOf(d, one)
		for name, to := range map[string]int64{"udp_timeout": max(10, least), "udp_timeout_stream": max(20, least)} {
			if now, ok := b.Settings.Get(name); ok && to < now {
				set[name] = to
			}
		}
	}
	if len(set) == 0 {
		return Alternative{}, false
	}
	a := b.alternative(PolicyOf, nil)
	a.Policy = &Policy{Service: one, Set: set}
	return a, true
}

// idleOf is the least timeout that a service's idle gaps need.
func idleOf(d demand.Demand, s demand.Service) int64 {
	longest := 0.0
	for i := range d.Classes {
		if c := &d.Classes[i]; c.Service == s && c.Idle != nil {
			longest = max(longest, c.Idle.Longest)
		}
	}
	return int64(math.Ceil(idleMargin * longest))
}

// held is how much of the table a service holds.
type held struct {
	service demand.Service
	share   float64
	nat     bool
}

// heaviest are the services by their share of the table.
func heaviest(d demand.Demand) []held {
	sum := map[demand.Service]*held{}
	var out []*held
	for i := range d.Classes {
		c := &d.Classes[i]
		h := sum[c.Service]
		if h == nil {
			h = &held{service: c.Service}
			sum[c.Service] = h
			out = append(out, h)
		}
		h.share += c.Share
		h.nat = h.nat || c.NAT
	}
	slices.SortStableFunc(out, func(a, b *held) int {
		switch {
		case a.share > b.share:
			return -1
		case a.share < b.share:
			return 1
		}
		return 0
	})
	flat := make([]held, len(out))
	for i, h := range out {
		flat[i] = *h
	}
	return flat
}
