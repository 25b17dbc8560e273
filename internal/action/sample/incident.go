package sample

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
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
	case w.quiet.IsZero():
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
	if l := w.last; l != nil && sm.At.Sub(l.Ended) < mergeTime {
		l.Ended = time.Time{}
		w.incident, w.last = l, nil
		return
	}
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

// maxChanges bounds the changes that an incident holds.
const maxChanges = 64

// changed notes which settings were changed since the last reading, where an incident is open.
func (w *watched) changed(now map[string]int64, at time.Time) {
	if w.incident == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, ok := w.settings[name]; ok && was != now[name] && name != "count" && len(w.incident.Changes) < maxChanges {
			w.incident.Changes = append(w.incident.Changes, snapshot.Change{At: at, Setting: name, From: was, To: now[name]})
		}
	}
}

func (s *Sampler) close(w *watched, at time.Time) {
	w.incident.Ended = at
	s.tell(w, at)
	w.last, w.incident = w.incident, nil
}

// tell hands the incident as it stands to the store and to who asked.
func (s *Sampler) tell(w *watched, at time.Time) {
	first := w.told.Before(w.incident.Began)
	w.told = at
	copied := *w.incident
	if s.o.Store != nil {
		s.o.Store.Incident(copied)
	}
	if s.o.Changed != nil && (first || !copied.Ended.IsZero()) {
		s.o.Changed(copied)
	}
}

// keepOpen writes the incidents that are open when the watching ends.
func (s *Sampler) keepOpen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		if w.incident != nil {
			s.tell(w, time.Now().UTC())
		}
	}
}
