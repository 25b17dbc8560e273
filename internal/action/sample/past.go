package sample

import (
	"context"
	"time"

	"ctkeeper/internal/advice/demand"
)

const (
	day = 24 * time.Hour
	// pastStep is the distance of the points that are kept of the day before.
	pastStep = 5 * time.Minute
)

// remember reads what the tables did since a day before the samples that are in memory.
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
		past, err := s.o.Past(ctx, name, now.Add(-day-ringSize*s.o.Every-pastStep), now)
		s.mu.Lock()
		if err != nil {
			s.lost["past"]++
		}
		w.past = w.past[:0]
		for _, sm := range past {
			if n := len(w.past); n == 0 || sm.At.Sub(w.past[n-1].At) >= pastStep {
				w.past = append(w.past, demand.Point{At: sm.At, Count: float64(sm.Count)})
			}
		}
		s.mu.Unlock()
	}
}
