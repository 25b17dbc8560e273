package demand

import (
	"math"
	"slices"
	"time"
)

const (
	// covered is the least share of a period that the past must have to be its shape.
	covered = 0.9
	// longestGap between two points of the past: more would hide a part of a day.
	longestGap = 2 * time.Hour
	// alike is how far, as a share, the ratio of now to the period before may drift over the window, and how
	// far apart its quarters may lie, for now to have that period's shape.
	alike = 0.02
)

// Periodic judges points against the same hours a period ago, a day or a week: where the table has run at a steady
// multiple of what it was then, it is expected to go on so, and the forecast is when the curve since then, so
// multiplied, meets the limit. past reaches from a period before the first point to the newest, and may be coarser
// after the points' own hours; ok is false where now is not like then, or the past has gaps: then only a
// shorter period, or [Fill], can tell.
func Periodic(points, past []Point, period time.Duration, limit float64) (f Forecast, ok bool) {
	n := len(points)
	if n < minPoints || limit <= 0 || len(past) < minPoints {
		return f, false
	}
	now := points[n-1].At
	if reach := past[len(past)-1].At.Sub(past[0].At); float64(reach) < covered*float64(period) || gaps(past, period) {
		return f, false
	}
	low, mid, high, ok := multiple(points, past, period)
	if !ok {
		return f, false
	}
	f.Trend = Level
	f.Rate, f.RateLow, f.RateHigh, _ = slope(points)
	if points[n-1].Count >= limit {
		f.Trend = Full
		return f, true
	}
	full, meets := meeting(past, now.Add(-period), limit/mid)
	if !meets {
		return f, true
	}
	f.Trend, f.Full = Filling, full
	f.Soonest, f.Latest = full, period
	if s, meets := meeting(past, now.Add(-period), limit/high); meets {
		f.Soonest = s
	}
	if l, meets := meeting(past, now.Add(-period), limit/low); meets {
		f.Latest = l
	}
	return f, true
}

// gaps reports whether a 24th of the period, or two hours, have no point.
func gaps(past []Point, period time.Duration) bool {
	for i := 1; i < len(past); i++ {
		if past[i].At.Sub(past[i-1].At) > min(period/24, longestGap) {
			return true
		}
	}
	return false
}

// multiple is how many times the count a period ago each point is: the quartiles, and whether they are near
// each other and the ratio does not drift.
func multiple(points, past []Point, period time.Duration) (low, mid, high float64, ok bool) {
	ratios := make([]Point, 0, len(points))
	for _, p := range points {
		if before, ok := between(past, p.At.Add(-period)); ok && before > 0 {
			ratios = append(ratios, Point{p.At, p.Count / before})
		}
	}
	if len(ratios) < minPoints || len(ratios) < len(points)/2 {
		return 0, 0, 0, false
	}
	drift, _, _, drifts := slope(ratios)
	all := make([]float64, 0, len(ratios))
	for _, r := range ratios {
		all = append(all, r.Count)
	}
	slices.Sort(all)
	low, mid, high = all[len(all)/4], all[len(all)/2], all[len(all)*3/4]
	span := ratios[len(ratios)-1].At.Sub(ratios[0].At).Seconds()
	if drifts && math.Abs(drift)*span > alike*mid || high-low > 2*alike*mid {
		return 0, 0, 0, false
	}
	return low, mid, high, true
}

// between is the count at a time between two points.
func between(past []Point, at time.Time) (float64, bool) {
	i, exact := slices.BinarySearchFunc(past, at, func(p Point, t time.Time) int { return p.At.Compare(t) })
	switch {
	case exact:
		return past[i].Count, true
	case i == 0 || i == len(past):
		return 0, false
	}
	a, b := past[i-1], past[i]
	share := float64(at.Sub(a.At)) / float64(b.At.Sub(a.At))
	return a.Count + share*(b.Count-a.Count), true
}

// meeting is how long after a time the curve reaches a level.
func meeting(past []Point, from time.Time, level float64) (time.Duration, bool) {
	last := Point{At: from}
	last.Count, _ = between(past, from)
	for _, p := range past {
		if !p.At.After(from) {
			continue
		}
		if p.Count >= level {
			share := 1.0
			if p.Count > last.Count {
				share = max((level-last.Count)/(p.Count-last.Count), 0)
			}
			return last.At.Sub(from) + time.Duration(share*float64(p.At.Sub(last.At))), true
		}
		last = p
	}
	return 0, false
}
