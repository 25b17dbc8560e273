package sample

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/netns"
)

const (
	// quietTime ends an incident.
	quietTime = time.Minute
	// mergeTime is how soon after its end the next one is the same.
	mergeTime = 5 * time.Minute
	// tellEvery lies between two writings of an open incident.
	tellEvery = 10 * time.Second
	// lookEvery lies between two readings of the settings while an incident is open.
	lookEvery = 5 * time.Second
)

// judge opens, feeds and closes a namespace's incident.
func (s *Sampler) judge(w *watched, sm snapshot.Sample) {
	pressure := 0.0
	if sm.Held != nil && sm.Max > 0 {
		pressure = float64(*sm.Held) / float64(sm.Max)
	}
	cause := sm.Rises.Refused > 0 || pressure >= s.o.Pressure
	if w.incident == nil {
		if cause {
			s.open(w, sm)
			s.feed(w, sm, pressure)
			s.tell(w, sm.At)
		}
		return
	}
	s.feed(w, sm, pressure)
	switch {
	case cause:
		w.quiet = time.Time{}
	case w.quiet.IsZero(), sm.At.Before(w.quiet): // or the clock stepped back
		w.quiet = sm.At
	case sm.At.Sub(w.quiet) >= quietTime:
		s.close(w, w.quiet)
		return
	}
	if sm.At.Sub(w.told) >= tellEvery || sm.At.Before(w.told) {
		s.tell(w, sm.At)
	}
}

// open begins an incident, or goes on with one that ended just now.
func (s *Sampler) open(w *watched, sm snapshot.Sample) {
	w.quiet = time.Time{}
	if l := w.last; l != nil && sm.At.Sub(w.closed) < mergeTime {
		l.Ended = time.Time{}
		w.incident, w.last = l, nil
		return
	}
	w.began = sm.At
	w.incident = &snapshot.Incident{ID: fmt.Sprintf("%s-%d", sm.At.Format("20060102T150405Z"), w.ns.Inode), Namespace: w.ns.Name, Inode: w.ns.Inode,
		Began: sm.At, Before: w.minuteBefore(), Max: sm.Max, Settings: maps.Clone(w.settings)}
}

// feed adds a sample to the incident.
func (s *Sampler) feed(w *watched, sm snapshot.Sample, pressure float64) {
	i := w.incident
	i.Peak, i.PeakPressure = max(i.Peak, sm.Count), max(i.PeakPressure, pressure)
	i.Refused += sm.Rises.Refused
	i.EarlyDrops += sm.Rises.EarlyDrop
	i.LogLines += w.fullLines
	w.fullLines = 0
	if w.flows != nil && !w.flowsAt.Before(i.Began.Add(-time.Minute)) {
		i.Sources = w.flows.Summary.Source[:min(10, len(w.flows.Summary.Source))]
	}
}

// close ends the incident. Its length is what passed, whatever the clock was set to meanwhile.
func (s *Sampler) close(w *watched, at time.Time) {
	w.closed = at
	w.incident.Ended = w.incident.Began.Add(max(at.Sub(w.began), 0))
	s.tell(w, at)
	w.last, w.incident = w.incident, nil
}

// maxChanges bounds what an incident holds of them.
const maxChanges = 50

// changes notes in an open incident what was done to the settings.
func (s *Sampler) changes(w *watched, changed []snapshot.Changed, at time.Time) {
	if w.incident == nil {
		return
	}
	for _, c := range changed[:min(len(changed), maxChanges-min(len(w.incident.Changes), maxChanges))] {
		c.At = at
		if s.o.By != nil {
			c.By = s.o.By(c.Setting, c.To)
		}
		w.incident.Changes = append(w.incident.Changes, c)
	}
}

// tell hands the incident as it stands to the store and to who asked.
func (s *Sampler) tell(w *watched, at time.Time) {
	first := w.told.Before(w.incident.Began)
	w.told = at
	w.incident.Seen = at
	copied := *w.incident
	copied.Changes = slices.Clone(copied.Changes)
	if s.o.Store != nil {
		s.o.Store.Incident(copied)
	}
	if s.o.Changed != nil && (first || !copied.Ended.IsZero()) {
		s.o.Changed(copied)
	}
}

// adopt begins to watch a namespace, and goes on with the incident that an earlier run left open in it.
func (s *Sampler) adopt(ns netns.Namespace) *watched {
	w := &watched{}
	for n, i := range s.o.Open {
		if i.Inode == ns.Inode && i.Namespace == ns.Name {
			now := s.o.Now().UTC()
			w.incident, w.began, w.told = &i, now.Add(-max(now.Sub(i.Began), 0)), now
			s.o.Open = slices.Delete(slices.Clone(s.o.Open), n, n+1)
			break
		}
	}
	return w
}

// leftOpen ends the incidents of an earlier run whose namespaces are gone.
func (s *Sampler) leftOpen() {
	for _, i := range s.o.Open {
		i.Ended = i.Seen
		if i.Ended.Before(i.Began) {
			i.Ended = i.Began
		}
		if s.o.Store != nil {
			s.o.Store.Incident(i)
		}
	}
	s.o.Open = nil
}

// keepOpen writes the incidents that are open when the watching ends.
func (s *Sampler) keepOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		if w.incident != nil {
			s.tell(w, s.o.Now().UTC())
		}
	}
}
