package sample

import (
	"context"
	"fmt"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// budget spreads the reading of tables so that the whole process stays within its share of a core.
type budget struct {
	share float64
	// begun and cpu are where the measuring of everything but tables began.
	begun   time.Time
	cpu     time.Duration
	tables  time.Duration // CPU that tables took since begun
	last    time.Duration // CPU of the last round
	lastAt  time.Time
	every   time.Duration
	started bool
}

const (
	tableSoonest = 5 * time.Second
	tableLatest  = time.Hour
	// settling is the time over which what the beginning costs is spread.
	settling = 5 * time.Minute
)

func (b *budget) begin(now time.Time, cpu time.Duration) { b.begun, b.cpu = now, cpu }

// due tells whether tables may be read again, by what everything else takes up to now.
func (b *budget) due(now time.Time, cpu time.Duration) bool {
	if !b.started || now.Before(b.lastAt) {
		return true
	}
	b.plan(now, cpu)
	return now.Sub(b.lastAt) >= b.every
}

// took notes what a round cost.
func (b *budget) took(now time.Time, cost, cpu time.Duration) {
	b.started, b.last, b.lastAt = true, cost, now
	b.tables += cost
	b.plan(now, cpu)
}

// plan sets how far readings lie apart: what everything else takes is not the tables' to spend, and what they took beyond what was
// left since the beginning, as the first reading of a large table, is saved up again before the next.
func (b *budget) plan(now time.Time, cpu time.Duration) {
	since := now.Sub(b.begun)
	spent := (cpu - b.cpu - b.tables).Seconds() / max(since, settling).Seconds()
	left := max(b.share-spent, b.share/10)
	wait := func(seconds float64) time.Duration { return time.Duration(seconds / left * float64(time.Second)) }
	owed := (b.tables + b.last).Seconds() - left*since.Seconds()
	b.every = min(max(wait(b.last.Seconds()), now.Sub(b.lastAt)+wait(owed), tableSoonest), tableLatest)
}

// readTables reads the tables whenever the budget allows it, beside the samples: a large one takes seconds.
func (s *Sampler) readTables(ctx context.Context) {
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		s.tables(ctx)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// tables reads every table once, when the budget allows it.
func (s *Sampler) tables(ctx context.Context) {
	s.mu.Lock()
	due := s.cost.due(time.Now(), s.host.CPU())
	all := append([]*watched(nil), s.watched...)
	s.mu.Unlock()
	if !due {
		return
	}
	before := s.host.CPU()
	for _, w := range all {
		if ctx.Err() != nil {
			return
		}
		s.table(ctx, w)
	}
	cpu := s.host.CPU()
	s.mu.Lock()
	s.cost.took(time.Now(), cpu-before, cpu)
	s.mu.Unlock()
}

func (s *Sampler) table(ctx context.Context, w *watched) {
	s.mu.Lock()
	tracks, ns, settings := w.tracks, w.ns, w.settings
	s.mu.Unlock()
	if !tracks {
		return
	}
	timeouts := rank.NewTimeouts(settings)
	var see func(*flow.Flow)
	var rec Recorder
	if s.o.Recorder != nil {
		rec = s.o.Recorder(ns.Name)
	}
	if rec != nil {
		rec.Begin(time.Now(), timeouts)
		see = rec.See
	}
	flows, expectations, err := s.host.Table(ctx, ns, timeouts, see)
	if rec != nil {
		rec.End(err == nil && flows.Consistent)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		w.flows, w.flowsAt, w.expects = &flows, time.Now().UTC(), expectations
	case ctx.Err() == nil && !gone(err):
		s.lose("tables", fmt.Errorf("%s: %w", ns.Name, err))
	}
}
