package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/netns"
	"ctkeeper/internal/surface/tui"
)

// canShowLive reports whether there is a terminal that can show a view, and something that lives.
func (a *app) canShowLive() bool {
	term := os.Getenv("TERM")
	return a.format == "text" && a.from == "" && isTerminal(a.in) && isTerminal(a.out) && term != "" && term != "dumb"
}

// topLive is the view on a terminal.
func (a *app) topLive(ctx context.Context, r topRequest) error {
	source := &liveTable{a: a}
	if a.netns != "" {
		ns, err := a.oneNamespace(ctx)
		if err != nil {
			return err
		}
		source.path = ns.Path
	}
	safe, err := flows.Always(sshPeers(hostfs.FS{}))
	if err != nil {
		return err
	}
	return tui.Run(ctx, tui.Options{
		Source: source, Change: &liveChange{source, safe}, By: r.by, Filter: r.filter, Name: a.netns,
		Lang: a.language(), ASCII: !utf8Locale(), In: a.in, Out: a.out, Environ: os.Environ(),
	})
}

// utf8Locale reports whether the environment says that the terminal knows UTF-8.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// liveTable tells the live view the figures of one namespace.
type liveTable struct {
	a    *app
	path string // of the namespace; "" for this process's
}

// in calls fn on a thread that stands in the namespace. A panic there comes back to the caller, so that the
// view can give the terminal back.
func (l *liveTable) in(fn func() error) error {
	if l.path == "" {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return fn()
	}
	var caught any
	err := netns.Do(l.path, func() error {
		defer func() {
			if r := recover(); r != nil {
				caught = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
		}()
		return fn()
	})
	if caught != nil {
		panic(caught)
	}
	return err
}

// Gauge reads count, max and counters.
func (l *liveTable) Gauge(ctx context.Context) (tui.Gauge, error) {
	var g tui.Gauge
	err := l.in(func() (err error) {
		g, err = gauge(ctx, &flowTable{a: l.a})
		return err
	})
	return g, err
}

func gauge(ctx context.Context, t *flowTable) (tui.Gauge, error) {
	g := tui.Gauge{At: time.Now()}
	if v, ok := t.setting("count"); ok {
		g.Count = &v
	}
	if v, ok := t.setting("max"); ok {
		g.Max = &v
	}
	counters, err := tableCounters(ctx)
	if err != nil {
		if g.Count != nil {
			err = nil // the counters alone are missing
		}
		return g, err
	}
	if early, ok := counters["early_drop"]; ok {
		g.EarlyDrop = &early
	}
	if drop, ok := counters["drop"]; ok {
		// insert_failed counts the clashes, beside chains that are too long.
		clashes := counters["insert_failed"] - min(counters["chain_toolong"], counters["insert_failed"])
		g.Drop, g.Clashes = &drop, &clashes
	}
	return g, nil
}

// tableCounters are the sums over all CPUs: over netlink, else as text.
func tableCounters(ctx context.Context) (map[string]uint64, error) {
	cpus, err := netlinkCounters(ctx)
	if err != nil {
		perCPU, _, textErr := collect.TextCounters(hostfs.FS{})
		if textErr != nil {
			return nil, errors.Join(err, textErr)
		}
		for i, counters := range perCPU {
			cpus = append(cpus, ctnetlink.CPUStats{CPU: i, Counters: counters})
		}
	}
	return ctnetlink.Sum(cpus), nil
}

func netlinkCounters(ctx context.Context) ([]ctnetlink.CPUStats, error) {
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return nil, err
	}
	cpus, err := c.CPUStats(ctx)
	return cpus, errors.Join(err, c.Close())
}

// Rank reads the table once.
func (l *liveTable) Rank(ctx context.Context, r tui.Request) (tui.Ranking, error) {
	var got tui.Ranking
	err := l.in(func() error {
		t := &flowTable{a: l.a, warned: func(m message.Message) { got.Warnings = append(got.Warnings, m) }}
		board := rank.NewBoard(rank.BoardOptions{By: r.By, Timeouts: t.timeouts()})
		o := readOptions{filter: r.Filter, fields: r.By.Fields(), restart: board.Reset}
		start := threadTime()
		err := t.each(ctx, o, func(fl *flow.Flow) error { board.Add(fl); return nil })
		got.Ranking, got.Cost = board.Ranking(r.Rows), threadTime()-start
		return err
	})
	return got, err
}

// threadTime is the CPU time that the calling thread has taken.
func threadTime() time.Duration {
	const rusageThread = 1
	var u syscall.Rusage
	if syscall.Getrusage(rusageThread, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// churnWindow is how long events are followed to count arrivals. While a listener is open the kernel
// keeps event data for new flows, which makes them larger, so it is short.
const churnWindow = 500 * time.Millisecond

// Churn counts the flows that arrive, by events, and tells the ends by how the count changed meanwhile:
// flows that began while nobody listened end without an event.
func (l *liveTable) Churn(ctx context.Context) (tui.Churn, error) {
	var c tui.Churn
	err := l.in(func() (err error) {
		c, err = churn(ctx, &flowTable{a: l.a})
		return err
	})
	if errors.Is(err, ctnetlink.ErrPermission) || errors.Is(err, ctnetlink.ErrUnsupported) {
		return tui.Churn{Why: message.New("tui_churn_none", "why", err.Error())}, nil
	}
	return c, err
}

func churn(ctx context.Context, t *flowTable) (tui.Churn, error) {
	if v, ok := t.setting("events"); ok && v == 0 {
		return tui.Churn{Why: message.New("tui_churn_off")}, nil
	}
	r, err := sample.TakeRates(ctx, sample.RateOptions{Window: churnWindow})
	if err != nil {
		return tui.Churn{}, err
	}
	c := tui.Churn{Arrivals: &r.Arrivals.PerSecond, Error: r.Arrivals.Error}
	if r.Ends != nil {
		c.Ends = &r.Ends.PerSecond
	}
	return c, nil
}
