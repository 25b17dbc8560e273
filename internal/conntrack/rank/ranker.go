package rank

import (
	"sort"

	"ctkeeper/internal/conntrack/flow"
)

// Options of a ranking. The zero value ranks by every key.
type Options struct {
	// Keys are those to rank by; nil means all that a summary has.
	Keys []Key
	// Limit is how many different values of a key are counted exactly; 0 means 65536. A key takes
	// 60 bytes at most.
	Limit int
	// Top is how many rows the summary has for each key; 0 means 20.
	Top int
	// Timeouts tell the idle time; nil: it is not known and the summary has no idle histograms.
	Timeouts *Timeouts
}

// class counts the flows of one protocol and state.
type class struct {
	proto           flow.Proto
	state           flow.State
	count           uint64
	assured         uint64
	unreplied       uint64
	idle, remaining IdleHistogram
}

// states is how many state numbers a protocol has room for; higher ones, which no kernel has, share the
// last place.
const states = 16

// Ranker counts flows in one pass. It allocates nothing for a flow once its tables have grown.
type Ranker struct {
	o        Options
	sketches []ranked
	classes  [256]*[states]*class
	total    uint64
	assured  uint64
	closing  uint64
	nat      uint64
	timed    bool // some flow had a remaining time
}

// New returns an empty ranking.
func New(o Options) *Ranker {
	if o.Limit <= 0 {
		o.Limit = 65536
	}
	if o.Top <= 0 {
		o.Top = 20
	}
	if o.Keys == nil {
		o.Keys = []Key{Src, Dst, SrcPrefix, DstPrefix, DstPort, Zone}
	}
	r := &Ranker{o: o}
	for _, k := range o.Keys {
		p := Part{Key: k, Bits4: defaultBits4, Bits6: defaultBits6}
		r.sketches = append(r.sketches, ranked{p, newSketch[key](o.Limit, key.hash, key.compare)})
	}
	return r
}

// ranked is one key of a ranking.
type ranked struct {
	part   Part
	sketch *sketch[key]
}

// Fields are the optional parts of a flow that a ranking looks at, for whoever reads the flows.
const Fields = flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasZone

// Reset forgets all flows, to read the table again.
func (r *Ranker) Reset() {
	for _, s := range r.sketches {
		s.sketch.reset()
	}
	r.classes = [256]*[states]*class{}
	r.total, r.assured, r.closing, r.nat, r.timed = 0, 0, 0, 0, false
}

// Add counts a flow.
func (r *Ranker) Add(fl *flow.Flow) {
	m := marksOf(fl)
	r.total++
	if m&isAssured != 0 {
		r.assured++
		if fl.Closing() {
			r.closing++
		}
	}
	if fl.Status&(flow.SrcNAT|flow.DstNAT) != 0 {
		r.nat++
	}
	c := r.class(fl)
	c.count++
	if m&isAssured != 0 {
		c.assured++
	}
	if fl.Status&flow.SeenReply == 0 {
		c.unreplied++
	}
	r.times(c, fl)
	for i := range r.sketches {
		s := &r.sketches[i]
		s.sketch.add(s.part.keyOf(fl, nil), m)
	}
}

func (r *Ranker) class(fl *flow.Flow) *class {
	p := fl.Proto()
	n := min(fl.State.Number(), states-1)
	row := r.classes[p]
	if row == nil {
		row = new([states]*class)
		r.classes[p] = row
	}
	if row[n] == nil {
		row[n] = &class{proto: p, state: fl.State}
	}
	return row[n]
}

func (r *Ranker) times(c *class, fl *flow.Flow) {
	if !fl.Has(flow.HasTimeout) {
		c.remaining.Unknown++
		c.idle.Unknown++
		return
	}
	r.timed = true
	c.remaining.add(int64(fl.Timeout))
	if r.o.Timeouts == nil {
		return
	}
	if idle, ok := r.o.Timeouts.Idle(fl); ok {
		c.idle.add(idle)
	} else {
		c.idle.Unknown++
	}
}

// add counts one value.
func (h *IdleHistogram) add(seconds int64) {
	i := sort.Search(len(IdleBounds), func(i int) bool { return seconds <= IdleBounds[i] })
	h.Buckets[i]++
	h.Max = max(h.Max, seconds)
}
