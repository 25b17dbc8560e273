// Package flows retimes and deletes flows of a table: those that a filter selects, but never protected ones,
// at most so many a second, every outcome counted.
//
//	counts, err := flows.Delete(ctx, flows.Options{Filter: f, Protect: protected})
//
// The table is read as a stream and changed in batches meanwhile, over a second connection: memory does not
// grow with it. A deletion names the entry that was read: one that took its place since is left alone. What is
// deleted cannot be taken back.
package flows

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
)

// Options say which flows, and how fast.
type Options struct {
	Filter filter.Filter
	Idle   filter.Idle
	// Protect are filters of flows that are never touched; neither are flows of which it is not known that
	// none of these selects them.
	Protect []filter.Filter
	// Limit is how many flows a second are changed at most; 0 is no limit.
	Limit float64
	// OneByOne keeps Delete from the kernel's own flush.
	OneByOne bool
	// Proofs are the flushes that the kernel has proven already.
	Proofs *ctnetlink.Proofs
	// Touch is called for each flow that is, or in a preview would be, touched.
	Touch func(*flow.Flow)
	// Progress is called after each batch.
	Progress func(Counts)

	// Timeout is what Retime sets, in seconds; nil: what Timeouts has for the flow's state.
	Timeout  *uint32
	Timeouts *rank.Timeouts
	// Lengthen lets Retime give flows more time too.
	Lengthen bool
}

// Counts account for every flow that the filter selects.
type Counts struct {
	Matched   uint64 `json:"matched"`
	Protected uint64 `json:"protected"`
	// Kept needed no change: their time is short enough, or no timeout is known for them.
	Kept    uint64 `json:"kept"`
	Done    uint64 `json:"done"`
	Gone    uint64 `json:"gone"`    // ended before they were reached
	Refused uint64 `json:"refused"` // by the kernel
	// Reasons counts the refusals by the kernel's error.
	Reasons map[string]uint64 `json:"reasons,omitempty"`
	How     How               `json:"how,omitempty"`
	// ByDifference are those of Done that went in a flush, of which the kernel tells no number: what its count fell
	// by meanwhile, flows that began or ended by themselves included.
	ByDifference uint64 `json:"by_difference,omitempty"`
	// Consistent: the table did not change its size while it was read, so that nothing was missed.
	Consistent bool `json:"consistent"`
}

// Planned are the flows that were to be touched.
func (c Counts) Planned() uint64 { return c.Matched - c.Protected - c.Kept }

// batchSize is how many flows wait for one round of messages: as many as one call sends, and few enough to stay
// in the processor's cache.
const batchSize = 100

// passes bounds how often a table that is resized meanwhile is gone through.
const passes = 3

// action is what is done with a batch.
type action func(context.Context, *ctnetlink.Conn, iter.Seq[*flow.Flow], ctnetlink.ChangeOptions) (ctnetlink.ChangeResult, error)

// run is one deletion or retiming of the table that the calling thread's namespace has.
type run struct {
	o      Options
	read   *ctnetlink.Conn
	write  *ctnetlink.Conn
	act    action // nil: a preview
	target func(*flow.Flow) (uint32, bool)
	batch  []flow.Flow
	counts Counts
	begun  time.Time
	sent   uint64
	seen   seen
	rest   bool // a flush may take what is left after the first flows
}

// Delete removes the flows that the options select.
func Delete(ctx context.Context, o Options) (Counts, error) {
	r := &run{o: o, act: func(ctx context.Context, c *ctnetlink.Conn, all iter.Seq[*flow.Flow], co ctnetlink.ChangeOptions) (ctnetlink.ChangeResult, error) {
		return c.Delete(ctx, all, co)
	}}
	r.counts.How = OneByOne
	return r.do(ctx)
}

// Retime gives the flows that the options select the time that is due to them: what a sysctl alone never
// does for flows that exist. It only shortens, unless Lengthen is set.
func Retime(ctx context.Context, o Options) (Counts, error) {
	r := &run{o: o, act: func(ctx context.Context, c *ctnetlink.Conn, all iter.Seq[*flow.Flow], co ctnetlink.ChangeOptions) (ctnetlink.ChangeResult, error) {
		co.Fields = flow.HasTimeout
		return c.Update(ctx, all, co)
	}}
	r.target, r.counts.How = r.due, OneByOne
	return r.do(ctx)
}

// Preview counts what Delete, or with retime Retime, would touch.
func Preview(ctx context.Context, o Options, retime bool) (Counts, error) {
	r := &run{o: o}
	if retime {
		r.target = r.due
	}
	return r.do(ctx)
}

func (r *run) do(ctx context.Context) (c Counts, err error) {
	if r.read, err = ctnetlink.Dial(ctnetlink.Options{}); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.read.Close()) }()
	if r.write, err = ctnetlink.Dial(ctnetlink.Options{}); err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, r.write.Close()) }()
	r.begun, r.rest = time.Now(), r.flushable(ctx)
	for range passes {
		err := r.pass(ctx)
		if errors.Is(err, errManyLeft) {
			if done, err := r.flushLeft(ctx); done || err != nil {
				return r.counts, err
			}
			r.rest = false
			err = r.pass(ctx)
		}
		if err != nil || r.counts.Consistent {
			return r.counts, err
		}
	}
	return r.counts, nil
}

// pass goes through the table once.
func (r *run) pass(ctx context.Context) error {
	r.again()
	result, err := r.read.Dump(ctx, ctnetlink.DumpOptions{Filter: r.o.Filter, Idle: r.o.Idle, Fields: wanted}, func(fl *flow.Flow) error { return r.take(ctx, fl) })
	if err == nil {
		err = r.flush(ctx)
	}
	r.counts.Consistent = result.Consistent
	return err
}

// again begins a pass: what was done stays done, what was left alone is met and counted anew.
func (r *run) again() {
	done, gone, how := r.counts.Done, r.counts.Gone, r.counts.How
	r.counts = Counts{Matched: done + gone, Done: done, Gone: gone, How: how}
	r.batch, r.seen = r.batch[:0], seen{}
}

// wanted are the parts that filters, protection and changes look at.
const wanted = flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasZone | flow.HasID | flow.HasMark | flow.HasReply | flow.HasCounters | flow.HasHelper

// take judges one flow that the filter selects.
func (r *run) take(ctx context.Context, fl *flow.Flow) error {
	if r.seen.again(fl) {
		return nil
	}
	r.counts.Matched++
	if r.o.protects(fl) {
		r.counts.Protected++
		return nil
	}
	timeout := fl.Timeout
	if r.target != nil {
		var ok bool
		if timeout, ok = r.target(fl); !ok {
			r.counts.Kept++
			return nil
		}
	}
	if r.o.Touch != nil {
		r.o.Touch(fl)
	}
	if r.act == nil {
		return nil
	}
	r.keep(fl, timeout)
	if len(r.batch) < r.size() {
		return nil
	}
	if err := r.flush(ctx); err != nil || !r.rest || r.counts.Done < flushFrom {
		return err
	}
	return errManyLeft
}

// keep copies what a message needs of a flow into the batch.
func (r *run) keep(fl *flow.Flow, timeout uint32) {
	n := len(r.batch)
	r.batch = slices.Grow(r.batch, 1)[:n+1] // what was there before stays, and is written over
	to := &r.batch[n]
	to.Family, to.Orig, to.Zone, to.ZoneDir, to.ID, to.Timeout = fl.Family, fl.Orig, fl.Zone, fl.ZoneDir, fl.ID, timeout
	to.Present = fl.Present&(flow.HasZone|flow.HasID) | flow.HasTimeout
}

// size keeps batches small under a limit, so that it holds from second to second.
func (r *run) size() int {
	if r.o.Limit <= 0 {
		return batchSize
	}
	return min(max(int(r.o.Limit/10), 1), batchSize)
}

// due is the time that a flow should have left, and whether that is a change.
func (r *run) due(fl *flow.Flow) (uint32, bool) {
	if !fl.Has(flow.HasTimeout) {
		return 0, false
	}
	want := int64(0)
	if r.o.Timeout != nil {
		want = int64(*r.o.Timeout)
	} else {
		if r.o.Timeouts == nil {
			return 0, false
		}
		var ok bool
		if want, ok = r.o.Timeouts.Configured(fl); !ok {
			return 0, false
		}
	}
	if int64(fl.Timeout) > want || r.o.Lengthen && int64(fl.Timeout) < want {
		return uint32(min(want, 1<<31-1)), true
	}
	return 0, false
}

// flush changes the batch, no sooner than the limit allows.
func (r *run) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := r.pace(ctx); err != nil {
		return err
	}
	all := func(yield func(*flow.Flow) bool) {
		for i := range r.batch {
			if !yield(&r.batch[i]) {
				return
			}
		}
	}
	result, err := r.act(ctx, r.write, all, ctnetlink.ChangeOptions{OnError: r.refused})
	r.sent += result.Sent
	r.counts.Done += result.Done
	r.counts.Gone += result.Gone
	r.counts.Refused += result.Failed + result.Exists
	r.batch = r.batch[:0]
	if r.o.Progress != nil {
		r.o.Progress(r.counts)
	}
	return err
}

// refused notes why the kernel would not.
func (r *run) refused(_ uint64, _ *flow.Flow, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if r.counts.Reasons == nil {
		r.counts.Reasons = map[string]uint64{}
	}
	r.counts.Reasons[err.Error()]++
}

// pace waits until the batch is due.
func (r *run) pace(ctx context.Context) error {
	if r.o.Limit <= 0 {
		return ctx.Err()
	}
	wait := time.Duration(float64(r.sent)/r.o.Limit*float64(time.Second)) - time.Since(r.begun)
	if wait <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}
