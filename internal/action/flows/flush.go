package flows

import (
	"context"
	"errors"

	"ctkeeper/internal/host/ctnetlink"
)

// How tells in which way flows were changed.
type How string

// The ways: one message a flow, or the kernel's own filtered flush for all but the first.
const (
	OneByOne How = "one_by_one"
	Flush    How = "flush"
)

// flushFrom is how many flows are deleted one by one before a flush takes the rest: fewer are gone soon, are counted
// exactly, and show where such flows come from.
const flushFrom = 5000

// errManyLeft ends a reading: the flush may take what is left.
var errManyLeft = errors.New("many flows are left")

// flushable reports whether a flush may take what the filter selects: the filter can be said in a flush, and it is
// certain that nothing protected is selected. Reading all flows to find that out would cost more than a flush saves.
func (r *run) flushable(ctx context.Context) bool {
	return r.act != nil && r.target == nil && !r.o.OneByOne && r.o.Limit <= 0 && ctnetlink.Flushable(r.o.Filter) && noneProtected(ctx, r.read, r.o)
}

// flushLeft deletes what the filter still selects through the kernel's own flush. done is not set when the kernel
// does not prove that it keeps the filter: nothing has happened then.
func (r *run) flushLeft(ctx context.Context) (done bool, err error) {
	proof, err := r.o.Proofs.Prove(ctx, r.o.Filter)
	if err != nil {
		return false, ctx.Err() // no error: one by one, then
	}
	before, err := r.count(ctx)
	if err != nil {
		return false, err
	}
	flushErr := r.write.Flush(ctx, proof)
	after, err := r.count(ctx)
	if err != nil {
		return false, errors.Join(flushErr, err)
	}
	left := before - min(after, before)
	r.counts.Matched += left
	r.counts.Done += left
	r.counts.ByDifference, r.counts.How, r.counts.Consistent = left, Flush, true
	if r.o.Progress != nil {
		r.o.Progress(r.counts)
	}
	return true, flushErr
}

// count is the kernel's count of the table.
func (r *run) count(ctx context.Context) (uint64, error) {
	st, err := r.write.Stats(ctx)
	if err == nil && st.Count == nil {
		err = errors.New("this kernel does not tell its count")
	}
	if err != nil {
		return 0, err
	}
	return *st.Count, nil
}
