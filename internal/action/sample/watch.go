package sample

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// Printer writes what a watch sees. Its methods append to b and return it.
type Printer interface {
	// Event is a flow that came, changed or went. origin is the netlink port of the program that did
	// it, 0 for packets and timers.
	Event(b []byte, kind ctnetlink.EventKind, fl *flow.Flow, origin uint32) []byte
	Expect(b []byte, kind ctnetlink.EventKind, e *flow.Expectation) []byte
	// Lost begins a resynchronisation: what was shown before is no longer true.
	Lost(b []byte, counts Counts) []byte
	// Sync is a flow of the table as it is now.
	Sync(b []byte, fl *flow.Flow) []byte
	// Synced ends it: what is shown is true again, when consistent.
	Synced(b []byte, flows uint64, consistent bool) []byte
}

// Counts account for every event.
type Counts struct {
	Seen     uint64 `json:"seen"`     // received from the kernel
	Lost     uint64 `json:"lost"`     // dropped by the kernel: the socket's buffer was full
	Filtered uint64 `json:"filtered"` // not selected
	Slow     uint64 `json:"slow"`     // not written, because whoever reads the output is slow
	Written  uint64 `json:"written"`
	// Synced is how often the table was read after a loss; Stale that a loss came after the last time.
	Synced uint64 `json:"synced"`
	Stale  bool   `json:"stale"`
	// Stuck: whoever reads the output took nothing more at the end.
	Stuck bool `json:"-"`
}

// WatchOptions say what to follow.
type WatchOptions struct {
	Kinds  ctnetlink.EventKind
	Filter filter.Filter
	Idle   filter.Idle // for filters that ask how long a flow has been idle
	// Buffer is the bytes of events that the kernel may hold; 0 leaves the system's default.
	Buffer int
	// For ends the watch; 0: the context does.
	For time.Duration
	// NoSync leaves the table unread after a loss.
	NoSync bool
	// Queue is how many bytes of output wait for a slow reader; 0 means 4 MiB.
	Queue int
	// Ready is called when the events are listened for.
	Ready func()
}

// drain is how long a slow reader has at the end to take what was printed.
const drain = 2 * time.Second

// watch is one run.
type watch struct {
	o        WatchOptions
	p        Printer
	f        *ctnetlink.Follower
	conn     *ctnetlink.Conn
	box      *outbox
	sync     *syncer
	filtered atomic.Uint64
	slow     atomic.Uint64
}

// Watch follows the events of the calling thread's network namespace and writes them to out, until the
// context or the time ends, which is no error. Reading from the kernel never waits for out.
func Watch(ctx context.Context, o WatchOptions, p Printer, out io.Writer) (Counts, error) {
	if o.Queue <= 0 {
		o.Queue = 4 << 20
	}
	w := &watch{o: o, p: p, box: newOutbox(o.Queue)}
	var err error
	if w.conn, err = ctnetlink.Dial(ctnetlink.Options{}); err != nil {
		return Counts{}, err
	}
	defer func() { _ = w.conn.Close() }()
	w.sync = newSyncer(w)
	w.f, err = ctnetlink.Follow(ctnetlink.FollowOptions{
		Kinds: o.Kinds, Buffer: o.Buffer, Lost: func(uint64) { w.sync.want() }, Expect: w.expect,
	})
	if err != nil {
		return Counts{}, err
	}
	if o.Ready != nil {
		o.Ready()
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	return w.run(ctx, out)
}

func (w *watch) run(ctx context.Context, out io.Writer) (Counts, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	written := make(chan error, 1)
	go func() {
		err := w.box.write(out)
		if err != nil {
			cancel() // nobody reads any more
		}
		written <- err
	}()
	synced := make(chan error, 1)
	go func() {
		err := w.sync.run(ctx)
		if err != nil {
			cancel()
		}
		synced <- err
	}()
	err := w.f.Run(ctx, w.event)
	cancel()
	w.box.close()
	errs := []error{unlessEnded(err), unlessEnded(<-synced)}
	c := Counts{Seen: w.f.Seen(), Lost: w.f.Lost(), Filtered: w.filtered.Load()}
	errs = append(errs, w.f.Close())
	ok, writeErr := wait(written)
	c.Stuck = !ok
	errs = append(errs, writeErr)
	c.Written = w.box.done()
	c.Slow = c.Seen - c.Filtered - c.Written
	c.Synced, c.Stale = w.sync.result(c)
	return c, errors.Join(errs...)
}

// unlessEnded keeps errors other than that the time is over.
func unlessEnded(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// wait gives a slow reader a last time; what it does not take is counted.
func wait(written <-chan error) (ok bool, err error) {
	select {
	case err := <-written:
		return true, err
	case <-time.After(drain):
		return false, nil
	}
}

// event is called for each event, between two reads from the kernel.
func (w *watch) event(kind ctnetlink.EventKind, fl *flow.Flow) error {
	w.sync.saw(fl.ID)
	if !w.o.Filter.Match(fl, w.o.Idle) {
		w.filtered.Add(1)
		return nil
	}
	w.offer(func(b []byte) []byte { return w.p.Event(b, kind, fl, w.f.Origin()) })
	return nil
}

func (w *watch) expect(kind ctnetlink.EventKind, e *flow.Expectation) error {
	w.offer(func(b []byte) []byte { return w.p.Expect(b, kind, e) })
	return nil
}

func (w *watch) offer(print func([]byte) []byte) {
	if !w.box.offer(print) {
		w.slow.Add(1)
		w.sync.want()
	}
}
