package ctnetlink

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// Table is one of the kernel's lists of flows.
type Table uint8

// The tables. Unconfirmed is always empty on kernels of 5.19 and later.
const (
	TableConntrack Table = iota
	TableDying
	TableUnconfirmed
)

// DumpOptions say what to read. The zero value reads every flow with all its parts.
type DumpOptions struct {
	Table Table
	// Fields are the optional parts to fill in; 0 means all. What a filter needs is added.
	Fields flow.Fields
	// Filter selects flows. What of it the kernel can apply is given to the kernel, and all of it is
	// applied here again.
	Filter filter.Filter
	Idle   filter.Idle // for filters that ask how long a flow has been idle
	// Restart is called before the table is read again because it was resized or the dump was
	// interrupted: what was given so far must be forgotten. Without it nothing is repeated.
	Restart func()
	// Retries is how often to read again at most; 0 means 3.
	Retries int
	// InUser keeps the filter from the kernel.
	InUser bool
	// Zero resets each flow's counters as they are read. The kernel does so a buffer ahead: where the dump
	// is left, counters are lost that were never given. Not with a filter, another table or Restart.
	Zero bool
}

// zeroable refuses what would reset counters that the caller never sees.
func (o *DumpOptions) zeroable() error {
	if o.Zero && (!o.Filter.All() || o.Restart != nil || o.Table != TableConntrack) {
		return errors.New("reset counters: only of the whole table, read once")
	}
	return nil
}

// Inconsistency says why a dump may not show the table as it was.
type Inconsistency string

// Why a dump may be inconsistent.
const (
	Resized        Inconsistency = "resized"            // the number of buckets changed: rows are lost and doubled
	Interrupted    Inconsistency = "interrupted"        // the kernel said so (NLM_F_DUMP_INTR)
	BucketsWritten Inconsistency = "buckets_written"    // somebody wrote the number of buckets: perhaps resized, and back
	BucketsUnknown Inconsistency = "buckets_unreadable" // a resize would not have been seen
)

// DumpResult says what a dump gave.
type DumpResult struct {
	Flows      uint64 // given to the caller
	Received   uint64 // sent by the kernel, before the filter was applied here
	Consistent bool
	Why        Inconsistency // when not Consistent
	Retried    int           // how often the table was read again
	// Filtered is set when the kernel applied a filter.
	Filtered bool
	// Count is the kernel's count just before the dump, which makes it collect expired flows; nil when
	// the kernel does not tell.
	Count *uint64
}

// Dump reads the table and calls fn for each flow; the flow is only good until fn returns, and fn must not
// use the connection. An error from fn ends the dump and is returned.
func (c *Conn) Dump(ctx context.Context, o DumpOptions, fn func(*flow.Flow) error) (DumpResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var result DumpResult
	if err := o.zeroable(); err != nil {
		return result, err
	}
	st, err := c.stats(ctx)
	if err != nil && (c.sock == nil || ctx.Err() != nil || errors.Is(err, ErrPermission)) {
		return result, err
	}
	result.Count = st.Count // kernels before 3.4 do not tell
	if o.Retries == 0 {
		o.Retries = 3
	}
	for {
		d := newDump(c, o, fn)
		d.early = o.Restart != nil && result.Retried < o.Retries
		err := d.run(ctx)
		d.buckets.close()
		result.Flows, result.Received, result.Filtered = d.flows, d.received, d.filtered
		result.Why, result.Consistent = d.why, d.why == ""
		if err != nil && !errors.Is(err, errAgain) {
			return result, err
		}
		if !d.torn() || o.Restart == nil || result.Retried >= o.Retries {
			return result, nil
		}
		result.Retried++
		o.Restart()
	}
}

// errAgain ends a pass early that will be repeated.
var errAgain = errors.New("the table changed under the dump")

// dump is one pass over the table.
type dump struct {
	c        *Conn
	o        DumpOptions
	fn       func(*flow.Flow) error
	fl       flow.Flow
	selects  bool
	early    bool // end as soon as the pass is known to be bad
	buckets  *buckets
	flows    uint64
	received uint64
	answers  uint64
	filtered bool
	why      Inconsistency
}

func newDump(c *Conn, o DumpOptions, fn func(*flow.Flow) error) *dump {
	d := &dump{c: c, o: o, fn: fn, selects: !o.Filter.All(), buckets: openBuckets(c.buckets)}
	d.why = d.buckets.why
	c.dec.want = o.Fields
	if o.Fields == 0 {
		c.dec.want = flow.AllFields
	}
	if d.selects {
		c.dec.want |= flow.HasReply | flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasMark |
			flow.HasZone | flow.HasHelper | flow.HasCounters
	}
	return d
}

func (d *dump) run(ctx context.Context) error {
	k := kernelFilter{}
	if d.selects && !d.o.InUser && d.o.Table == TableConntrack {
		k = kernelPart(d.o.Filter)
	}
	err := d.pass(ctx, k)
	if k.active() && d.received == 0 && refusesFilter(err) {
		err = d.pass(ctx, kernelFilter{})
	}
	if err == nil {
		d.checkBuckets()
	}
	return err
}

// refusesFilter reports whether the kernel may have answered so because of a filter it does not have.
func refusesFilter(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)
}

func (d *dump) pass(ctx context.Context, k kernelFilter) error {
	typ := map[Table]uint16{TableConntrack: msgGet, TableDying: msgGetDying, TableUnconfirmed: msgGetUnconfirmed}[d.o.Table]
	if d.o.Zero {
		typ = msgGetCtrZero
	}
	d.c.filled = d.answered
	defer func() { d.c.filled = nil }()
	return d.c.ask(ctx, "dump", subsysCT|typ, unix.NLM_F_DUMP, uint8(k.family), k.version(), k.append, d.take)
}

// take decodes one entry, filters it and passes it on.
func (d *dump) take(h header, msg []byte) error {
	if h.flags&flagDumpIntr != 0 {
		d.bad(Interrupted)
	}
	if h.flags&flagDumpFiltered != 0 {
		d.filtered = true
	}
	d.received++
	if d.early && d.torn() {
		return errAgain
	}
	if len(msg) < bodyStart {
		return &DecodeError{What: "message without a body"}
	}
	if err := d.c.dec.decode(msg[bodyStart:], msg[headerLen], &d.fl); err != nil {
		return err
	}
	if d.selects && !d.o.Filter.Match(&d.fl, d.o.Idle) {
		return nil
	}
	d.flows++
	return d.fn(&d.fl)
}

// torn reports whether rows may be missing or double.
func (d *dump) torn() bool {
	return d.why == Resized || d.why == BucketsWritten || d.why == Interrupted
}

// answersUnchecked is how many answers of the kernel, 3 ms of its work, come between two looks at the buckets,
// which cost half a percent of a dump if every answer had one.
const answersUnchecked = 8

// answered is called after each answer of the kernel.
func (d *dump) answered() {
	if d.answers++; d.answers%answersUnchecked == 0 {
		d.checkBuckets()
	}
}

// checkBuckets looks whether the table was resized. A pass ends with it; in between it spares reading on in vain.
// A resize that went away and came back between two looks is seen by the watch, and takes longer than that anyway:
// each waits until no processor can see the old table.
func (d *dump) checkBuckets() {
	if d.torn() {
		return
	}
	if why := d.buckets.check(); why != "" {
		d.bad(why)
	}
}

// bad notes why the pass is not to be trusted; the first reason stands, but what is known comes before
// what is not.
func (d *dump) bad(why Inconsistency) {
	if !d.torn() {
		d.why = why
	}
}
