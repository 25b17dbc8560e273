package demand

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// curve samples f every second with noise.
func curve(n int, noise float64, seed uint64, f func(s float64) float64) []Point {
	r := rand.New(rand.NewPCG(seed, 1))
	start := time.Unix(1e9, 0)
	var out []Point
	for i := range n {
		out = append(out, Point{start.Add(time.Duration(i) * time.Second), math.Round(f(float64(i)) + noise*r.NormFloat64())})
	}
	return out
}

func TestRamps(t *testing.T) {
	for seed := range uint64(50) {
		for _, rate := range []float64{20, 100, 1000} {
			p := curve(300, rate, seed, func(s float64) float64 { return 150000 + rate*s })
			f := Fill(p, 1<<20)
			left := (1<<20 - p[len(p)-1].Count) / rate
			if f.Trend != Filling || math.Abs(f.Full.Seconds()-left) > 0.1*left {
				t.Errorf("ramp of %v/s, seed %d: %s in %v, true %v s", rate, seed, f.Trend, f.Full, left)
			}
			if f.Soonest > f.Full || f.Latest < f.Full {
				t.Errorf("bounds %v %v %v", f.Soonest, f.Full, f.Latest)
			}
		}
	}
}

// TestNoAlarm: level, noisy, falling, bursting and stepped tables do not fill.
func TestNoAlarm(t *testing.T) {
	shapes := map[string]func(s float64) float64{
		"level":   func(float64) float64 { return 700000 },
		"falling": func(s float64) float64 { return 900000 - 500*s },
		"burst": func(s float64) float64 {
			if s > 140 && s < 160 {
				return 900000
			}
			return 500000
		},
		"step": func(s float64) float64 {
			if s > 100 {
				return 800000
			}
			return 400000
		},
		"levelled off": func(s float64) float64 { return 800000 - 400000*math.Exp(-s/25) },
	}
	for name, shape := range shapes {
		filling := 0
		for seed := range uint64(200) {
			if f := Fill(curve(300, 2000, seed, shape), 1<<20); f.Trend == Filling {
				filling++
			}
		}
		if filling > 0 {
			t.Errorf("%s: called filling %d times of 200", name, filling)
		}
	}
	if f := Fill(curve(300, 0, 1, shapes["falling"]), 1<<20); f.Trend != Falling {
		t.Errorf("falling is called %s", f.Trend)
	}
}

func TestEdges(t *testing.T) {
	if f := Fill(nil, 100); f.Trend != Unknown {
		t.Error(f)
	}
	if f := Fill(curve(300, 0, 1, func(float64) float64 { return 100 }), 100); f.Trend != Full {
		t.Error(f)
	}
	same := make([]Point, 20)
	if f := Fill(same, 100); f.Trend != Unknown {
		t.Error(f)
	}
	if f := Fill(curve(20, 0, 1, func(s float64) float64 { return s }), 0); f.Trend != Unknown {
		t.Error("a table without a limit")
	}
}
