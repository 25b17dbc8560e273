package whatif

import (
	"math"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/snapshot"
)

// grid lays curves of different steps side by side.
type grid struct {
	q        *Question
	step     time.Duration
	n        int
	measured []float64 // NaN: not known
	base     []float64 // the record's own flows, not scaled
	refused  uint64
	alike    float64 // flows that are one by one of the record
}

// sweep is a step in which the kernel's collector comes round: within it the highest count is what matters.
const sweep = 2 * time.Minute

func newGrid(q *Question) *grid {
	span := q.To.Sub(q.From)
	step := max(span/steps, min(span/20, sweep), time.Second).Round(time.Second)
	return &grid{q: q, step: step, n: max(int(span/step), 1)}
}

// unknown is a curve of which nothing is known.
func (g *grid) unknown() []float64 {
	out := make([]float64, g.n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// measure takes the highest count of each step.
func (g *grid) measure(samples []snapshot.Sample) {
	g.measured = g.unknown()
	for _, s := range samples {
		g.refused += s.Rises.Refused
		if i := int(s.At.Sub(g.q.From) / g.step); s.At.After(g.q.From) && i < g.n {
			g.measured[i] = max(float64(s.Peak), orLess(g.measured[i]))
		}
	}
	for i := 1; i < g.n; i++ { // samples may be farther apart than steps
		if math.IsNaN(g.measured[i]) && i > 1 && !math.IsNaN(g.measured[i-1]) && len(samples) > 0 && samples[0].Step > g.step {
			g.measured[i] = g.measured[i-1]
		}
	}
}

func orLess(v float64) float64 {
	if math.IsNaN(v) {
		return math.Inf(-1)
	}
	return v
}

// curve is a replay's count by the grid's steps.
func (g *grid) curve(r *replay.Result, of func(replay.Bin) int) []float64 {
	out := make([]float64, g.n)
	for i := range out {
		from := g.q.From.Add(time.Duration(i) * g.step).Sub(r.From)
		a := int(from / max(r.BinWidth, 1))
		b := max(int((from+g.step)/max(r.BinWidth, 1)), a+1)
		for j := max(a, 0); j < b && j < len(r.Curve); j++ {
			out[i] = max(out[i], float64(of(r.Curve[j])))
		}
	}
	return out
}

func count(b replay.Bin) int { return b.Count }
func held(b replay.Bin) int  { return b.Held }

// calibrate is how many flows one of the record stands for: by the counters where the table was measured, else by
// the record's own share.
func (g *grid) calibrate(base *replay.Result, share float64) float64 {
	g.base = g.curve(base, count)
	sum, of := 0.0, 0.0
	for i, m := range g.measured {
		if !math.IsNaN(m) && g.base[i] > 0 {
			sum += m
			of += g.base[i]
		}
	}
	if of == 0 || sum == 0 {
		return 1 / share
	}
	return sum / of
}

// answer compares the runs with the base.
func (g *grid) answer(base *replay.Result, runs *[2]replay.Result, scale float64) Answer {
	a := Answer{From: g.q.From, To: g.q.From.Add(time.Duration(g.n) * g.step), Step: g.step.Seconds(), Max: g.q.Then.Max, RefusedNow: g.refused}
	curves := [2][]float64{g.curve(&runs[0], count), g.curve(&runs[1], count)}
	heldBy := [2][]float64{g.curve(&runs[0], held), g.curve(&runs[1], held)}
	low, high, now := g.unknown(), g.unknown(), g.unknown()
	off, known := 0.0, 0.0
	a.Peak, a.PeakHeld = Range{Low: -1}, Range{Low: -1}
	for i := range g.n {
		now[i] = g.base[i] * scale
		truth := now[i]
		if m := g.measured[i]; !math.IsNaN(m) {
			off += math.Abs(now[i] - m)
			known += m
			a.PeakNow = max(a.PeakNow, int64(m))
			if now[i] >= m/2 && now[i] <= m*2 {
				truth = m // what the record missed behaves like what it saw
			}
		}
		per := scale
		if g.base[i] > 0 {
			per = truth / g.base[i]
		}
		l, h := min(curves[0][i], curves[1][i]), max(curves[0][i], curves[1][i])
		low[i] = max(l*per-2*per*g.spread(l, g.base[i]), 0)
		high[i] = h*per + 2*per*g.spread(h, g.base[i])
		if top := int64(high[i]); top > a.Peak.High {
			a.Peak.High = top
			if high[i] > 0 {
				a.Sampling = 2 * per * g.spread(h, g.base[i]) / high[i]
			}
		}
		a.Peak.Low = max(a.Peak.Low, int64(low[i]))
		a.PeakHeld.High = max(a.PeakHeld.High, int64(max(heldBy[0][i], heldBy[1][i])*per))
		a.PeakHeld.Low = max(a.PeakHeld.Low, int64(min(heldBy[0][i], heldBy[1][i])*per))
	}
	if known > 0 {
		a.Model = off / known
	}
	a.Measured, a.Now, a.Low, a.High = points(g.measured), points(now), points(low), points(high)
	a.totals(runs, scale)
	return a
}

// totals are the figures of the whole time.
func (a *Answer) totals(runs *[2]replay.Result, scale float64) {
	x, _ := runs[0].BrokenFlows()
	y, _ := runs[1].BrokenFlows()
	a.Broken = Range{int64(float64(min(x, y)) * scale), int64(float64(max(x, y)) * scale)}
	a.Verdict = Fits
	if a.Max <= 0 {
		return
	}
	for i := range a.High {
		if int64(*a.Low[i]) > a.Max {
			a.OverMax.Low += a.Step
		}
		if int64(*a.High[i]) > a.Max {
			a.OverMax.High += a.Step
		}
	}
	switch {
	case a.PeakHeld.Low > a.Max:
		a.Verdict = Refuses
	case a.PeakHeld.High > a.Max:
		a.Verdict = Unsure
	case a.Peak.High > a.Max:
		a.Verdict = Evicts
	}
}

// spread is the standard error of the flows that a run holds of the base's, both of the same sample: what is in
// both is no error, what is in one alone is counted like coins.
func (g *grid) spread(run, base float64) float64 {
	switch p := run / base; {
	case base <= 0:
		return math.Sqrt(max(run, 1) * g.alike)
	case p <= 1:
		return math.Sqrt(p * (1 - p) * base * g.alike)
	}
	return math.Sqrt((run - base) * g.alike)
}

func points(v []float64) []*float64 {
	out := make([]*float64, len(v))
	for i := range v {
		if !math.IsNaN(v[i]) {
			x := math.Round(v[i])
			out[i] = &x
		}
	}
	return out
}
