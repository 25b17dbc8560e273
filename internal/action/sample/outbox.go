package sample

import (
	"io"
	"sync"
)

// outbox holds what was printed until its reader takes it. Who appends events never waits for that
// reader: what does not fit is refused, for the caller to count.
type outbox struct {
	mu      sync.Mutex
	changed sync.Cond
	limit   int
	buf     []byte
	events  uint64 // in buf
	written uint64 // events that were written
	closed  bool
	err     error
}

func newOutbox(limit int) *outbox {
	o := &outbox{limit: limit}
	o.changed.L = &o.mu
	return o
}

// offer appends one event with print and reports whether there was room.
func (o *outbox) offer(print func([]byte) []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.buf) >= o.limit || o.err != nil {
		return false
	}
	o.take(print)
	o.events++
	return true
}

// put appends what must not be lost, and waits for room up to the end.
func (o *outbox) put(print func([]byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) >= o.limit/2 && !o.closed && o.err == nil {
		o.changed.Wait()
	}
	if o.err == nil && len(o.buf) < o.limit {
		o.take(print)
	}
}

func (o *outbox) take(print func([]byte) []byte) {
	if len(o.buf) == 0 {
		o.changed.Broadcast()
	}
	o.buf = print(o.buf)
}

// roomy reports whether the reader keeps up.
func (o *outbox) roomy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.buf) < o.limit/2
}

// close lets write return when all was written.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
}

// write hands everything to w until close.
func (o *outbox) write(w io.Writer) error {
	var spare []byte
	for {
		full, n, ok := o.next(spare)
		if !ok {
			return nil
		}
		_, err := w.Write(full)
		o.mu.Lock()
		if err != nil {
			o.err = err
		} else {
			o.written += n
		}
		o.changed.Broadcast()
		o.mu.Unlock()
		if err != nil {
			return err
		}
		spare = full[:0]
	}
}

// next takes all that waits, and leaves an empty buffer.
func (o *outbox) next(spare []byte) (full []byte, events uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) == 0 && !o.closed {
		o.changed.Wait()
	}
	if len(o.buf) == 0 {
		return nil, 0, false
	}
	full, events = o.buf, o.events
	o.buf, o.events = spare, 0
	o.changed.Broadcast()
	return full, events, true
}

// done is how many events were written so far.
func (o *outbox) done() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written
}
