package sample

import (
	"errors"
	"maps"
	"slices"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/netns"
)

// ringSize is how many samples of a namespace are kept for forecasts and for what was before an incident.
const ringSize = 600

// watched is one namespace under watch.
type watched struct {
	ns         netns.Namespace
	checked    bool // read since it was discovered
	tracks     bool
	initial    bool
	settings   map[string]int64
	settingsAt time.Time
	counters   map[string]uint64 // as the kernel gave them last, 32 bits wide
	totals     map[string]uint64
	refused    uint64
	buckets    int64
	ring       []snapshot.Sample // oldest first
	yesterday  []demand.Point    // since a day before the ring began
	lastWeek   []demand.Point    // since a week before
	flows      *snapshot.Flows
	flowsAt    time.Time
	expects    *int64
	foreseen   *snapshot.Forecast
	foreseenAt time.Time
	drift      []snapshot.Drifted
	failed     string

	incident  *snapshot.Incident
	quiet     time.Time // since when the open incident has had no cause
	began     time.Time // the incident's, by the clock that it is judged by
	last      *snapshot.Incident
	closed    time.Time // when the last one was
	fullLines uint64    // not yet counted in an incident
	told      time.Time
}

// take turns a reading into a sample; first says that there was none before to tell rises from.
func (w *watched) take(r Reading, now time.Time) (sm snapshot.Sample, first bool) {
	w.checked, w.initial = true, r.Initial
	if r.Initial {
		w.ns.Name = "host"
	}
	first = w.counters == nil
	rise := w.rises(r.Counters)
	w.buckets = r.Buckets
	w.tracks = w.tracks || r.Count > 0 || anyCounter(r.Counters)
	sm = snapshot.Sample{At: now, Count: r.Count, Peak: r.Count, Max: r.Max, Rises: rise}
	if !first && r.Max > 0 && full(r.Count, w.lastCount(), r.Max) {
		clashes := rise.InsertFailed - min(rise.ChainTooLong, rise.InsertFailed)
		sm.Rises.Refused = rise.Drop - min(clashes, rise.Drop)
	}
	if w.flows != nil {
		held := int64(w.flows.Summary.Pinned())
		sm.Held = &held
	}
	w.refused += sm.Rises.Refused
	if len(w.ring) == ringSize {
		w.ring = append(w.ring[:0], w.ring[1:]...)
	}
	w.ring = append(w.ring, sm)
	return sm, first
}

// GoneError is a namespace that is there no more: it ended since it was found.
type GoneError struct{ Err error }

// Error tells how that was seen.
func (e GoneError) Error() string { return "the namespace is gone: " + e.Err.Error() }

func gone(err error) bool { return errors.As(err, new(GoneError)) }

// fail notes that the namespace could not be read. One that is gone is left alone until it is found again.
func (w *watched) fail(err error) {
	w.checked, w.failed = true, err.Error()
	if gone(err) {
		w.tracks = false
	}
}

// renew takes the settings that a reading brought, all or the table's size alone, and tells which differ from
// those known before.
func (w *watched) renew(r Reading) []snapshot.Changed {
	now := r.Settings
	if now == nil {
		if w.settings == nil || w.settings["max"] == r.Max && (r.Buckets == 0 || w.settings["buckets"] == r.Buckets) {
			return nil
		}
		now = maps.Clone(w.settings) // others hold the old one
		now["max"], now["buckets"] = r.Max, r.Buckets
	}
	var changed []snapshot.Changed
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if before, known := w.settings[name]; known && before != now[name] && name != "count" {
			changed = append(changed, snapshot.Changed{Setting: name, From: before, To: now[name]})
		}
	}
	w.settings = now
	return changed
}

func (w *watched) lastCount() int64 {
	if len(w.ring) == 0 {
		return 0
	}
	return w.ring[len(w.ring)-1].Count
}

// full reports whether the table stood at its limit at either end of a second: a drop between two counts
// below it has another cause.
func full(count, before, limit int64) bool {
	near := limit - max(limit/100, 1)
	return count >= near || before >= near
}

// rises compares counters with the last, 32 bits wide, and adds them up.
func (w *watched) rises(now map[string]uint64) snapshot.Rises {
	rise := map[string]uint64{}
	if w.totals == nil {
		w.totals = map[string]uint64{}
	}
	another := w.another(now)
	for name, v := range now {
		before, known := w.counters[name]
		if !known || another {
			w.totals[name] += v
			continue
		}
		rise[name] = uint64(uint32(v) - uint32(before))
		w.totals[name] += rise[name]
	}
	w.counters = now
	return snapshot.Rises{Drop: rise["drop"], EarlyDrop: rise["early_drop"], InsertFailed: rise["insert_failed"], ChainTooLong: rise["chain_toolong"],
		ClashResolve: rise["clash_resolve"], SearchRestart: rise["search_restart"], Invalid: rise["invalid"]}
}

// another reports whether the counters are those of another namespace, which came to the same name and number
// since the last reading: no counter rises by half of its range between two samples.
func (w *watched) another(now map[string]uint64) bool {
	for name, v := range now {
		if before, known := w.counters[name]; known && uint32(v)-uint32(before) >= 1<<31 {
			return true
		}
	}
	return false
}

func anyCounter(c map[string]uint64) bool {
	for _, v := range c {
		if v > 0 {
			return true
		}
	}
	return false
}

// foreseeEvery lies between two forecasts of a namespace, where all are read at every sample: one compares each
// two samples of the last ten minutes.
const foreseeEvery = 10 * time.Second

// foresee makes the forecast anew when it is time.
func (w *watched) foresee(now time.Time, every time.Duration) {
	if w.foreseen == nil || now.Sub(w.foreseenAt) >= every || now.Before(w.foreseenAt) {
		w.foreseen, w.foreseenAt = w.forecast(), now
	}
}

// foreseenNow is the last forecast, told from now on.
func (w *watched) foreseenNow(now time.Time) *snapshot.Forecast {
	if w.foreseen == nil || w.foreseen.Full == nil {
		return w.foreseen
	}
	passed := max(now.Sub(w.foreseenAt).Seconds(), 0)
	later := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		left := max(*v-passed, 0)
		return &left
	}
	f := *w.foreseen
	f.Full, f.Soonest, f.Latest = later(f.Full), later(f.Soonest), later(f.Latest)
	return &f
}

// forecast judges the last minutes: by the week before where today is like it, else by the day before, else by
// themselves.
func (w *watched) forecast() *snapshot.Forecast {
	if len(w.ring) == 0 {
		return nil
	}
	points := make([]demand.Point, 0, len(w.ring))
	for _, s := range w.ring {
		points = append(points, demand.Point{At: s.At, Count: float64(s.Count)})
	}
	limit := float64(w.ring[len(w.ring)-1].Max)
	f, ok := demand.Periodic(points, w.lastWeek, week, limit)
	if !ok {
		f, ok = demand.Periodic(points, w.yesterday, day, limit)
	}
	if !ok {
		f = demand.Fill(points, limit)
	}
	out := &snapshot.Forecast{Trend: string(f.Trend), Rate: f.Rate}
	if f.Trend == demand.Filling {
		full, soonest, latest := f.Full.Seconds(), f.Soonest.Seconds(), f.Latest.Seconds()
		out.Full, out.Soonest, out.Latest = &full, &soonest, &latest
	}
	return out
}

// minuteBefore is the count a minute before the newest sample, or the oldest known.
func (w *watched) minuteBefore() int64 {
	for i := len(w.ring) - 1; i >= 0; i-- {
		if i == 0 || w.ring[len(w.ring)-1].At.Sub(w.ring[i].At) >= time.Minute {
			return w.ring[i].Count
		}
	}
	return 0
}
