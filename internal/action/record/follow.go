package record

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// follow records by events. A loss is followed by a reading of the table.
func (r *recorder) follow(ctx context.Context) (err error) {
	again := make(chan struct{}, 1)
	f, err := ctnetlink.Follow(ctnetlink.FollowOptions{Buffer: r.o.Buffer, Lost: func(uint64) {
		select {
		case again <- struct{}{}:
		default: // a reading is due already
		}
	}})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.readings(ctx, again) }()
	go r.ticking(ctx)
	again <- struct{}{} // what is there already
	err = f.Run(ctx, func(kind ctnetlink.EventKind, fl *flow.Flow) error {
		r.event(kind, fl, f.Origin())
		return nil
	})
	stop()
	err = errors.Join(unlessEnded(err), unlessEnded(<-ended))
	r.mu.Lock()
	r.count.Lost = f.Lost()
	r.mu.Unlock()
	return errors.Join(err, f.Close())
}

// event takes in one event.
func (r *recorder) event(kind ctnetlink.EventKind, fl *flow.Flow, origin uint32) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Events++
	key := keyOf(fl)
	e := r.open[key]
	if e == nil && !r.share.holds(fl, kind == ctnetlink.EventNew) {
		r.count.Skipped++
		return
	}
	if kind == ctnetlink.EventDestroy {
		r.destroyed(key, e, fl, now, origin)
		return
	}
	if e == nil {
		unsure := time.Duration(0)
		if kind != ctnetlink.EventNew { // its beginning was lost
			unsure = now.Sub(r.since)
		}
		r.add(key, fl, now, unsure)
		return
	}
	e.update(fl, now)
}

// add begins to follow a flow.
func (r *recorder) add(key uint64, fl *flow.Flow, now time.Time, unsure time.Duration) {
	if len(r.open) >= r.o.MaxOpen {
		r.count.Beyond++
		return
	}
	e := newEntry(fl, now, unsure)
	e.round, e.sample = r.round, float32(r.share.of(unsure == 0))
	r.open[key] = e
	r.share.added++
}

// destroyed writes a flow that ended; e is nil when its beginning was lost.
func (r *recorder) destroyed(key uint64, e *entry, fl *flow.Flow, now time.Time, origin uint32) {
	if e == nil {
		e = newEntry(fl, now, now.Sub(r.since))
		e.sample = float32(r.share.of(false))
	}
	delete(r.open, key)
	how := e.ending(now)
	if origin != 0 {
		how = flow.EndDeleted
	}
	rec := e.record(now, 0, how)
	if fl.Has(flow.HasCounters) {
		rec.Counted, rec.OrigCount, rec.ReplyCount = true, fl.OrigCount, fl.ReplyCount
	}
	r.out.put(rec)
}

// readings reads the table whenever something was lost, and once at the beginning.
func (r *recorder) readings(ctx context.Context, again <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
		}
		begin := time.Now()
		if err := r.read(ctx); err != nil {
			return err
		}
		if r.o.Ready != nil {
			r.o.Ready()
			r.o.Ready = nil
		}
		select { // at most a fifth of the time is spent reading
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(4 * time.Since(begin)):
		}
	}
}

// read compares the table with what is followed: flows that are new began since everything was last known,
// flows that are gone ended since then.
func (r *recorder) read(ctx context.Context) error {
	r.mu.Lock()
	r.round++
	round, before := r.round, r.since
	r.mu.Unlock()
	begin := time.Now()
	result, err := r.conn.Dump(ctx, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		r.seen(fl, round, before)
		return nil
	})
	if err != nil {
		return err
	}
	for _, rec := range r.missing(round, begin, before, result.Consistent) {
		r.out.wait(rec)
	}
	return nil
}

// missing takes out the flows that a reading did not see. Of one that is not consistent, what was not seen may
// be there.
func (r *recorder) missing(round uint32, begin, before time.Time, consistent bool) (ended []flow.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Reads++
	if !consistent {
		return nil
	}
	for key, e := range r.open {
		if e.round < round && e.start < begin.UnixNano() {
			ended = append(ended, e.record(begin, begin.Sub(before), e.ending(begin)))
			delete(r.open, key)
		}
	}
	r.since = begin
	return ended
}

// beforeAll is how unsure the start of a flow is that was there when the recording began.
const beforeAll = math.MaxInt32 * time.Millisecond

// seen takes in one flow of a reading.
func (r *recorder) seen(fl *flow.Flow, round uint32, before time.Time) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	key := keyOf(fl)
	e := r.open[key]
	if e == nil && !r.share.holds(fl, false) {
		return
	}
	if e == nil {
		unsure := now.Sub(before)
		if round == 1 {
			unsure = beforeAll
		}
		r.add(key, fl, now, unsure)
		if e = r.open[key]; e == nil {
			return
		}
	} else {
		e.update(fl, now)
	}
	e.round = round
}

// compare records by successive readings of the table.
func (r *recorder) compare(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go r.ticking(ctx)
	tick := time.NewTicker(r.o.Every)
	defer tick.Stop()
	if r.o.Ready != nil {
		r.o.Ready()
	}
	for {
		if err := r.read(ctx); err != nil {
			return unlessEnded(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// notes are what a file says of itself.
func (r *recorder) notes() map[string]string {
	c := r.counts()
	n := map[string]string{"events": strconv.FormatUint(c.Events, 10), "lost": strconv.FormatUint(c.Lost, 10), "beyond": strconv.FormatUint(c.Beyond, 10),
		"unsaved": strconv.FormatUint(c.Unsaved, 10), "method": "events"}
	if r.o.Every > 0 {
		n["method"] = "readings every " + r.o.Every.String()
	}
	n["refused"] = strconv.FormatUint(c.Refused, 10)
	if c.Sample < 1 {
		n["sample"] = strconv.FormatFloat(c.Sample, 'g', -1, 64)
	}
	for k, v := range r.o.Notes {
		n[k] = v
	}
	return n
}
