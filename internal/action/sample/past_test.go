package sample

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// TestTheDayBefore: a table rises as it did the day before. Without that day it would be full in two hours;
// with it, it is known to turn before, or, when all is a half more, to be full a little later than a line says. On
// a Monday it is the week before that knows.
func TestTheDayBefore(t *testing.T) {
	curve := func(s float64) float64 { return 5000 - 3000*math.Cos(2*math.Pi*s/86400) }
	morning := 6 * time.Hour
	for _, c := range []struct {
		times float64
		max   int64
		past  bool
		quiet bool // yesterday was a Sunday
		trend string
		full  float64 // seconds from the last reading
	}{
		{1, 9000, true, false, "level", 0},
		{1, 9000, true, true, "level", 0},
		{1, 9000, false, false, "filling", 4000 / (2 * math.Pi * 3000 / 86400)},
		{1.5, 11000, true, true, "filling", 86400 / (2 * math.Pi) * math.Asin((11000/1.5-5000)/3000)},
		{1.5, 11000, true, false, "filling", 86400 / (2 * math.Pi) * math.Asin((11000/1.5-5000)/3000)},
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			h := newFake(func(_ string, at time.Duration) (Reading, error) {
				return Reading{Count: int64(c.times * curve((morning + at - 15*time.Minute).Seconds())), Max: c.max, Counters: map[string]uint64{}}, nil
			}, "host")
			o := Options{}
			if c.past {
				o.Past = func(_ context.Context, _ string, from, to time.Time) (out []snapshot.Sample, err error) {
					for at := from; !at.After(to); at = at.Add(time.Minute) {
						s := (at.Sub(begun) + morning - 15*time.Minute).Seconds()
						n := curve(s)
						if c.quiet && at.After(begun.Add(-36*time.Hour)) && at.Before(begun.Add(-time.Hour)) {
							n = 2000
						}
						out = append(out, snapshot.Sample{At: at, Count: int64(n)})
					}
					return out, nil
				}
			}
			f := observe(t, h, o, 15*time.Minute).Watch().Namespaces[0].Forecast
			if f.Trend != c.trend {
				t.Fatalf("%v of a limit of %d: %+v, want %s", c.times, c.max, f, c.trend)
			}
			if c.full > 0 && (f.Full == nil || math.Abs(*f.Full/c.full-1) > 0.1) {
				t.Errorf("%v of a limit of %d: full in %v, want %v", c.times, c.max, *f.Full, c.full)
			}
		})
	}
}
