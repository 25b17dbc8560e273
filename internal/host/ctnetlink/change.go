package ctnetlink

import (
	"context"
	"iter"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/flow"
)

// Settable are the parts of a flow that a create or an update may carry; the kernel keeps the others.
const Settable = flow.HasReply | flow.HasStatus | flow.HasTimeout | flow.HasState | flow.HasProtoInfo | flow.HasMark |
	flow.HasZone | flow.HasHelper | flow.HasLabels | flow.HasMaster | flow.HasSeqAdj | flow.HasSynproxy

// ChangeOptions say how to change many flows. The zero value is the default.
type ChangeOptions struct {
	// Batch is how many messages one system call sends; 0 means 100, which wins nearly all there is to
	// win and leaves room for an error for each.
	Batch int
	// Fields are the parts that an update writes; 0 means every settable part that the flow has.
	Fields flow.Fields
	// OnError is called for each flow that the kernel refused to change, with its number in the
	// sequence (from 0), its tuple and zone, and the error.
	OnError func(n uint64, fl *flow.Flow, err error)
}

// ChangeResult counts what was done, exactly.
type ChangeResult struct {
	Sent   uint64
	Done   uint64
	Gone   uint64 // were not in the table (any more)
	Exists uint64 // were in the table already
	Failed uint64 // all other errors
}

// change is one kind of change.
type change struct {
	op    string
	typ   uint16
	flags uint16
	c     *Conn
	o     ChangeOptions
	put   func([]byte, *flow.Flow) []byte
	fl    flow.Flow // for OnError
	res   ChangeResult
}

// Create adds flows to the table. Each needs both tuples, a timeout, and [flow.Confirmed] in its status.
func (c *Conn) Create(ctx context.Context, flows iter.Seq[*flow.Flow], o ChangeOptions) (ChangeResult, error) {
	return c.change(ctx, &change{op: "create", typ: msgNew, flags: unix.NLM_F_CREATE | unix.NLM_F_EXCL, o: o, put: func(b []byte, fl *flow.Flow) []byte {
		return appendFlow(b, fl, Settable)
	}}, flows)
}

// Update writes parts of flows that exist, found by their original tuple and zone.
func (c *Conn) Update(ctx context.Context, flows iter.Seq[*flow.Flow], o ChangeOptions) (ChangeResult, error) {
	fields := o.Fields & Settable
	if o.Fields == 0 {
		fields = Settable
	}
	return c.change(ctx, &change{op: "update", typ: msgNew, o: o, put: func(b []byte, fl *flow.Flow) []byte {
		return appendFlow(b, fl, fields&^flow.HasReply|flow.HasZone)
	}}, flows)
}

// Delete removes flows, found by their original tuple, zone and, where known, identity: an entry that
// took another's place since it was read is left alone.
func (c *Conn) Delete(ctx context.Context, flows iter.Seq[*flow.Flow], o ChangeOptions) (ChangeResult, error) {
	return c.change(ctx, &change{op: "delete", typ: msgDelete, o: o, put: func(b []byte, fl *flow.Flow) []byte {
		return appendFlow(b, fl, flow.HasZone|flow.HasID)
	}}, flows)
}

func (c *Conn) change(ctx context.Context, ch *change, flows iter.Seq[*flow.Flow]) (ChangeResult, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sock == nil {
		return ChangeResult{}, ErrClosed
	}
	ch.c = c
	if ch.o.Batch <= 0 {
		ch.o.Batch = 100
	}
	c.dec.want = flow.HasZone | flow.HasID | flow.HasReply
	b, first, pending := c.out[:0], c.seq+1, 0
	for fl := range flows {
		if err := ctx.Err(); err != nil {
			return ch.res, err
		}
		c.seq++
		start := len(b)
		b = begin(b, subsysCT|ch.typ, unix.NLM_F_REQUEST|ch.flags, c.seq, uint8(fl.Family), 0)
		b = finish(ch.put(b, fl), start)
		if pending++; pending < ch.o.Batch {
			continue
		}
		if err := ch.flush(b, first, pending); err != nil {
			return ch.res, err
		}
		b, first, pending = b[:0], c.seq+1, 0
	}
	c.out = b
	if pending > 0 {
		return ch.res, ch.flush(b, first, pending)
	}
	return ch.res, nil
}

// flush sends a batch. The kernel works off all of it before the call returns, so that the errors, and
// nothing else, then wait to be read.
func (ch *change) flush(b []byte, first uint32, n int) error {
	if err := ch.c.sock.send(b); err != nil {
		return &Error{Op: ch.op, Errno: errnoOf(err)}
	}
	base := ch.res.Sent
	ch.res.Sent += uint64(n)
	failed := uint64(0)
	for {
		got, err := ch.c.sock.tryRecv(ch.c.buf)
		if err == unix.EAGAIN {
			break
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &Error{Op: ch.op, Errno: errnoOf(err)}
		}
		failed += ch.answers(ch.c.buf[:got], b, first, base)
	}
	ch.res.Done += uint64(n) - failed
	return nil
}

// answers counts the errors in one buffer and matches each to its message in the batch.
func (ch *change) answers(in, batch []byte, first uint32, base uint64) (failed uint64) {
	for len(in) >= headerLen {
		h := parseHeader(in)
		if h.len < headerLen || h.len > len(in) {
			return failed
		}
		msg := in[:h.len]
		in = in[min(align4(h.len), len(in)):]
		err := answerError(ch.op, msg)
		if h.typ != unix.NLMSG_ERROR || err == nil || h.seq-first >= uint32(ch.o.Batch) {
			continue
		}
		failed++
		ch.count(err)
		if ch.o.OnError != nil {
			ch.tell(batch, h.seq, base+uint64(h.seq-first), err)
		}
	}
	return failed
}

func (ch *change) count(err error) {
	switch errnoOf(err) {
	case unix.ENOENT:
		ch.res.Gone++
	case unix.EEXIST:
		ch.res.Exists++
	default:
		ch.res.Failed++
	}
}

// tell finds the message with a sequence number in the batch and reports its flow.
func (ch *change) tell(batch []byte, seq uint32, n uint64, err error) {
	for len(batch) >= headerLen {
		h := parseHeader(batch)
		if h.seq == seq {
			if ch.c.dec.decode(batch[bodyStart:h.len], batch[headerLen], &ch.fl) == nil {
				ch.o.OnError(n, &ch.fl, err)
			}
			return
		}
		batch = batch[align4(h.len):]
	}
}
