package plan

import (
	"cmp"
	"slices"

	"ctkeeper/internal/conntrack/settings"
)

// rows are the alternatives to compare, one of a kind: of several timeouts the longest that fits under the
// present max, or the shortest; beside them the least max, alone and with all timeouts shortened.
func (b *Basis) rows(all []Alternative) []Alternative {
	var out []Alternative
	for _, a := range all {
		i := slices.IndexFunc(out, func(o Alternative) bool { return o.Name == a.Name })
		switch {
		case i < 0:
			out = append(out, a)
		case !b.under(&out[i]):
			out[i] = a
		}
	}
	if b.under(&out[0]) {
		return out
	}
	rows := []Alternative{out[0], b.raised(out[0], RaiseMax)}
	rows = append(rows, out[1:]...)
	if i := slices.IndexFunc(out, func(o Alternative) bool { return o.Name == Timeouts }); i >= 0 && !b.under(&out[i]) {
		rows = append(rows, b.raised(out[i], TimeoutsMax))
	}
	return rows
}

// under reports whether an alternative's need is under the present max.
func (b *Basis) under(a *Alternative) bool { return b.Settings.Max == 0 || a.Least <= b.Settings.Max }

// raised is an alternative with the max that it needs, or as much of it as the budget allows.
func (b *Basis) raised(a Alternative, name string) Alternative {
	a.Name = name
	a.Max = a.Least
	a.Buckets = follow(b.Kernel, a.Max, b.Settings.Max, b.Settings.Buckets)
	if b.Budget > 0 && b.full(a.Max, a.Buckets) > b.Budget {
		a.Max = max(int64(b.Budget/(b.Flow+settings.BucketBytes))/512*512, b.Settings.Max)
		a.Buckets = follow(b.Kernel, a.Max, b.Settings.Max, b.Settings.Buckets)
	}
	return a
}

// choose takes what refuses nothing and breaks least; of equals what disturbs least. Where nothing fits it
// takes what refuses least, breaks least, and of what refuses nothing yet what needs least room beyond its own.
func (b *Basis) choose(m *Measured) {
	all := m.Alternatives
	for i := range all {
		switch {
		case all[i].Policy != nil && all[i].Policy.Notrack:
			all[i].Barred = "notrack" // it takes rules and NAT away from the service: a decision of people
		case b.Fixed && all[i].Max != b.Settings.Max:
			all[i].Barred = "machine"
		case all[i].Name != Present && b.Budget > 0 && all[i].Memory > b.Budget && all[i].Max > b.Settings.Max:
			all[i].Barred = "memory"
		}
	}
	order := []string{Present, RaiseMax, HalfOpen, Closing, Established, Timeouts, PolicyOf, TimeoutsMax}
	if flooded(all) {
		order = []string{Present, HalfOpen, RaiseMax, Closing, Established, Timeouts, PolicyOf, TimeoutsMax}
	}
	worse := func(x, y Alternative) int {
		return cmp.Or(one(y.Fits)-one(x.Fits), cmp.Compare(x.Refused.High, y.Refused.High), cmp.Compare(x.extra(all), y.extra(all)),
			cmp.Compare(x.beyond(), y.beyond()), slices.Index(order, x.Name)-slices.Index(order, y.Name))
	}
	best := -1
	for i := range all {
		if all[i].Barred == "" && (best < 0 || worse(all[i], all[best]) < 0) {
			best = i
		}
	}
	if best >= 0 {
		all[best].Chosen = true
	}
}

func one(fits bool) int {
	if fits {
		return 1
	}
	return 0
}

// beyond is how much more room it needs than it has, where it refuses nothing of what was recorded but has no headroom. What
// refuses was measured in a full table, which does not tell what it needs.
func (a *Alternative) beyond() int64 {
	if a.Fits || a.Refused.High > 0 {
		return 0
	}
	return a.Least - a.Max
}

// extra are the flows that it breaks beyond those that the present settings break too.
func (a *Alternative) extra(all []Alternative) uint64 {
	return a.Broken.High - min(a.Broken.High, all[0].Broken.High)
}

// flooded reports whether more than half of what the table needs are handshakes that never end: more room
// would hold more of them.
func flooded(all []Alternative) bool {
	i := slices.IndexFunc(all, func(a Alternative) bool { return a.Name == HalfOpen })
	return i >= 0 && float64(all[i].Least) < (1-floodShare)*float64(all[0].Least)
}
