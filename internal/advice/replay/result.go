package replay

import (
	"cmp"
	"math"
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
)

// Result is what one variant's settings would have done.
type Result struct {
	Settings model.Settings
	Counters model.Counters

	// Peak is the highest count, PeakAt when it was first reached (zero when no flow was made), PeakHeld the most flows that the kernel
	// could not reclaim; End and Live the count and the flows alive after the last packet.
	Peak, PeakHeld, End, Live int
	PeakAt                    time.Time
	Count, Held               Quantiles
	// AtLimit is for how long the count stood at max.
	AtLimit time.Duration

	// RefusedFlows are the flows that refused packets were of, within some 2 %.
	RefusedFlows     uint64
	RefusedSources   []Share[netip.Addr]
	RefusedServices  []Share[Service]
	RefusedProtocols []Share[flow.Proto]

	// Broken flows carried traffic again after the table had forgotten them; Unwatched were forgotten when
	// no more could be remembered, and are not among them.
	Broken    []BrokenService
	Unwatched uint64

	// Chain is the mean length of a bucket's chain at the peak, ChainLongest the longest to expect among all
	// buckets of a table with random keys.
	Chain        float64
	ChainLongest int

	Curve    []Bin
	From     time.Time // of the curve
	BinWidth time.Duration
	Log      []string
	LogLines int64
}

// Pressure is the highest share of max that the kernel could not reclaim; false when max is unlimited.
func (r *Result) Pressure() (float64, bool) {
	if r.Settings.Max <= 0 {
		return 0, false
	}
	return float64(r.PeakHeld) / float64(r.Settings.Max), true
}

// BrokenFlows are those of all services, and how many of them were picked up again.
func (r *Result) BrokenFlows() (flows, pickedUp uint64) {
	all := r.BrokenSum()
	return all.Flows, all.PickedUp
}

// BrokenSum are the broken flows of all services together.
func (r *Result) BrokenSum() (all BrokenService) {
	for _, s := range r.Broken {
		all.Flows += s.Flows
		all.PickedUp += s.PickedUp
		all.Loose += s.Loose
		all.NAT += s.NAT
		all.Evicted += s.Evicted
	}
	return all
}

// PressureQuantiles are the levels of Held as shares of max; false when max is unlimited.
func (r *Result) PressureQuantiles() (p50, p90, p99 float64, ok bool) {
	limit := float64(r.Settings.Max)
	if limit <= 0 {
		return 0, 0, 0, false
	}
	return float64(r.Held.P50) / limit, float64(r.Held.P90) / limit, float64(r.Held.P99) / limit, true
}

func (r *run) result() Result {
	out := Result{Settings: r.m.Settings(), Counters: r.m.Counters(), Peak: r.peak, PeakHeld: r.peakHeld, End: r.m.Count(), Live: r.m.Live(r.now),
		AtLimit: time.Duration(r.atLimit), RefusedFlows: r.refused.distinct(), Broken: r.broken.byService(), Unwatched: r.broken.overflow,
		Curve: r.curve.bins, BinWidth: time.Duration(r.curve.width), Log: r.log, LogLines: r.lines}
	out.RefusedProtocols = r.refused.byProtocol()
	out.RefusedSources = r.refused.sources.best(topShown, netip.Addr.Compare)
	out.RefusedServices = r.refused.services.best(topShown, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	out.Count = quantiles(&r.level.count, r.level.total, r.peak)
	out.Held = quantiles(&r.level.held, r.level.total, r.peakHeld)
	if r.begun {
		out.From = time.Unix(0, r.curve.start).UTC()
		if r.peak > 0 {
			out.PeakAt = time.Unix(0, r.peakAt).UTC()
		}
	}
	if buckets := out.Settings.Buckets; buckets > 0 {
		out.Chain = 2 * float64(r.peak) / float64(buckets) // each flow lies in two chains
		out.ChainLongest = longest(out.Chain, float64(buckets))
	}
	return out
}

// longest is the length that one bucket among n is expected to reach when chains are Poisson with that mean.
func longest(mean, n float64) int {
	if mean == 0 {
		return 0
	}
	p, tail := math.Exp(-mean), 1.0
	if p == 0 { // far beyond where a table works at all
		return int(mean + math.Sqrt(2*mean*math.Log(n)))
	}
	for k := 0; ; k++ {
		if tail -= p; tail*n < 1 {
			return k
		}
		p *= mean / float64(k+1)
	}
}

// Counts are the curve's counts.
func (r *Result) Counts() []int {
	out := make([]int, len(r.Curve))
	for i, b := range r.Curve {
		out[i] = b.Count
	}
	return out
}
