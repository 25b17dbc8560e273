package flows

import (
	"context"
	"errors"
	"slices"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// How tells in which way flows were changed.
type How string

// The ways: one message a flow, or the kernel's own filtered flush.
const (
	OneByOne How = "one_by_one"
	Flush    How = "flush"
)

// flushFrom is how many flows make a flush worth it: fewer are deleted soon, and counted more exactly.
const flushFrom = 5000

// errNotByFlush ends a reading: the flows have to be deleted one by one.
var errNotByFlush = errors.New("not by a flush")

// deleteByFlush deletes through the kernel's own flush where it is proven to take these flows and no others,
// where they are many, and where none of them is protected. Otherwise it does nothing and done is not set.
func deleteByFlush(ctx context.Context, o Options) (c Counts, done bool, err error) {
	if o.OneByOne || o.Limit > 0 || !ctnetlink.Flushable(o.Filter) {
		return c, false, nil
	}
	conn, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return c, false, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	matched, err := unprotected(ctx, conn, o)
	if errors.Is(err, errNotByFlush) || err == nil && matched < flushFrom {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	proof, err := ctnetlink.ProveFlush(ctx, o.Filter)
	if err != nil {
		return c, false, ctx.Err() // a kernel that does not keep the filter is no error: one by one, then
	}
	if err := conn.Flush(ctx, proof); err != nil {
		return c, false, err
	}
	c = Counts{Matched: matched, Done: matched, How: Flush, Consistent: true}
	if o.Progress != nil {
		o.Progress(c)
	}
	return c, true, nil
}

// unprotected counts what the filter selects. It ends with errNotByFlush at the first flow that may be
// protected, and when the table was not read whole.
func unprotected(ctx context.Context, conn *ctnetlink.Conn, o Options) (uint64, error) {
	res, err := conn.Dump(ctx, ctnetlink.DumpOptions{Filter: o.Filter, Idle: o.Idle, Fields: wanted}, func(fl *flow.Flow) error {
		if slices.ContainsFunc(o.Protect, func(f filter.Filter) bool { return !f.Rejects(fl, o.Idle) }) {
			return errNotByFlush
		}
		if o.Touch != nil {
			o.Touch(fl)
		}
		return nil
	})
	if err == nil && !res.Consistent {
		err = errNotByFlush
	}
	return res.Flows, err
}
