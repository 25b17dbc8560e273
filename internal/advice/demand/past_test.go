package demand

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// monthOf samples hours of days whose peaks a function gives; a day's curve has its peak in the afternoon.
func monthOf(days int, peak func(day int) float64) []Sampled {
	noise := rand.New(rand.NewPCG(5, 6))
	var out []Sampled
	for h := range days * 24 {
		curve := 0.65 - 0.35*math.Cos(2*math.Pi*float64(h)/24)
		out = append(out, Sampled{Point: Point{At: time.Unix(1.8e9, 0).Add(time.Duration(h) * time.Hour), Count: peak(h/24) * curve * (1 + 0.02*noise.NormFloat64())}})
	}
	return out
}

func weekday(day int) float64 { return []float64{1, 1.05, 1, 0.95, 1.1, 0.6, 0.5}[day%7] }

func TestGrowthLevelAndBurst(t *testing.T) {
	const limit = 100000
	for _, c := range []struct {
		name  string
		days  int
		peak  func(day int) float64
		trend Trend
		burst bool
	}{
		{"level", 31, func(d int) float64 { return 50000 * weekday(d) }, Level, false},
		{"growth", 31, func(d int) float64 { return (50000 + 600*float64(d)) * weekday(d) }, Filling, false},
		{"growth in two weeks", 15, func(d int) float64 { return (40000 + 1500*float64(d)) * weekday(d) }, Filling, false},
		{"fall", 31, func(d int) float64 { return (70000 - 900*float64(d)) * weekday(d) }, Falling, false},
		{"burst", 31, func(d int) float64 {
			if d == 20 {
				return 95000
			}
			return 40000 * weekday(d)
		}, Level, true},
		{"step", 31, func(d int) float64 {
			if d < 16 {
				return 40000 * weekday(d)
			}
			return 60000 * weekday(d)
		}, Level, false},
	} {
		p, ok := PastOf(monthOf(c.days, c.peak), time.Hour, limit)
		if !ok || p.Growth == nil {
			t.Fatalf("%s: %+v", c.name, p)
		}
		g := p.Growth
		if g.Trend != c.trend || p.Burst != c.burst || (g.Full != nil) != (c.trend == Filling) {
			t.Errorf("%s: %+v burst %v", c.name, *g, p.Burst)
		}
		if c.name == "growth" {
			// Fridays are the highest: 1.1 times the line, which meets the limit on day 68; the newest is 30.
			if math.Abs(*g.Full-37) > 6 || *g.Soonest > *g.Full || g.Latest == nil || *g.Latest < *g.Full {
				t.Errorf("full in %.1f days (%.1f to %v)", *g.Full, *g.Soonest, g.Latest)
			}
		}
	}
}

func TestShapeOfDayAndWeek(t *testing.T) {
	all := monthOf(28, func(d int) float64 { return 50000 * weekday(d) })
	for i := range all {
		all[i].At = all[i].At.UTC()
	}
	p, _ := PastOf(all, time.Hour, 1e6)
	start := time.Unix(1.8e9, 0).UTC() // the curve's lowest hour, and the first weekday of the pattern
	lowest, highest, quiet := 0, 0, 0
	for h, n := range p.Hours {
		if n < p.Hours[lowest] {
			lowest = h
		}
		if n > p.Hours[highest] {
			highest = h
		}
	}
	for d, n := range p.Weekdays {
		if n < p.Weekdays[quiet] {
			quiet = d
		}
	}
	want := (int(start.Weekday()) + 6) % 7
	if len(p.Hours) != 24 || lowest != start.Hour() || highest != (start.Hour()+12)%24 || len(p.Weekdays) != 7 || quiet != want {
		t.Errorf("hours %v, weekdays %v; want lowest %d, quiet %d", p.Hours, p.Weekdays, start.Hour(), want)
	}
	if p, _ := PastOf(all[:30], time.Hour, 1e6); p.Hours != nil || p.Weekdays != nil {
		t.Errorf("of a day: %+v", p)
	}
}

// TestWeekdaysAreNoGrowth: from weeks alone that end on any weekday.
func TestWeekdaysAreNoGrowth(t *testing.T) {
	for first := range 7 {
		for _, days := range []int{15, 17, 20, 25, 31} {
			p, ok := PastOf(monthOf(days, func(d int) float64 { return 50000 * weekday(d+first) }), time.Hour, 60000)
			if !ok || p.Growth == nil || p.Growth.Trend != Level {
				t.Errorf("from %d, %d days: %+v", first, days, p.Growth)
			}
		}
	}
	if p, ok := PastOf(monthOf(9, func(d int) float64 { return 50000 }), time.Hour, 60000); !ok || p.Growth != nil {
		t.Errorf("nine days: %+v", p)
	}
	if _, ok := PastOf(monthOf(1, func(int) float64 { return 1 })[:3], time.Hour, 10); ok {
		t.Error("three samples")
	}
}
