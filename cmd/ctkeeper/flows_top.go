package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/surface/tui"
	"ctkeeper/internal/surface/wording"
)

const flowsTopLong = `Rank the flows that FILTER selects by one key, or by two: who fills the table.

KEY is one of src, dst, sport, dport, proto, state, zone, mark, status, idle, remaining (both by
bands) and service (destination address and port). src/24 groups by IPv4 prefix and by the IPv6
prefix /64, dst/56 by IPv6 prefix and by the IPv4 prefix /24, src/16/48 says both.

The table is read once, in memory that does not grow with it: counts are exact up to 131,072
different keys, 65,536 of two keys or of services; beyond, each row says by how much its count may be
too large.

On a terminal the view is live, and with --once it is not. Count, refused packets and early drops are
read every second, arrivals are counted by events for half a second every ten, and ends follow from
the count. The table itself is read as often as a twentieth of one CPU allows; the screen says how old
the ranking is. Enter descends into a row, Backspace comes back, ? lists the keys.`

// topRequest is what a ranking is made of.
type topRequest struct {
	by     rank.By
	filter filter.Filter
	limit  int
	rates  time.Duration // over which rates are taken too; 0: none
}

func newFlowsTop(a *app) *cobra.Command {
	var s flowSelection
	var by string
	var once bool
	r := topRequest{}
	cmd := &cobra.Command{
		Use:         "top [FILTER…]",
		Short:       "Rank flows: who fills the table",
		Long:        flowsTopLong,
		Annotations: map[string]string{keysOf: tui.Keys(wording.English)},
		Example:     "  ctkeeper flows top --by src,dport\n  ctkeeper flows top --by src/24 --limit 5 state SYN_SENT",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if r.filter, err = s.filter(args); err != nil {
				return err
			}
			if r.by, err = rank.ParseBy(by); err != nil {
				return usageError{fmt.Errorf("--by: %w", err)}
			}
			if r.limit < 0 {
				return usageError{errors.New("--limit: at least 1; 0 for all rows")}
			}
			if r.rates < 0 || r.rates > 0 && a.from != "" {
				return usageError{errors.New("--rates: a time to come, on this host")}
			}
			if !once && r.rates == 0 && a.canShowLive() {
				return a.topLive(cmd.Context(), r)
			}
			return a.topOnce(cmd.Context(), r)
		},
	}
	s.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&by, "by", "src", "KEY or KEY,KEY to rank by")
	f.BoolVar(&once, "once", false, "print the ranking and end (so it is when standard output is no terminal)")
	f.DurationVar(&r.rates, "rates", 0, "with the printed ranking: watch for this `TIME` what is refused, comes and ends a second")
	f.IntVar(&r.limit, "limit", 20, "how many rows to print; 0 for all")
	return cmd
}

// tablesGC lets the heap grow to 16 MiB, more than a ranking has, before it is collected.
const tablesGC = 400

func (a *app) topOnce(ctx context.Context, r topRequest) error {
	switch a.format {
	case "text", "json", "jsonl":
	default:
		return usageError{fmt.Errorf("--format %s: flows top prints text, json or jsonl", a.format)}
	}
	// A ranking's tables are made once and stay: collecting while they are filled finds nothing, and walks through
	// all that the program has.
	defer debug.SetGCPercent(debug.SetGCPercent(tablesGC))
	return a.inTable(ctx, func(t *flowTable) error {
		d, err := t.top(ctx, r)
		if err != nil {
			return err
		}
		switch a.format {
		case "json":
			return a.writeJSON(d)
		case "jsonl":
			return a.topLines(d)
		}
		return a.topText(d)
	})
}

// topDocument is a ranking, schema ctkeeper.top/1.
type topDocument struct {
	Schema     string   `json:"schema"`
	By         []string `json:"by"`
	Filter     string   `json:"filter,omitempty"`
	Source     string   `json:"source"`
	Consistent bool     `json:"consistent"` // no flow can be missing or doubled
	Count      *uint64  `json:"count,omitempty"`
	Max        *uint64  `json:"max,omitempty"`
	Occupancy  *float64 `json:"occupancy,omitempty"`
	// Pressure is the share of max that the kernel cannot reclaim by itself; not known with a filter.
	Pressure *float64 `json:"pressure,omitempty"`
	// Rates were taken before the table was read.
	Rates *sample.Rates `json:"rates,omitempty"`
	Keys  int           `json:"different_keys"` // when not exact, at least so many
	Exact bool          `json:"exact"`
	// Missing is how many flows a key that was left out of the count may have when not exact.
	Missing uint64     `json:"missing_at_most,omitempty"`
	Total   rank.Place `json:"total"`
	Rows    []topRow   `json:"rows"`
}

// topRow is a row with its share of the flows that were selected.
type topRow struct {
	rank.Place
	Share float64 `json:"share"`
}

// top reads the table and ranks it.
func (t *flowTable) top(ctx context.Context, r topRequest) (topDocument, error) {
	d := topDocument{Schema: "ctkeeper.top/1", By: strings.Split(r.by.String(), ","), Filter: r.filter.String(), Rows: []topRow{}}
	if v, ok := t.setting("count"); ok {
		d.Count = &v
	}
	if v, ok := t.setting("max"); ok {
		d.Max = &v
	}
	if err := t.rates(ctx, r.rates, &d); err != nil {
		return d, err
	}
	board := rank.NewBoard(rank.BoardOptions{By: r.by, Timeouts: t.timeouts()})
	o := readOptions{filter: r.filter, fields: r.by.Fields(), restart: board.Reset}
	if err := t.each(ctx, o, func(fl *flow.Flow) error { board.Add(fl); return nil }); err != nil {
		return d, err
	}
	d.Source, d.Consistent = t.source, t.whole
	ranking := board.Ranking(r.limit)
	d.Keys, d.Exact, d.Missing, d.Total = ranking.Keys, ranking.Exact, ranking.Missing, ranking.Total
	for _, p := range ranking.Rows {
		d.Rows = append(d.Rows, topRow{p, float64(p.Count) / float64(d.Total.Count)})
	}
	d.fullness(r.filter.All())
	return d, nil
}

// rates watches the table for a time, by events where the kernel makes them.
func (t *flowTable) rates(ctx context.Context, window time.Duration, d *topDocument) error {
	if window == 0 {
		return nil
	}
	o := sample.RateOptions{Window: window}
	if v, ok := t.setting("events"); ok && v == 0 {
		o.Basis = sample.ByDumps
	}
	r, err := sample.TakeRates(ctx, o)
	if errors.Is(err, ctnetlink.ErrPermission) || errors.Is(err, ctnetlink.ErrUnsupported) {
		t.a.warn("flows_top_no_rates", "why", err.Error())
		return nil
	}
	if err == nil {
		d.Rates = &r
	}
	return err
}

// fullness tells the shares of max, where max is known.
func (d *topDocument) fullness(all bool) {
	if d.Max == nil || *d.Max == 0 {
		return
	}
	most := float64(*d.Max)
	if d.Count != nil {
		v := float64(*d.Count) / most
		d.Occupancy = &v
	}
	if all {
		v := float64(d.Total.Assured-d.Total.Closing) / most
		d.Pressure = &v
	}
}
