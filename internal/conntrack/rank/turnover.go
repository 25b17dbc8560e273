package rank

import (
	"hash/maphash"
	"math"

	"ctkeeper/internal/conntrack/flow"
)

// Turnover tells how many flows came and went between two readings of a table. Above a number of flows it
// keeps a sample of them, and states the error of that. Flows that came and went between the readings
// are seen by neither.
type Turnover struct {
	seed     maphash.Seed
	limit    int
	mask     uint64 // flows whose hash has none of these bits are in the sample
	now, old map[uint64]struct{}
	readings int
}

// Change is what came and went between two readings. The true figures lie within the errors in 19 of 20
// cases; an error of 0 is exact.
type Change struct {
	Came, CameError float64
	Went, WentError float64
}

// NewTurnover keeps at most limit flows of a reading; 0 means 65536.
func NewTurnover(limit int) *Turnover {
	if limit <= 0 {
		limit = 65536
	}
	return &Turnover{seed: maphash.MakeSeed(), limit: limit, now: map[uint64]struct{}{}}
}

// Add counts a flow of this reading.
func (t *Turnover) Add(fl *flow.Flow) {
	h := t.identity(fl)
	if h&t.mask != 0 {
		return
	}
	t.now[h] = struct{}{}
	for len(t.now) > t.limit {
		t.mask = t.mask<<1 | 1
		t.thin(t.now)
		t.thin(t.old)
	}
}

// identity is a hash of what tells a flow from one that has its addresses later, where the source tells it.
func (t *Turnover) identity(fl *flow.Flow) uint64 {
	if fl.Has(flow.HasID) {
		return maphash.Comparable(t.seed, fl.ID)
	}
	return maphash.Comparable(t.seed, fl.Orig)
}

func (t *Turnover) thin(set map[uint64]struct{}) {
	for h := range set {
		if h&t.mask != 0 {
			delete(set, h)
		}
	}
}

// Reset forgets this reading, to read the table again.
func (t *Turnover) Reset() { clear(t.now) }

// Next ends a reading and compares it with the one before; false when there was none.
func (t *Turnover) Next() (Change, bool) {
	came, went := 0, 0
	for h := range t.now {
		if _, was := t.old[h]; !was {
			came++
		}
	}
	for h := range t.old {
		if _, is := t.now[h]; !is {
			went++
		}
	}
	t.old, t.now = t.now, map[uint64]struct{}{}
	t.readings++
	if t.readings == 1 {
		return Change{}, false
	}
	scale := float64(t.mask + 1)
	return Change{
		Came: scale * float64(came), CameError: sampleError(came, scale),
		Went: scale * float64(went), WentError: sampleError(went, scale),
	}, true
}

// sampleError is twice the standard deviation of a count n of which each is one of scale.
func sampleError(n int, scale float64) float64 {
	return 2 * math.Sqrt(float64(n)*scale*(scale-1))
}
