package ctnetlink

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// ErrNotProven says that the running kernel was not seen to keep a filter when it flushes.
var ErrNotProven = errors.New("this kernel is not proven to keep the filter in a flush")

// Proof is a filter that the running kernel was seen to keep in a flush; see [ProveFlush]. The zero value
// proves nothing.
type Proof struct{ parts []kernelFilter }

// Flush deletes, in the kernel and with one message, all flows that a proven filter selects: also those
// that came after the last look at the table. The kernel tells no number.
func (c *Conn) Flush(ctx context.Context, p Proof) error {
	if len(p.parts) == 0 {
		return ErrNotProven
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range p.parts {
		if err := c.flushOne(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) flushOne(ctx context.Context, k kernelFilter) error {
	return c.ask(ctx, "flush", subsysCT|msgDelete, unix.NLM_F_ACK, uint8(k.family), k.version(), k.append,
		func(header, []byte) error { return nil })
}

// Flushable reports whether a filter can be tried as a flush: it asks for marks, a zone, being answered or
// assured, a family or a protocol, and for nothing else.
func Flushable(f filter.Filter) bool { return len(flushParts(f)) > 0 }

// flushParts are the messages that flush what a filter selects; none when it cannot be said in messages. The
// kernel looks at a protocol only within a family, so that one alone takes a message for each.
func flushParts(f filter.Filter) []kernelFilter {
	e := f.Exact()
	switch {
	case f.All(), !e.Whole, e.Src != nil, e.Dst != nil, e.SPort != nil, e.DPort != nil,
		e.Mark != nil && e.MarkMask == 0, e.StatusMask&^(flow.SeenReply|flow.Assured) != 0:
		return nil
	}
	if e.Proto == nil || e.Family != nil {
		if k := kernelPart(f); k.active() {
			return []kernelFilter{k}
		}
		return nil
	}
	var parts []kernelFilter
	for _, family := range [...]flow.Family{flow.IPv4, flow.IPv6} {
		parts = append(parts, kernelFilter{family: family, exact: e, tuple: flow.Tuple{Proto: *e.Proto}, compare: cmpProto})
	}
	return parts
}

// ProveFlush tries a filter as a flush in a network namespace of its own, which is thrown away, on sample
// flows that keep all that the filter asks for and on others that miss one thing each. Only when exactly the
// first are gone the kernel keeps the filter. It needs the right to make namespaces.
func ProveFlush(ctx context.Context, f filter.Filter) (Proof, error) {
	parts := flushParts(f)
	if len(parts) == 0 {
		return Proof{}, ErrNotProven
	}
	err := apart(func() error { return tryFlush(ctx, f, parts) })
	if err != nil {
		return Proof{}, fmt.Errorf("%w: %w", ErrNotProven, err)
	}
	return Proof{parts}, nil
}

// tryFlush fills the calling thread's namespace with samples, flushes, and looks at what is left. Each sample is
// looked up by itself: a dump would walk the machine's whole hash table.
func tryFlush(ctx context.Context, f filter.Filter, parts []kernelFilter) (err error) {
	c, err := Dial(Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	samples := samplesOf(f.Exact())
	res, err := c.Create(ctx, samples, ChangeOptions{})
	if err != nil {
		return err
	}
	if res.Done != res.Sent {
		return fmt.Errorf("%d of %d samples could not be made", res.Sent-res.Done, res.Sent)
	}
	var before []flow.Flow
	for sample := range samples {
		fl, there, err := c.lookup(ctx, sample)
		if err != nil || !there {
			return errors.Join(fmt.Errorf("sample %v is not there", sample.Orig), err)
		}
		before = append(before, fl)
	}
	if err := telling(f, before); err != nil {
		return err
	}
	if err := c.Flush(ctx, Proof{parts}); err != nil {
		return err
	}
	for i := range before {
		_, there, err := c.lookup(ctx, &before[i])
		if err != nil {
			return err
		}
		if there == f.Match(&before[i], nil) {
			return fmt.Errorf("a flush by %q was wrong about %v", f, before[i].Orig)
		}
	}
	return nil
}

// lookup asks for the flow with a tuple and zone.
func (c *Conn) lookup(ctx context.Context, fl *flow.Flow) (found flow.Flow, there bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dec.want = flow.AllFields
	// The answer says that more follow and none does; the acknowledgement that is asked for ends it.
	err = c.ask(ctx, "look up", subsysCT|msgGet, unix.NLM_F_ACK, uint8(fl.Family), 0,
		func(b []byte) []byte { return appendFlow(b, fl, flow.HasZone) },
		func(h header, msg []byte) error {
			if len(msg) < bodyStart {
				return &DecodeError{What: "message without a body"}
			}
			there = true
			return c.dec.decode(msg[bodyStart:], msg[headerLen], &found)
		})
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return found, there, err
}
