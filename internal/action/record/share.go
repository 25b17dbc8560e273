package record

import (
	"context"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// share is the part of the flows that is recorded, chosen by their tuples, so that a flow is in or out whole and a
// smaller share is part of every greater one.
type share struct {
	wished float64
	budget int64 // bytes an hour; 0: no bound
	// now is the share of new flows, least the smallest so far: of a flow that began unseen nobody knows when,
	// and which share it was left out of.
	now, least float64
	added      uint64 // flows since the last look
	looked     time.Time
}

// bytesAFlow is what a flow takes on disk while no file tells.
const bytesAFlow = 24

// looking is how far apart the looks at the arrivals are, by which the share is set.
const looking = 5 * time.Second

func newShare(wished float64, budget int64) share {
	if wished <= 0 || wished > 1 {
		wished = 1
	}
	return share{wished: wished, budget: budget, now: wished, least: wished, looked: time.Now()}
}

// of is the share that a flow is chosen by: began is whether it was seen to begin.
func (s *share) of(began bool) float64 {
	if began {
		return s.now
	}
	return s.least
}

func (s *share) holds(fl *flow.Flow, began bool) bool {
	part := s.of(began)
	return part >= 1 || float64(tupleHash(&fl.Orig)>>11)/(1<<53) < part
}

// keep sets the share so that what came lately, going on for an hour, fits the budget.
func (s *share) keep(now time.Time, perFlow float64) {
	since := now.Sub(s.looked)
	if s.budget <= 0 || since < looking {
		return
	}
	arrivals := float64(s.added) / s.now / since.Hours() // an hour
	s.added, s.looked = 0, now
	s.now = s.wished
	if need := arrivals * perFlow; need > 0 {
		s.now = min(s.wished, float64(s.budget)/need)
	}
	s.least = min(s.least, s.now)
}

// fullness counts what a full table refuses.
type fullness struct {
	count, max uint32
	counters   map[string]uint64
}

// watch looks at the arrivals and the kernel's counters, about once a second. What cannot be read counts nothing.
func (r *recorder) watch(ctx context.Context) {
	st, err := r.conn.Stats(ctx)
	if err != nil || st.Count == nil || st.Max == nil {
		return
	}
	cpus, err := r.conn.CPUStats(ctx)
	if err != nil {
		return
	}
	now := fullness{uint32(*st.Count), uint32(*st.Max), ctnetlink.Sum(cpus)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Refused += now.refusedSince(&r.full)
	r.full = now
	r.share.keep(time.Now(), r.out.perFlow())
}

// refusedSince is the rise of drop while the table was about full, less the clashes, which drop counts too.
func (f *fullness) refusedSince(before *fullness) uint64 {
	if before.counters == nil || max(f.count, before.count) < f.max/100*95 {
		return 0
	}
	rise := func(name string) uint64 { return uint64(uint32(f.counters[name]) - uint32(before.counters[name])) }
	clashes := rise("insert_failed") - min(rise("chain_toolong"), rise("insert_failed"))
	return rise("drop") - min(clashes, rise("drop"))
}
