package main

import (
	"context"
	"errors"
	"slices"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/surface/tui"
)

// liveChange acts on what is marked in the live view. Flows are read and changed in small parts, so that
// memory does not grow with the table.
type liveChange struct {
	table   *liveTable
	protect filter.Filter
}

// changeBatch is how many flows are read before they are changed.
const changeBatch = 1000

// errEverything guards against a filter that selects all flows: nothing in the view means that.
var errEverything = errors.New("the filter selects every flow; nothing was changed")

// each calls fn for each flow that an action would touch, and counts those that are protected.
func (l *liveChange) each(ctx context.Context, a tui.Action, fn func(*flow.Flow) error) (protected uint64, err error) {
	if a.Filter.All() {
		return 0, errEverything
	}
	t := &flowTable{a: l.table.a}
	timeouts := t.timeouts()
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return 0, err
	}
	_, err = c.Dump(ctx, ctnetlink.DumpOptions{Filter: a.Filter, Idle: timeouts.Idle}, func(fl *flow.Flow) error {
		switch {
		case a.Verb == tui.Retime && !retimes(a, timeouts, fl):
			return nil
		case l.protect.Match(fl, nil):
			protected++
			return nil
		}
		return fn(fl)
	})
	return protected, errors.Join(err, c.Close())
}

// retimes gives a flow its new timeout, and reports whether that is another. The present settings only
// shorten: a flow with less time left has been idle.
func retimes(a tui.Action, timeouts *rank.Timeouts, fl *flow.Flow) bool {
	if !fl.Has(flow.HasTimeout) {
		return false
	}
	left := fl.Timeout
	if a.Timeout > 0 {
		fl.Timeout = a.Timeout
		return left != a.Timeout
	}
	v, known := timeouts.Configured(fl)
	if !known || v <= 0 || int64(left) <= v {
		return false
	}
	fl.Timeout = uint32(v)
	return true
}

// Preview counts what an action would touch.
func (l *liveChange) Preview(ctx context.Context, a tui.Action) (tui.Preview, error) {
	var p tui.Preview
	board := rank.NewBoard(rank.BoardOptions{By: rank.NewBy(rank.Part{Key: rank.Src})})
	err := l.table.in(func() (err error) {
		p.Protected, err = l.each(ctx, a, func(fl *flow.Flow) error { board.Add(fl); return nil })
		return err
	})
	r := board.Ranking(5)
	p.Flows, p.Top = r.Total.Count, r.Rows
	return p, err
}

// Do acts.
func (l *liveChange) Do(ctx context.Context, a tui.Action, progress func(uint64)) (tui.Result, error) {
	var res tui.Result
	err := l.table.in(func() error {
		c, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		var batch []flow.Flow
		flush := func() error {
			err := change(ctx, c, a.Verb, batch, &res)
			batch = batch[:0]
			progress(res.Done)
			return err
		}
		res.Protected, err = l.each(ctx, a, func(fl *flow.Flow) error {
			if batch = append(batch, fl.Clone()); len(batch) < changeBatch {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		return errors.Join(err, c.Close())
	})
	return res, err
}

// change changes some flows and adds up what became of them.
func change(ctx context.Context, c *ctnetlink.Conn, v tui.Verb, batch []flow.Flow, res *tui.Result) error {
	pointers := func(yield func(*flow.Flow) bool) {
		for i := range batch {
			if !yield(&batch[i]) {
				return
			}
		}
	}
	var r ctnetlink.ChangeResult
	var err error
	if v == tui.Delete {
		r, err = c.Delete(ctx, pointers, ctnetlink.ChangeOptions{})
	} else {
		r, err = c.Update(ctx, pointers, ctnetlink.ChangeOptions{Fields: flow.HasTimeout})
	}
	res.Done += r.Done
	res.Gone += r.Gone
	res.Refused += r.Failed
	return err
}

// protected selects the flows that are never touched: loopback's, and those of the machines from which
// this session came over ssh.
func protected(sessions []string) (filter.Filter, error) {
	text := "addr 127.0.0.0/8 or addr ::1"
	for _, peer := range slices.Compact(slices.Sorted(slices.Values(sessions))) {
		text += " or addr " + peer
	}
	return filter.Parse(text)
}
