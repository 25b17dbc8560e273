// Package demand turns samples of a table and recordings of its flows into what it will need: how it fills
// and when it will be full ([Fill]); which services bring how many flows, for how long and how idle
// ([Counter]); how high it stands, with what confidence ([PeakOf]).
//
// It reads no file and replays nothing.
package demand

import (
	"math"
	"slices"
	"time"
)

// Point is a table's count at a time.
type Point struct {
	At    time.Time
	Count float64
}

// Trend is what a table does.
type Trend string

// Trends.
const (
	// Unknown: too few points, or over too short a time.
	Unknown Trend = "unknown"
	// Level: neither rising nor falling beyond its own noise, or risen and levelled off.
	Level   Trend = "level"
	Falling Trend = "falling"
	Filling Trend = "filling"
	// Full: at max already.
	Full Trend = "full"
)

// Forecast is when a table will be full at its present rate.
type Forecast struct {
	Trend Trend `json:"trend"`
	// Rate is flows a second; RateLow and RateHigh bound it with 95 % confidence.
	Rate     float64 `json:"rate"`
	RateLow  float64 `json:"rate_low"`
	RateHigh float64 `json:"rate_high"`
	// Full is the time left, Soonest and Latest its bounds; set only while Filling.
	Full    time.Duration `json:"-"`
	Soonest time.Duration `json:"-"`
	Latest  time.Duration `json:"-"`
}

const (
	minPoints = 8
	// minRise is the least rise over the window, as a share of max, that counts as filling: below it a
	// table of any size would be months from full.
	minRise = 0.002
	// certain is how many times wider than for 95 % the bounds for 99.9 % are.
	certain = 3.29 / 1.96
)

// Fill judges points in the order of their times against a limit: the slope is the median of the slopes
// between all pairs of points (Theil and Sen), which a burst that came and went does not move, and its
// bounds are those of Kendall's rank statistic. A rise whose last third is level has levelled off, and so has one
// whose last third is a step.
func Fill(points []Point, limit float64) Forecast {
	n := len(points)
	if n < minPoints || limit <= 0 || !points[n-1].At.After(points[0].At) {
		return Forecast{Trend: Unknown}
	}
	now := points[n-1].Count
	f := Forecast{Trend: Level}
	var rises bool
	f.Rate, f.RateLow, f.RateHigh, rises = slope(points)
	span := points[n-1].At.Sub(points[0].At).Seconds()
	switch {
	case now >= limit:
		f.Trend = Full
		return f
	case f.RateHigh < 0:
		f.Trend = Falling
		return f
	case !rises, f.Rate*span < minRise*limit:
		return f
	}
	last := points[n-max(n/3, minPoints/2):]
	rate, low, high, rises := slope(last)
	if !rises || rate*span < minRise*limit || stepped(last, rate) {
		return f
	}
	// The newest third tells the present rate: a curve's earlier slope is history.
	f.Rate, f.RateLow, f.RateHigh = rate, low, high
	f.Trend = Filling
	left := limit - level(last, rate)
	f.Full = seconds(left / rate)
	f.Soonest, f.Latest = seconds(left/high), seconds(left/low)
	return f
}

// level is where the line through points stands at the newest: the median of what each point says, less
// noisy than the newest itself.
func level(points []Point, rate float64) float64 {
	now := points[len(points)-1].At
	all := make([]float64, 0, len(points))
	for _, p := range points {
		all = append(all, p.Count+rate*now.Sub(p.At).Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// stepped reports whether one step between two levels explains points better than a line that rises.
func stepped(points []Point, rate float64) bool {
	points = thin(points)
	newest, top := points[len(points)-1].At, level(points, rate)
	line := 0.0
	for _, p := range points {
		line += math.Abs(p.Count - (top - rate*newest.Sub(p.At).Seconds()))
	}
	step := math.Inf(1)
	for k := 1; k < len(points); k++ {
		step = min(step, spread(points[:k])+spread(points[k:]))
	}
	return step < 0.9*line
}

// spread is the sum of the distances from the median.
func spread(points []Point) (sum float64) {
	all := make([]float64, 0, len(points))
	for _, p := range points {
		all = append(all, p.Count)
	}
	slices.Sort(all)
	for _, c := range all {
		sum += math.Abs(c - all[len(all)/2])
	}
	return sum
}

func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), 1e9) * float64(time.Second))
}

// maxPoints bounds the work: more points than this are thinned evenly.
const maxPoints = 120

// slope is the Theil-Sen estimate in counts a second with its 95 % bounds; rises asks for 99.9 %, so that
// watching for weeks does not cry wolf.
func slope(points []Point) (mid, low, high float64, rises bool) {
	points = thin(points)
	n := len(points)
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range points {
		for j := i + 1; j < n; j++ {
			if d := points[j].At.Sub(points[i].At).Seconds(); d > 0 {
				slopes = append(slopes, (points[j].Count-points[i].Count)/d)
			}
		}
	}
	if len(slopes) == 0 {
		return 0, 0, 0, false
	}
	slices.Sort(slopes)
	nf := float64(n)
	c := 1.96 * math.Sqrt(nf*(nf-1)*(2*nf+5)/18) / 2
	at := func(i float64) float64 {
		return slopes[min(max(int(math.Round(i)), 0), len(slopes)-1)]
	}
	half := float64(len(slopes)-1) / 2
	return at(half), at(half - c), at(half + c), at(half-certain*c) > 0
}

func thin(points []Point) []Point {
	if len(points) <= maxPoints {
		return points
	}
	out := make([]Point, 0, maxPoints)
	for i := range maxPoints {
		out = append(out, points[i*(len(points)-1)/(maxPoints-1)])
	}
	return out
}
