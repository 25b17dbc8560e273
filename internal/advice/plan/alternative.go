package plan

import (
	"maps"
	"math"
	"slices"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/settings"
)

// Names of alternatives.
const (
	Present     = "present"     // the settings as they are
	RaiseMax    = "raise_max"   // the least max that the demand needs
	Established = "established" // a shorter established timeout
	HalfOpen    = "half_open"   // shorter timeouts of handshakes
	Closing     = "closing"     // shorter timeouts of connections that are closed or closing
	Timeouts    = "timeouts"    // all of these together
	TimeoutsMax = "timeouts_and_max"
	PolicyOf    = "policy"  // other timeouts for one service
	Untracked   = "notrack" // one service without tracking
)

// Bounds are a figure's ends: equal where packet times are known, apart where a flow record leaves them open.
type Bounds struct {
	Low  uint64 `json:"low"`
	High uint64 `json:"high"`
}

// Alternative is one way to give the traffic room, and what a replay of the recording made of it.
type Alternative struct {
	Name string `json:"name"`
	// Set is what it changes beside max and buckets; Policy what it changes for one service.
	Set     map[string]int64 `json:"set,omitempty"`
	Policy  *Policy          `json:"policy,omitempty"`
	Max     int64            `json:"max"`
	Buckets int64            `json:"buckets"`

	// Least is the max that its demand needs, headroom included; Fits tells that Max is at least that.
	Least int64 `json:"least_max"`
	Fits  bool  `json:"fits"`

	Peak       Bounds  `json:"peak"`
	Refused    Bounds  `json:"refused"` // packets
	EarlyDrops Bounds  `json:"early_drops"`
	Broken     Bounds  `json:"broken"` // flows
	Memory     uint64  `json:"memory"` // of a full table, in bytes
	Chain      float64 `json:"chain"`  // of a full table, mean
	Chosen     bool    `json:"chosen,omitempty"`
	// Barred tells why it was not to be chosen: machine, memory, or notrack.
	Barred string `json:"barred,omitempty"`
}

// Measured is what a replay of the host's own recording says.
type Measured struct {
	Sources []string `json:"sources"`
	// Headroom is the growth that max leaves room for, as a share.
	Headroom float64       `json:"headroom"`
	Demand   demand.Demand `json:"demand"`
	// Peak is how high the table stands under the present timeouts when nothing bounds it.
	Peak         *demand.Peak  `json:"peak,omitempty"`
	Alternatives []Alternative `json:"alternatives"`
	// Share of the flows that the recording holds; absent when it holds all.
	Share float64 `json:"share,omitempty"`
	// Lost are the events that the recorder missed, and the flows that it did not follow or write.
	Lost uint64 `json:"lost,omitempty"`
	// Unseen are the packets that a full table refused while it was recorded: a flow record does not hold them.
	Unseen uint64 `json:"refused_while_recorded,omitempty"`

	bounded bool // from flow records
}

// Chosen is the alternative that the plan carries out.
func (m *Measured) Chosen() *Alternative {
	for i := range m.Alternatives {
		if m.Alternatives[i].Chosen {
			return &m.Alternatives[i]
		}
	}
	return nil
}

// Basis is the host that alternatives are made for.
type Basis struct {
	Profile  model.Profile
	Kernel   settings.Kernel
	Settings model.Settings
	// Flow is what a flow costs in bytes, Budget what a full table may; 0 is no bound.
	Flow, Budget uint64
	// Headroom is the growth to leave room for, as a share.
	Headroom float64
	// Keepalive is after how many seconds an idle connection shows that it lives.
	Keepalive int64
	// Fixed tells that max cannot be set from here.
	Fixed bool
	// Share of the flows that the recording holds, each of which stands for others in the replay too; 0 means all.
	Share float64
}

// Play replays the recording under variants. silent is the other bound, with flow records: nil where packet
// times are known.
type Play func(variants []replay.Variant) (busy, silent []replay.Result, err error)

// shownClasses are how many classes of the demand a plan keeps.
const shownClasses = 30

// Measure makes alternatives from the demand, replays them, and chooses: first without a limit, for what each
// needs, then each as it would be set, and a raised max again until it is enough.
func Measure(b Basis, d demand.Demand, play Play) (Measured, error) {
	m := Measured{Headroom: b.Headroom, Demand: d.Top(shownClasses)}
	if b.share() < 1 {
		m.Share = b.Share
	}
	all := b.candidates(d)
	busy, silent, err := play(b.variants(all, true))
	if err != nil {
		return m, err
	}
	b.need(all, busy, silent)
	if all, err = b.refine(all, play); err != nil {
		return m, err
	}
	m.bounded = silent != nil
	if p, ok := demand.PeakOf(busy[0].Counts(), busy[0].BinWidth); ok {
		m.Peak = &p
	}
	m.Alternatives = b.rows(all)
	if err := b.verify(m.Alternatives, play); err != nil {
		return m, err
	}
	b.choose(&m)
	return m, nil
}

// need takes from a pass without a limit what each alternative needs.
func (b *Basis) need(all []Alternative, busy, silent []replay.Result) {
	for i := range all {
		all[i].Least = b.least(bounds(i, busy, silent, func(r *replay.Result) uint64 { return uint64(r.Peak) }).High)
	}
}

// refine adds values between the longest established timeout that fits under the present max and the one before it,
// which does not: what is proposed is not shorter than it must be.
func (b *Basis) refine(all []Alternative, play Play) ([]Alternative, error) {
	if b.under(&all[0]) {
		return all, nil
	}
	for _, name := range []string{Established, Timeouts} {
		first := slices.IndexFunc(all, func(a Alternative) bool { return a.Name == name && a.Set[establishedName] > 0 })
		between := b.between(all, name)
		if first < 0 || len(between) == 0 {
			continue
		}
		busy, silent, err := play(b.variants(between, true))
		if err != nil {
			return nil, err
		}
		b.need(between, busy, silent)
		all = slices.Insert(all, first, between...)
	}
	return all, nil
}

// between are the values that [Basis.refine] adds for one kind of alternative; none where none fits.
func (b *Basis) between(all []Alternative, name string) (out []Alternative) {
	longer, _ := b.Settings.Get(establishedName)
	for i := range all {
		a := &all[i]
		v, ok := a.Set[establishedName]
		if a.Name != name || !ok {
			continue
		}
		if !b.under(a) {
			longer = v
			continue
		}
		for _, v := range rungs(longer, v)[:steps-1] {
			one := b.alternative(name, maps.Clone(a.Set))
			one.Set[establishedName] = v
			out = append(out, one)
		}
		return out
	}
	return nil
}

// verifyTries bounds the passes until a raised max is enough.
const verifyTries = 4

// verify replays the alternatives as they would be set. A raised max brings more buckets, and in their shorter
// chains less of what expired is found and freed: where the peak comes out higher for it, max follows.
func (b *Basis) verify(rows []Alternative, play Play) error {
	todo := make([]int, len(rows))
	for i := range todo {
		todo[i] = i
	}
	for try := 1; len(todo) > 0; try++ {
		some := make([]Alternative, len(todo))
		for n, i := range todo {
			some[n] = rows[i]
		}
		busy, silent, err := play(b.variants(some, false))
		if err != nil {
			return err
		}
		var higher []int
		for n, i := range todo {
			b.judge(&rows[i], n, busy, silent)
			if next := b.raised(rows[i], rows[i].Name); try < verifyTries && rows[i].raises() && next.Max > rows[i].Max {
				rows[i] = next
				higher = append(higher, i)
			}
		}
		todo = higher
	}
	return nil
}

// raises reports whether an alternative is one of those that raise max.
func (a *Alternative) raises() bool { return a.Name == RaiseMax || a.Name == TimeoutsMax }

// least is the smallest max for a peak: the peak and its growth, three times what a count of flows that come
// independently scatters by (a count that was taken of a share of them scatters more), in whole pages of the table.
func (b *Basis) least(peak uint64) int64 {
	grown := float64(peak) * (1 + b.Headroom)
	return roundUp(int64(math.Ceil(grown+3*math.Sqrt(grown/b.share()))), 512)
}

func (b *Basis) share() float64 {
	if b.Share > 0 {
		return min(b.Share, 1)
	}
	return 1
}

// variants are what the player runs; without a limit, to see what each needs.
func (b *Basis) variants(all []Alternative, unlimited bool) []replay.Variant {
	out := make([]replay.Variant, len(all))
	for i, a := range all {
		s := b.Settings
		setAll(&s, a.Set)
		s.Max, s.Buckets = a.Max, a.Buckets
		if unlimited {
			s.Max = 0
		}
		out[i] = replay.Variant{Profile: b.Profile, Settings: s}
		if p := a.Policy; p != nil {
			own := s
			setAll(&own, p.Set)
			out[i].Policies = []replay.Policy{{Proto: p.Service.Proto, Port: p.Service.Port, Settings: own, Notrack: p.Notrack}}
		}
	}
	return out
}

func setAll(s *model.Settings, values map[string]int64) {
	for name, v := range values {
		_ = s.Set(name, v) // fails for names that the model does not know, which no candidate has
	}
}

// judge takes an alternative's figures from its run.
func (b *Basis) judge(a *Alternative, i int, busy, silent []replay.Result) {
	of := func(f func(*replay.Result) uint64) Bounds { return bounds(i, busy, silent, f) }
	a.Peak = of(func(r *replay.Result) uint64 { return uint64(r.Peak) })
	a.Refused = of(func(r *replay.Result) uint64 { return r.Counters.Refused })
	a.EarlyDrops = of(func(r *replay.Result) uint64 { return r.Counters.EarlyDrop + r.Counters.GCDropped })
	a.Broken = of(func(r *replay.Result) uint64 {
		n, _ := r.BrokenFlows()
		return n + r.Unwatched
	})
	if a.raises() {
		a.Least = b.least(a.Peak.High)
	}
	a.Fits = a.Max == 0 || a.Max >= a.Least && a.Refused.High == 0
	if a.Max > 0 {
		a.Memory = b.full(a.Max, a.Buckets)
		a.Chain = 2 * float64(a.Max) / float64(max(a.Buckets, 1))
	}
}

func bounds(i int, busy, silent []replay.Result, f func(*replay.Result) uint64) Bounds {
	x := f(&busy[i])
	out := Bounds{x, x}
	if silent != nil {
		y := f(&silent[i])
		out = Bounds{min(x, y), max(x, y)}
	}
	return out
}

// full is what a full table costs.
func (b *Basis) full(limit, buckets int64) uint64 {
	return uint64(limit)*b.Flow + uint64(buckets)*settings.BucketBytes
}

// span is how long the recording is, in seconds.
func (m *Measured) span() int64 { return int64(m.Demand.Span() / time.Second) }
