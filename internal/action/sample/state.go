package sample

import (
	"maps"
	"runtime"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// Watch is what is known now. The caller may keep it, and changes nothing in it: settings and flows are replaced here,
// never changed, and so not copied.
func (s *Sampler) Watch() snapshot.Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := snapshot.Watch{At: s.at, Started: s.started, LogLines: maps.Clone(s.lines), Lost: maps.Clone(s.lost), CPUSeconds: s.host.CPU().Seconds(),
		Resident: s.host.Resident(), Goroutines: runtime.NumGoroutine(), OpenFiles: s.host.OpenFiles(), TableCost: s.cost.last.Seconds(), TableEvery: s.cost.every.Seconds()}
	for _, w := range s.watched {
		if w.failed != "" {
			out.Unreadable++
		}
		if w.tracks || w.ns.Present {
			out.Namespaces = append(out.Namespaces, w.export())
		}
	}
	return out
}

func (w *watched) export() snapshot.Watched {
	out := snapshot.Watched{Name: w.ns.Name, Inode: w.ns.Inode, Initial: w.initial, Totals: maps.Clone(w.totals), Refused: w.refused, Buckets: w.buckets,
		Settings: w.settings, Flows: w.flows, FlowsAt: w.flowsAt, Expectations: w.expects, Forecast: w.foreseenNow(time.Now()), Drift: w.drift, Error: w.failed}
	if len(w.ring) > 0 {
		out.Last = w.ring[len(w.ring)-1]
	}
	if w.incident != nil {
		copied := *w.incident
		copied.Changes = slices.Clone(copied.Changes)
		out.Incident = &copied
	}
	return out
}

// Recent are a namespace's samples since a time, oldest first, as far as memory holds them.
func (s *Sampler) Recent(namespace string, since time.Time) []snapshot.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []snapshot.Sample
	for _, w := range s.watched {
		if w.ns.Name != namespace {
			continue
		}
		for _, sm := range w.ring {
			if !sm.At.Before(since) {
				out = append(out, sm)
			}
		}
	}
	return out
}
