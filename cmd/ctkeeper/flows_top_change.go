package main

import (
	"context"
	"errors"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/surface/tui"
)

// liveChange lets the live view retime and delete, with the commands' own protection.
type liveChange struct {
	table   *liveTable
	protect []filter.Filter
}

// errEverything guards against a filter that selects all flows: nothing in the view means that.
var errEverything = errors.New("the filter selects every flow; nothing was changed")

func (l *liveChange) options(a tui.Action, t *flowTable) flows.Options {
	o := flows.Options{Filter: a.Filter, Protect: l.protect, Timeouts: t.timeouts(), Proofs: ctnetlink.KeepProofs(flushProofs)}
	o.Idle = o.Timeouts.Idle
	if a.Timeout > 0 {
		o.Timeout, o.Lengthen = &a.Timeout, true
	}
	return o
}

// Preview counts what an action would touch.
func (l *liveChange) Preview(ctx context.Context, a tui.Action) (out tui.Preview, err error) {
	if a.Filter.All() {
		return out, errEverything
	}
	err = l.table.in(func() error {
		o := l.options(a, &flowTable{a: l.table.a})
		top := rank.NewBoard(rank.BoardOptions{By: rank.NewBy(rank.Part{Key: rank.Src}), Limit: 4096})
		o.Touch = func(fl *flow.Flow) { top.Add(fl) }
		c, err := flows.Preview(ctx, o, a.Verb == tui.Retime)
		out = tui.Preview{Flows: c.Planned(), Protected: c.Protected, Top: top.Ranking(5).Rows}
		return err
	})
	return out, err
}

// Do acts.
func (l *liveChange) Do(ctx context.Context, a tui.Action, progress func(done uint64)) (out tui.Result, err error) {
	if a.Filter.All() {
		return out, errEverything
	}
	err = l.table.in(func() error {
		o := l.options(a, &flowTable{a: l.table.a})
		o.Progress = func(c flows.Counts) { progress(c.Done + c.Gone + c.Refused) }
		act := flows.Delete
		if a.Verb == tui.Retime {
			act = flows.Retime
		}
		c, err := act(ctx, o)
		out = tui.Result{Done: c.Done, Gone: c.Gone, Refused: c.Refused, Protected: c.Protected}
		return err
	})
	return out, err
}
