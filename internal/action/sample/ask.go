package sample

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
)

// Question is a ranking of the flows that a filter selects, of a table as it is now.
type Question struct {
	Namespace string
	By        rank.By
	Filter    filter.Filter
	Rows      int
	// Flows, when set, is how many flows are shown as they are.
	Flows int
}

// Asked is the answer.
type Asked struct {
	rank.Ranking
	At    time.Time
	Whole bool // no flow can be missing or doubled
	Flows []flow.Flow
}

// BusyError is a question that came too soon after others.
type BusyError struct{ After time.Duration }

// Error tells when to ask again.
func (e BusyError) Error() string {
	return fmt.Sprintf("the table was read for questions just now; ask again in %.0f s", e.After.Seconds()+0.5)
}

// ErrNamespace is a namespace that is not watched.
var ErrNamespace = errors.New("no such namespace is watched")

const (
	// askRest is how long the table is left alone after it was read for a question, as a multiple of what that
	// took: questions take a fifth of one core at most.
	askRest = 4
	// askWait is how long a question waits for its turn.
	askWait = 5 * time.Second
	// askKeys bounds the keys that are counted exactly.
	askKeys = 16384
)

// asked spaces questions out.
type asked struct {
	turn chan struct{} // held by who reads
	next time.Time     // when the table may be read again; of who has the turn
}

// Ask reads the table of a namespace for one question.
func (s *Sampler) Ask(ctx context.Context, q Question) (Asked, error) {
	w, timeouts := s.place(q.Namespace)
	if w == nil {
		return Asked{}, ErrNamespace
	}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	select {
	case s.asked.turn <- struct{}{}:
		defer func() { <-s.asked.turn }()
	case <-time.After(askWait):
		return Asked{}, BusyError{askWait}
	case <-ctx.Done():
		return Asked{}, ctx.Err()
	}
	if wait := time.Until(s.asked.next); wait > askWait {
		return Asked{}, BusyError{wait}
	} else if !sleep(ctx, wait) {
		return Asked{}, ctx.Err()
	}
	begin := time.Now()
	out, err := s.read(ctx, w, timeouts, q)
	s.asked.next = time.Now().Add(askRest * time.Since(begin))
	return out, err
}

// place is a watched namespace and its timeouts.
func (s *Sampler) place(namespace string) (*watched, *rank.Timeouts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		if w.ns.Name == namespace {
			return w, rank.NewTimeouts(w.settings)
		}
	}
	return nil, nil
}

func (s *Sampler) read(ctx context.Context, w *watched, t *rank.Timeouts, q Question) (Asked, error) {
	s.mu.Lock()
	ns := w.ns
	s.mu.Unlock()
	board := rank.NewBoard(rank.BoardOptions{By: q.By, Timeouts: t, Limit: askKeys})
	var out Asked
	fields := q.By.Fields()
	if q.Flows > 0 || !q.Filter.All() {
		fields = flow.AllFields
	}
	whole, err := s.host.Flows(ctx, ns, ctnetlink.DumpOptions{Filter: q.Filter, Idle: t.Idle, Fields: fields, Restart: func() { board.Reset(); out.Flows = nil }}, func(fl *flow.Flow) error {
		board.Add(fl)
		if len(out.Flows) < q.Flows {
			out.Flows = append(out.Flows, fl.Clone())
		}
		return nil
	})
	out.Ranking, out.At, out.Whole = board.Ranking(q.Rows), time.Now().UTC(), whole
	return out, err
}
