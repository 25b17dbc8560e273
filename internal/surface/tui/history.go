package tui

import (
	"math"
	"time"
)

const (
	// kept is how long readings are kept, for the sparkline.
	kept = 10 * time.Minute
	// rateWindow is over how long rates are taken.
	rateWindow = 10 * time.Second
	// fillWindow is over how long the growth is taken that tells the time to full.
	fillWindow = time.Minute
	// fillLeast is the shortest time that tells a growth.
	fillLeast = 10 * time.Second
	// fillHorizon is how far a growth is drawn out; beyond, the table is not called filling.
	fillHorizon = 24 * time.Hour
)

// history is the readings of the last minutes, oldest first.
type history struct {
	gauges []Gauge
}

// add keeps a reading and forgets those that are too old. The slice is copied now and then, so that
// memory stays bounded.
func (h *history) add(g Gauge) {
	first := 0
	for first < len(h.gauges) && g.At.Sub(h.gauges[first].At) > kept {
		first++
	}
	if first > 0 {
		h.gauges = append(h.gauges[:0], h.gauges[first:]...)
	}
	h.gauges = append(h.gauges, g)
}

// last is the newest reading.
func (h *history) last() (Gauge, bool) {
	if len(h.gauges) == 0 {
		return Gauge{}, false
	}
	return h.gauges[len(h.gauges)-1], true
}

// since is the readings of the last d.
func (h *history) since(d time.Duration) []Gauge {
	now, ok := h.last()
	if !ok {
		return nil
	}
	i := len(h.gauges) - 1
	for i > 0 && now.At.Sub(h.gauges[i-1].At) <= d {
		i--
	}
	return h.gauges[i:]
}

// rate is how much a counter rose a second, where that is known. A counter that fell began anew.
func (h *history) rate(counter func(Gauge) *uint64) (float64, bool) {
	g := h.since(rateWindow)
	if len(g) < 2 {
		return 0, false
	}
	first, last := counter(g[0]), counter(g[len(g)-1])
	seconds := g[len(g)-1].At.Sub(g[0].At).Seconds()
	if first == nil || last == nil || *last < *first || seconds <= 0 {
		return 0, false
	}
	return float64(*last-*first) / seconds, true
}

// refused is how many new flows a second found no room. The counters are compared as they rose: of all
// that they counted since the namespace began, the clashes may be more than the drops.
func (h *history) refused() (float64, bool) {
	drops, known := h.rate(func(g Gauge) *uint64 { return g.Drop })
	clashes, _ := h.rate(func(g Gauge) *uint64 { return g.Clashes })
	return max(0, drops-clashes), known
}

// filling is what the last readings say of the room that is left.
type filling struct {
	known, full, growing bool
	left                 time.Duration // until full, while growing
}

// fill judges the last minute: a table is filling when it grew in both halves of that time.
func (h *history) fill() filling {
	g := h.since(fillWindow)
	if len(g) < 3 {
		return filling{}
	}
	first, mid, last := g[0], g[len(g)/2], g[len(g)-1]
	if first.Count == nil || mid.Count == nil || last.Count == nil || last.Max == nil {
		return filling{}
	}
	if *last.Count >= *last.Max {
		return filling{known: true, full: true}
	}
	passed := last.At.Sub(first.At)
	if passed < fillLeast {
		return filling{}
	}
	if *first.Count >= *mid.Count || *mid.Count >= *last.Count {
		return filling{known: true}
	}
	each := passed.Seconds() / float64(*last.Count-*first.Count)
	left := each * float64(*last.Max-*last.Count)
	if left > fillHorizon.Seconds() {
		return filling{known: true}
	}
	return filling{known: true, growing: true, left: time.Duration(left * float64(time.Second))}
}

// spark is the readings as columns of a sparkline: each the mean of its share of the time, NaN where
// nothing was read; low and high bound them.
func (h *history) spark(columns int) (values []float64, low, high float64, span time.Duration) {
	last, ok := h.last()
	if !ok || columns <= 0 {
		return nil, 0, 0, 0
	}
	span = last.At.Sub(h.gauges[0].At)
	values, n := make([]float64, columns), make([]float64, columns)
	low, high = math.Inf(1), math.Inf(-1)
	for _, g := range h.gauges {
		if g.Count == nil {
			continue
		}
		v := float64(*g.Count)
		low, high = min(low, v), max(high, v)
		i := columns - 1 - int(last.At.Sub(g.At)*time.Duration(columns)/(span+1))
		values[i] += v
		n[i]++
	}
	for i := range values {
		values[i] /= n[i]
	}
	return fillGaps(values), low, high, span
}

// fillGaps draws a value on to the columns that have none because readings are rarer than columns.
func fillGaps(values []float64) []float64 {
	for i := 1; i < len(values); i++ {
		if math.IsNaN(values[i]) {
			values[i] = values[i-1]
		}
	}
	return values
}
