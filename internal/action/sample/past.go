package sample

import (
	"context"
	"time"

	"ctkeeper/internal/advice/demand"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// pastStep is the distance of the points that are kept of a day; the rest of a week is as the store gives it.
	pastStep = 5 * time.Minute
)

// remember reads what the tables did since a day, and since a week, before the samples that are in memory.
func (s *Sampler) remember(ctx context.Context, now time.Time) {
	s.mu.Lock()
	all := append([]*watched(nil), s.watched...)
	s.mu.Unlock()
	for _, w := range all {
		s.mu.Lock()
		name, tracks := w.ns.Name, w.tracks || w.ns.Present
		s.mu.Unlock()
		if !tracks {
			continue
		}
		before := ringSize*s.o.Every + pastStep
		yesterday := s.points(ctx, name, now.Add(-day-before), now)
		lastWeek := append(s.points(ctx, name, now.Add(-week-before), now.Add(-week+day)), s.points(ctx, name, now.Add(-week+day), now)...)
		s.mu.Lock()
		w.yesterday, w.lastWeek = yesterday, lastWeek
		s.mu.Unlock()
	}
}

// points are what the store kept of a time, thinned; none after an error, which is counted.
func (s *Sampler) points(ctx context.Context, name string, from, to time.Time) (out []demand.Point) {
	kept, err := s.o.Past(ctx, name, from, to)
	if err != nil {
		s.mu.Lock()
		s.lose("past", err)
		s.mu.Unlock()
	}
	for _, sm := range kept {
		if n := len(out); n == 0 || sm.At.Sub(out[n-1].At) >= pastStep {
			out = append(out, demand.Point{At: sm.At, Count: float64(sm.Count)})
		}
	}
	return out
}
