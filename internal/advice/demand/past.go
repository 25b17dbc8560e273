package demand

import (
	"math"
	"slices"
	"time"
)

// Past is what a table did over days, from its samples.
type Past struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Peak Peak      `json:"peak"`
	At   time.Time `json:"at"` // of the highest
	// Refused are the packets that the full table refused meanwhile: the true demand was higher.
	Refused uint64 `json:"refused"`
	// Burst tells that the highest day stands alone: more than half as high again as any other.
	Burst bool `json:"burst,omitempty"`
	// Hours are the mean counts by the hour of the day, from 0; absent under two days. Weekdays are the means of the
	// days' highest, Sunday first; absent under two weeks.
	Hours    []float64 `json:"hours,omitempty"`
	Weekdays []float64 `json:"weekdays,omitempty"`
	// Growth is how the days' peaks go from week to week; absent under two weeks.
	Growth *Growth `json:"growth,omitempty"`
}

// Growth is how the days' peaks go, each weekday beside the same of other weeks.
type Growth struct {
	Trend Trend `json:"trend"`
	// Week is flows more each week; WeekLow and WeekHigh bound it with 95 % confidence.
	Week     float64 `json:"week"`
	WeekLow  float64 `json:"week_low"`
	WeekHigh float64 `json:"week_high"`
	// Full is how many days are left until the peaks meet max, set only while Filling. Latest is absent when
	// it is beyond counting.
	Full    *float64 `json:"full_days,omitempty"`
	Soonest *float64 `json:"soonest_days,omitempty"`
	Latest  *float64 `json:"latest_days,omitempty"`
}

// Sampled is the highest count of a step of time, and what was refused in it.
type Sampled struct {
	Point
	Refused uint64
}

const (
	oneDay = 24 * time.Hour
	week   = 7
	// burst is how many times as high as any other a day is that stands alone.
	burst = 1.5
	// farDays is beyond what a growth can foretell.
	farDays = 2 * 366
)

// PastOf sums samples up that are in the order of their times, each of step; hours and weekdays are those of the
// times' zone. False when they span no time.
func PastOf(samples []Sampled, step time.Duration, limit float64) (Past, bool) {
	n := len(samples)
	if n < minPoints {
		return Past{}, false
	}
	p := Past{From: samples[0].At, To: samples[n-1].At}
	counts := make([]int, n)
	highest := -1.0
	for i, s := range samples {
		counts[i] = int(s.Count)
		p.Refused += s.Refused
		if s.Count > highest {
			highest, p.At = s.Count, s.At
		}
	}
	var ok bool
	if p.Peak, ok = PeakOf(counts, step); !ok || !p.To.After(p.From) {
		return Past{}, false
	}
	days := daysOf(samples)
	p.Burst = alone(days)
	if p.To.Sub(p.From) >= 2*oneDay {
		p.Hours = means(24, samples, func(s Sampled) (int, float64) { return s.At.Hour(), s.Count })
	}
	if p.To.Sub(p.From) >= 2*week*oneDay {
		p.Weekdays = means(week, calendar(samples), func(d Point) (int, float64) { return int(d.At.Weekday()), d.Count })
	}
	if g, ok := grow(days, limit); ok {
		p.Growth = &g
	}
	return p, true
}

// daysOf are the highest counts of the days back from the newest sample, oldest first; a day of which less than
// half was sampled is left out.
func daysOf(samples []Sampled) []Point {
	newest := samples[len(samples)-1].At
	number := func(at time.Time) int { return int(newest.Sub(at) / oneDay) }
	last := number(samples[0].At)
	highest, first, end := make([]float64, last+1), make([]time.Time, last+1), make([]time.Time, last+1)
	for _, s := range samples {
		d := number(s.At)
		highest[d] = max(highest[d], s.Count)
		if first[d].IsZero() {
			first[d] = s.At
		}
		end[d] = s.At
	}
	var out []Point
	for d := last; d >= 0; d-- {
		if end[d].Sub(first[d]) >= oneDay/2 {
			out = append(out, Point{At: newest.Add(-time.Duration(d) * oneDay), Count: highest[d]})
		}
	}
	return out
}

// calendar are the highest counts of calendar days, without the first and the last, which are not whole.
func calendar(samples []Sampled) []Point {
	var out []Point
	for _, s := range samples {
		if n := len(out); n > 0 && out[n-1].At.YearDay() == s.At.YearDay() {
			out[n-1].Count = max(out[n-1].Count, s.Count)
			continue
		}
		out = append(out, s.Point)
	}
	return out[1 : len(out)-1]
}

// means are the mean counts by a key below n; 0 where there is none.
func means[T any](n int, all []T, of func(T) (int, float64)) []float64 {
	sums, counts := make([]float64, n), make([]float64, n)
	for _, one := range all {
		k, v := of(one)
		sums[k] += v
		counts[k]++
	}
	for k := range sums {
		sums[k] = math.Round(sums[k] / max(counts[k], 1))
	}
	return sums
}

// alone reports whether the highest day is far over all others.
func alone(days []Point) bool {
	if len(days) < 4 {
		return false
	}
	sorted := make([]float64, 0, len(days))
	for _, d := range days {
		sorted = append(sorted, d.Count)
	}
	slices.Sort(sorted)
	return sorted[len(sorted)-1] > burst*sorted[len(sorted)-2]
}

// grow is the median of the slopes between days that lie whole weeks apart (Sen's slope by seasons, its bounds
// those of the seasonal Kendall statistic), so that a weekend is no fall and a Monday no rise.
func grow(days []Point, limit float64) (Growth, bool) {
	slopes, variance := weekly(days)
	if len(slopes) < week {
		return Growth{}, false
	}
	half, c := float64(len(slopes)-1)/2, 1.96*math.Sqrt(variance)/2
	at := func(i float64) float64 { return slopes[min(max(int(math.Round(i)), 0), len(slopes)-1)] }
	rate := at(half)
	g := Growth{Trend: Level, Week: week * rate, WeekLow: week * at(half-c), WeekHigh: week * at(half+c)}
	newest := days[len(days)-1].At
	span := newest.Sub(days[0].At).Hours() / 24
	switch {
	case limit <= 0, half < c: // too few days to be sure of anything
	case g.WeekHigh < 0:
		g.Trend = Falling
	case g.WeekLow > 0 && rate*span >= minRise*limit && !stepped(level7(days, rate), rate/oneDay.Seconds()):
		g.Trend = Filling
		top := 0.0
		for _, d := range days[max(len(days)-week, 0):] {
			top = max(top, d.Count+rate*newest.Sub(d.At).Hours()/24)
		}
		left := max(limit-top, 0)
		g.Full, g.Soonest, g.Latest = within(left/rate), within(week*left/g.WeekHigh), within(week*left/g.WeekLow)
	}
	return g, true
}

func within(days float64) *float64 {
	if days > farDays {
		return nil
	}
	return &days
}

// weekly are the sorted slopes, in counts a day, between days whole weeks apart, and the variance of Kendall's
// statistic over the weekdays.
func weekly(days []Point) (slopes []float64, variance float64) {
	var seasons [week]float64
	for i, a := range days {
		apart := func(b Point) int { return int(math.Round(b.At.Sub(a.At).Hours() / 24)) }
		seasons[(apart(days[0])%week+week)%week]++
		for _, b := range days[i+1:] {
			if d := apart(b); d > 0 && d%week == 0 {
				slopes = append(slopes, (b.Count-a.Count)/float64(d))
			}
		}
	}
	for _, n := range seasons {
		variance += n * (n - 1) * (2*n + 5) / 18
	}
	slices.Sort(slopes)
	return slopes, variance
}

// level7 takes each weekday's own level out of days that rise at a rate.
func level7(days []Point, rate float64) []Point {
	first := days[0].At
	flat := func(p Point) float64 { return p.Count - rate*p.At.Sub(first).Hours()/24 }
	season := func(p Point) int { return int(math.Round(p.At.Sub(first).Hours()/24)) % week }
	var levels [week][]float64
	for _, d := range days {
		levels[season(d)] = append(levels[season(d)], flat(d))
	}
	out := make([]Point, 0, len(days))
	for _, d := range days {
		same := levels[season(d)]
		slices.Sort(same)
		out = append(out, Point{At: d.At, Count: d.Count - same[len(same)/2]})
	}
	return out
}
