package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/host/ctnetlink"
)

const flowsWatchLong = `Print the events of the flows that FILTER selects, as they happen, until interrupted or --for ends.

Every loss is accounted. When the kernel's buffer overflows, or whoever reads the output is too slow,
the lost events are counted and the whole table is printed: a LOST line, then a SYNC line for each
flow, then SYNCED; from there what was shown is true again. With --format conntrack, which has no
such lines, losses are only counted. A slow reader never holds up the reading of events.

While anyone listens, the kernel keeps event data for each new flow of every namespace where
nf_conntrack_events is 2 (its default), about 128 bytes a flow.`

// watchFlags are the options of flows watch.
type watchFlags struct {
	selection flowSelection
	events    []string
	buffer    string
	length    time.Duration
}

func newFlowsWatch(a *app) *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:     "watch [FILTER…]",
		Short:   "Print events as they happen, every loss accounted",
		Long:    flowsWatchLong,
		Example: "  ctkeeper flows watch --events new -p tcp --dport 443\n  ctkeeper flows watch --for 10s --format jsonl --buffer 64M",
		RunE: func(cmd *cobra.Command, args []string) error {
			selected, err := f.selection.filter(args)
			if err != nil {
				return err
			}
			o, err := f.options(selected)
			if err != nil {
				return usageError{err}
			}
			return a.flowsWatch(cmd.Context(), o)
		},
	}
	f.selection.flags(cmd)
	cmd.Flags().StringSliceVarP(&f.events, "events", "e", []string{"new", "update", "destroy"}, "which of new, update, destroy, expect")
	cmd.Flags().StringVar(&f.buffer, "buffer", "8M", "how many bytes of events the kernel may hold: `SIZE`")
	cmd.Flags().DurationVar(&f.length, "for", 0, "end after this `TIME`")
	return cmd
}

func (f *watchFlags) options(selected filter.Filter) (sample.WatchOptions, error) {
	o := sample.WatchOptions{Filter: selected, For: f.length}
	size, err := parseSize(f.buffer)
	if err != nil || size > 1<<30 {
		return o, fmt.Errorf("--buffer: %q is no size from 1K to 1G", f.buffer)
	}
	if o.Buffer = int(size); f.length < 0 {
		return o, fmt.Errorf("--for %s: a time that is to come", f.length)
	}
	o.Kinds, err = eventKinds(f.events)
	return o, err
}

// eventKinds reads the words of --events, the conntrack tool's too.
func eventKinds(words []string) (ctnetlink.EventKind, error) {
	kinds := map[string]ctnetlink.EventKind{
		"new": ctnetlink.EventNew, "update": ctnetlink.EventUpdate, "updates": ctnetlink.EventUpdate,
		"destroy": ctnetlink.EventDestroy, "expect": ctnetlink.EventExpect,
		"all": ctnetlink.EventNew | ctnetlink.EventUpdate | ctnetlink.EventDestroy,
	}
	var joined ctnetlink.EventKind
	for _, w := range words {
		k, ok := kinds[strings.ToLower(w)]
		if !ok {
			return 0, fmt.Errorf("--events %s: not one of new, update, destroy, expect", w)
		}
		joined |= k
	}
	if joined == 0 {
		return 0, errors.New("--events: nothing to follow")
	}
	return joined, nil
}

func (a *app) flowsWatch(ctx context.Context, o sample.WatchOptions) error {
	if !slices.Contains([]string{"text", "json", "jsonl", "conntrack"}, a.format) {
		return usageError{fmt.Errorf("--format %s: flows watch prints text, json, jsonl or conntrack", a.format)}
	}
	if a.from != "" {
		return usageError{errors.New("--from: a copy has no events; flows watch follows this host")}
	}
	return a.inTable(ctx, func(t *flowTable) error {
		o.Idle = t.timeouts().Idle
		if v, ok := t.setting("events"); ok && v == 0 {
			a.warn("flows_watch_events_off")
		}
		o.NoSync = a.format == "conntrack"
		p := &eventPrinter{format: a.format}
		if err := p.begin(a.out); err != nil {
			return err
		}
		counts, err := sample.Watch(ctx, o, p, a.out)
		if err != nil {
			return err
		}
		return a.watchEnd(p, counts)
	})
}

// watchEnd accounts for every event.
func (a *app) watchEnd(p *eventPrinter, c sample.Counts) error {
	switch a.format {
	case "json", "jsonl":
		if c.Stuck {
			break
		}
		if err := p.end(a.out, c); err != nil {
			return err
		}
	default:
		fmt.Fprintln(a.err, a.hint("flows_watch_end", "seen", c.Seen, "written", c.Written, "filtered", c.Filtered))
	}
	if c.Lost > 0 {
		a.warn("flows_watch_lost", "lost", c.Lost)
	}
	if c.Slow > 0 {
		a.warn("flows_watch_slow", "slow", c.Slow)
	}
	if c.Stale {
		a.warn("flows_watch_stale")
	}
	return nil
}
