package sample

import (
	"context"
	"errors"
	"math"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
)

// Rate is a number a second. The present mean lies within Error of it in 19 of 20 cases.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Error     float64 `json:"error"`
}

// Basis is what arrivals and ends were counted by.
type Basis string

// What arrivals and ends are counted by.
const (
	// ByEvents counts the events of new flows; ends are told by how the count changed meanwhile, because
	// flows that began while nobody listened end without an event.
	ByEvents Basis = "events"
	// ByDumps compares two readings of the table, which miss flows that came and went between them.
	ByDumps Basis = "dumps"
)

// Rates are a namespace's figures a second over a time; nil is not known.
type Rates struct {
	Seconds float64 `json:"seconds"`
	// Refused are packets of new flows that found no room; EarlyDropped flows that made room for others.
	// The kernel counts both, so that they have no error.
	Refused      *Rate `json:"refused,omitempty"`
	EarlyDropped *Rate `json:"early_dropped,omitempty"`
	Arrivals     *Rate `json:"arrivals,omitempty"`
	Ends         *Rate `json:"ends,omitempty"`
	Basis        Basis `json:"basis"`
	// Lost events are counted among the arrivals.
	Lost uint64 `json:"lost,omitempty"`
}

// RateOptions say how to take rates.
type RateOptions struct {
	Window time.Duration // 0 means a second
	// Basis of arrivals and ends. While a listener for events is open, the kernel makes new flows of
	// every namespace larger: it is open for the window alone.
	Basis Basis
	// Limit is how many flows are kept of each of two dumps; 0 means 65536.
	Limit int
}

// rateBuffer holds the events of a scheduling delay at the fastest rates.
const rateBuffer = 8 << 20

// TakeRates watches the calling thread's network namespace for the window.
func TakeRates(ctx context.Context, o RateOptions) (Rates, error) {
	if o.Window <= 0 {
		o.Window = time.Second
	}
	if o.Basis == "" {
		o.Basis = ByEvents
	}
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return Rates{}, err
	}
	defer func() { _ = c.Close() }()
	if o.Basis == ByDumps {
		return byDumps(ctx, c, o)
	}
	return byEvents(ctx, c, o)
}

// reading is what the kernel tells at one time.
type reading struct {
	at    time.Time
	count *uint64
	cpus  []ctnetlink.CPUStats
}

func read(ctx context.Context, c *ctnetlink.Conn) (reading, error) {
	cpus, err := c.CPUStats(ctx)
	if err != nil {
		return reading{}, err
	}
	st, err := c.Stats(ctx)
	if ctx.Err() != nil {
		return reading{}, err
	}
	return reading{time.Now(), st.Count, cpus}, nil // kernels before 3.4 do not tell the count
}

// rates are what two readings tell.
func (r reading) rates(after reading) Rates {
	seconds := after.at.Sub(r.at).Seconds()
	d := risen(r.cpus, after.cpus)
	rates := Rates{Seconds: seconds}
	if v, ok := d["early_drop"]; ok {
		rates.EarlyDropped = &Rate{PerSecond: float64(v) / seconds}
	}
	if v, ok := d["drop"]; ok {
		// drop counts clashes too, as insert_failed does beside chains that are too long.
		clashes := d["insert_failed"] - min(d["chain_toolong"], d["insert_failed"])
		rates.Refused = &Rate{PerSecond: float64(v-min(clashes, v)) / seconds}
	}
	return rates
}

// risen is how much each counter rose, over all CPUs. A counter has 32 bits and wraps.
func risen(before, after []ctnetlink.CPUStats) map[string]uint64 {
	was := map[int]map[string]uint64{}
	for _, st := range before {
		was[st.CPU] = st.Counters
	}
	sum := map[string]uint64{}
	for _, st := range after {
		old, ok := was[st.CPU]
		if !ok {
			continue // a CPU that came meanwhile
		}
		for name, v := range st.Counters {
			sum[name] += uint64(uint32(v) - uint32(old[name]))
		}
	}
	return sum
}

func byEvents(ctx context.Context, c *ctnetlink.Conn, o RateOptions) (Rates, error) {
	before, err := read(ctx, c)
	if err != nil {
		return Rates{}, err
	}
	n, lost, err := arrivals(ctx, o.Window)
	if err != nil {
		return Rates{}, err
	}
	after, err := read(ctx, c)
	if err != nil {
		return Rates{}, err
	}
	r := before.rates(after)
	r.Basis, r.Lost = ByEvents, lost
	r.Arrivals = &Rate{n / r.Seconds, spread(n) / r.Seconds}
	if before.count != nil && after.count != nil {
		grown := float64(*after.count) - float64(*before.count)
		r.Ends = &Rate{max(0, n-grown) / r.Seconds, spread(n) / r.Seconds}
	}
	return r, nil
}

// arrivals counts the events of new flows for a time, those that were lost among them.
func arrivals(ctx context.Context, window time.Duration) (n float64, lost uint64, err error) {
	f, err := ctnetlink.Follow(ctnetlink.FollowOptions{Kinds: ctnetlink.EventNew, Fields: flow.HasStatus, Buffer: rateBuffer})
	if err != nil {
		return 0, 0, err
	}
	inWindow, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	err = unlessEnded(f.Run(inWindow, func(ctnetlink.EventKind, *flow.Flow) error { return nil }))
	lost = f.Lost()
	n = float64(f.Seen() + lost)
	return n, lost, errors.Join(err, f.Close(), ctx.Err())
}

// spread is how far a count of n in a window may be from the mean: twice the root, and of none the upper
// bound at the same confidence.
func spread(n float64) float64 { return max(3, 2*math.Sqrt(n)) }

func byDumps(ctx context.Context, c *ctnetlink.Conn, o RateOptions) (Rates, error) {
	t := rank.NewTurnover(o.Limit)
	dump := func() error {
		d := ctnetlink.DumpOptions{Fields: flow.HasID, Restart: t.Reset}
		_, err := c.Dump(ctx, d, func(fl *flow.Flow) error { t.Add(fl); return nil })
		return err
	}
	before, err := read(ctx, c)
	if err != nil {
		return Rates{}, err
	}
	if err := dump(); err != nil {
		return Rates{}, err
	}
	t.Next()
	if !sleep(ctx, time.Until(before.at.Add(o.Window))) {
		return Rates{}, ctx.Err()
	}
	after, err := read(ctx, c)
	if err != nil {
		return Rates{}, err
	}
	if err := dump(); err != nil {
		return Rates{}, err
	}
	change, _ := t.Next()
	r := before.rates(after)
	r.Basis = ByDumps
	r.Arrivals = &Rate{change.Came / r.Seconds, math.Hypot(change.CameError, spread(change.Came)) / r.Seconds}
	r.Ends = &Rate{change.Went / r.Seconds, math.Hypot(change.WentError, spread(change.Went)) / r.Seconds}
	return r, nil
}
