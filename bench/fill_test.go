package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// tableOf is a namespace's table that is kept at a count: flows are made and deleted through ctnetlink, the
// oldest first. Time is the test's own, so that a day takes seconds.
type tableOf struct {
	conn       *ctnetlink.Conn
	from, upto int // numbers of the flows that are there
}

func (f *tableOf) set(t *testing.T, n int) (count int64) {
	t.Helper()
	mix := lab.Mix{Established: 100, Timeout: 86400}
	for _, change := range []struct {
		n   int
		run func(n int) (ctnetlink.ChangeResult, error)
	}{
		{n - (f.upto - f.from), func(n int) (ctnetlink.ChangeResult, error) {
			mix.First = f.upto
			f.upto += n
			return f.conn.Create(t.Context(), lab.Flows(n, mix), ctnetlink.ChangeOptions{})
		}},
		{f.upto - f.from - n, func(n int) (ctnetlink.ChangeResult, error) {
			mix.First = f.from
			f.from += n
			return f.conn.Delete(t.Context(), lab.Flows(n, mix), ctnetlink.ChangeOptions{})
		}},
	} {
		if change.n <= 0 {
			continue
		}
		if res, err := change.run(change.n); err != nil || int(res.Done) != change.n {
			t.Fatal(change.n, res, err)
		}
	}
	st, err := f.conn.Stats(context.Background())
	if err != nil || st.Count == nil {
		t.Fatal(err)
	}
	return int64(*st.Count)
}

// course is how a table fills: the count at a second, and how the forecast is made.
type course struct {
	name  string
	every time.Duration // between two samples
	count func(s float64) float64
	from  float64 // seconds: when forecasts begin to be judged
	until float64
	// period is what the forecast compares with: a day, a week, or nothing.
	period time.Duration
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// wave is a day's curve between a low at night and a peak in the afternoon.
func wave(s float64) float64 {
	return 0.55 - 0.35*math.Cos(2*math.Pi*s/day.Seconds()) - 0.1*math.Sin(4*math.Pi*s/day.Seconds())
}

// weekly is how quiet a day is: weeks begin on Mondays, and on Sundays there is no day's curve to speak of.
func weekly(s float64) float64 {
	at := math.Mod(s, week.Seconds())
	if at < 6*day.Seconds() {
		return 1
	}
	return 0.2 / wave(at)
}

func courses(limit float64) []course {
	fill := func(share func(s float64) float64) func(float64) float64 {
		return func(s float64) float64 { return share(s) * limit }
	}
	return []course{
		{name: "ramp, full in an hour", every: 10 * time.Second, count: fill(func(s float64) float64 { return 0.2 + 0.8*s/3600 }), until: 3600},
		{name: "ramp, full in ten hours", every: time.Minute, count: fill(func(s float64) float64 { return 0.3 + 0.7*s/36000 }), until: 36000},
		{name: "step, then a leak", every: 10 * time.Second, count: fill(func(s float64) float64 {
			if s < 1200 {
				return 0.3
			}
			return 0.45 + 0.55*(s-1200)/3000
		}), from: 1900, until: 4200},
		{name: "level", every: 10 * time.Second, count: fill(func(float64) float64 { return 0.7 }), until: 7200},
		{name: "step to a level", every: 10 * time.Second, count: fill(func(s float64) float64 {
			if s < 1200 {
				return 0.4
			}
			return 0.8
		}), until: 7200},
		{name: "day, as the day before", every: 5 * time.Minute, period: day, count: fill(func(s float64) float64 { return 0.9 * wave(s) }), from: day.Seconds(), until: 2 * day.Seconds()},
		{name: "day, 1.4 times the day before", every: 5 * time.Minute, period: day, count: fill(func(s float64) float64 {
			if s < day.Seconds() {
				return 0.8 * wave(s)
			}
			return (0.8 + 0.32*min(1, (s-day.Seconds())/3600)) * wave(s)
		}), from: day.Seconds() + 2*3600, until: 2 * day.Seconds()},
		{name: "Monday after a quiet Sunday, as the week before", every: 5 * time.Minute, period: week, count: fill(func(s float64) float64 { return 0.9 * weekly(s) * wave(s) }),
			from: week.Seconds(), until: week.Seconds() + day.Seconds()},
		{name: "Monday, 1.4 times the week before", every: 5 * time.Minute, period: week, count: fill(func(s float64) float64 {
			return (0.8 + 0.32*min(1, max(0, (s-week.Seconds())/3600))) * weekly(s) * wave(s)
		}), from: week.Seconds() + 2*3600, until: week.Seconds() + day.Seconds()},
	}
}

// fullAt is the second at which a course meets the limit; 0: never.
func (c *course) fullAt(limit float64) float64 {
	for s := c.from; s <= c.until; s++ {
		if c.count(s) >= limit*0.9999 {
			return s
		}
	}
	return 0
}

// window is how many samples a forecast looks back on, as the daemon's ten minutes of seconds are thinned to.
const window = 120

// nearest is how many samples before the end forecasts are judged last: closer, the noise of one sample is more
// than a tenth of the time left.
const nearest = 10

// TestTimeToFull drives tables into the kernel along courses and holds each forecast that is made from the
// kernel's counts, once over half of max, to when the table was full.
func TestTimeToFull(t *testing.T) {
	lab.Need(t)
	lab.Share(t)
	ns := lab.NewNamespace(t)
	conn, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	st, err := conn.Stats(t.Context())
	if err != nil || st.Max == nil {
		t.Fatal(err)
	}
	limit := float64(*st.Max) / 8 // the forecasts' own; a table eight times as large is only slower to drive
	var rows strings.Builder
	for i, c := range courses(limit) {
		f := &tableOf{conn: conn, from: i * 1e7, upto: i * 1e7}
		c.judge(t, f, limit, &rows)
		f.set(t, 0)
	}
	t.Logf("limit %.0f\n\n| course | forecasts over half full | said filling | worst error of the time left | median |\n|---|---|---|---|---|\n%s", limit, &rows)
}

func (c *course) judge(t *testing.T, f *tableOf, limit float64, rows *strings.Builder) {
	full := c.fullAt(limit)
	var points []demand.Point
	var errors []float64
	judged, filling := 0, 0
	start := time.Unix(1.8e9, 0)
	noise := rand.New(rand.NewPCG(1, 2))
	for s := 0.0; s < c.until && (full == 0 || s < full); s += c.every.Seconds() {
		n := int(c.count(s) * (1 + 0.002*noise.NormFloat64()))
		points = append(points, demand.Point{At: start.Add(time.Duration(s * float64(time.Second))), Count: float64(f.set(t, n))})
		if s < c.from || len(points) < window/2 {
			continue
		}
		got := c.forecast(points, limit)
		if half := float64(n) >= limit/2; got.Trend == demand.Filling && full == 0 {
			t.Errorf("%s: at %.0f s, %d flows, called filling in %v", c.name, s, n, got.Full)
		} else if left := full - s; half && (full == 0 || left > nearest*c.every.Seconds()) {
			judged++
			if got.Trend == demand.Filling {
				filling++
				errors = append(errors, math.Abs(got.Full.Seconds()/(full-s)-1))
			}
		}
	}
	worst, median := 0.0, 0.0
	if len(errors) > 0 {
		worst, median = extremes(errors)
	}
	fmt.Fprintf(rows, "| %s | %d | %d | %.1f %% | %.1f %% |\n", c.name, judged, filling, 100*worst, 100*median)
	if worst > 0.1 || full > 0 && filling < judged*9/10 {
		t.Errorf("%s: full at %.0f s; filling was said %d of %d times, off by up to %.0f %%", c.name, full, filling, judged, 100*worst)
	}
}

func (c *course) forecast(points []demand.Point, limit float64) demand.Forecast {
	recent := points[max(len(points)-window, 0):]
	short := recent[len(recent)-min(len(recent), window/4):]
	for period := c.period; period >= day; period /= 7 { // as the daemon does: the week before, then the day before
		begin := recent[0].At.Add(-period)
		i := 0
		for i < len(points)-1 && !points[i+1].At.After(begin) {
			i++
		}
		if f, ok := demand.Periodic(short, points[i:], period, limit); ok {
			return f
		}
	}
	return demand.Fill(recent, limit)
}

func extremes(all []float64) (worst, median float64) {
	slices.Sort(all)
	return all[len(all)-1], all[len(all)/2]
}
