package ctnetlink

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/flow"
)

// EventKind is what happened to a flow.
type EventKind uint8

// Event kinds; several may be joined to follow them.
const (
	EventNew EventKind = 1 << iota
	EventUpdate
	EventDestroy
	// EventExpect joined to others follows the expectation table too; FollowOptions.Expect gets its events.
	EventExpect

	allEvents = EventNew | EventUpdate | EventDestroy
)

// FollowOptions say which events to follow. The zero value follows all, with all parts of the flows.
type FollowOptions struct {
	Kinds EventKind // 0 means all
	// Fields are the parts of a flow to fill in; 0 means all.
	Fields flow.Fields
	// Buffer is how many bytes of events the kernel may hold for us; 0 leaves the system's default. It
	// is forced beyond net.core.rmem_max where CAP_NET_ADMIN allows. An event is charged about 640.
	Buffer int
	// Lost is called when events were lost, with how many so far in all. What is known of the table is
	// then no longer true: dump it again.
	Lost func(total uint64)
	// Expect is called for each event of the expectation table that EventExpect asks for; the entry is
	// only good until it returns.
	Expect func(EventKind, *flow.Expectation) error
}

// Follower receives a namespace's events. While one is open anywhere, the kernel keeps event data for
// each new flow of every namespace whose events setting is 2, so close it when done.
type Follower struct {
	sock    *socket
	o       FollowOptions
	buf     []byte
	dec     decoder
	fl      flow.Flow
	exp     flow.Expectation
	from    uint32 // who made the event
	held    uint64 // bytes that the kernel holds at most
	base    uint64 // drops when the follower was opened
	seen    atomic.Uint64
	read    atomic.Uint64 // bytes
	dry     atomic.Uint64 // how often nothing waited
	idle    atomic.Bool   // nothing waits
	seenDry uint64        // seen when nothing waited last
	dryAt   time.Time
	mu      sync.Mutex // of lost
	lost    uint64
}

// Follow subscribes to events in the network namespace of the calling thread. Events are held from now
// on: dump after it, and no flow is missed between.
func Follow(o FollowOptions) (*Follower, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	if o.Kinds == 0 {
		o.Kinds = allEvents
	}
	if o.Fields == 0 {
		o.Fields = flow.AllFields
	}
	f := &Follower{sock: s, o: o, buf: make([]byte, bufferSize), dec: decoder{want: o.Fields}}
	if err := f.subscribe(); err != nil {
		s.close()
		return nil, err
	}
	f.base = f.drops()
	held, err := f.Buffer()
	f.held = uint64(max(held, 0))
	return f, err
}

// eventGroups are the kernel's multicast groups, in the order of the kinds.
var eventGroups = [...]int{
	unix.NFNLGRP_CONNTRACK_NEW, unix.NFNLGRP_CONNTRACK_UPDATE, unix.NFNLGRP_CONNTRACK_DESTROY,
	unix.NFNLGRP_CONNTRACK_EXP_NEW, unix.NFNLGRP_CONNTRACK_EXP_UPDATE, unix.NFNLGRP_CONNTRACK_EXP_DESTROY,
}

func (f *Follower) subscribe() error {
	if n := f.o.Buffer; n > 0 && unix.SetsockoptInt(f.sock.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n) != nil {
		if err := unix.SetsockoptInt(f.sock.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n); err != nil {
			return &Error{Op: "set buffer", Errno: errnoOf(err)}
		}
	}
	for i, group := range eventGroups {
		kind := EventKind(1) << min(i, 3) // the last three are the expectation table's
		if f.o.Kinds&kind == 0 {
			continue
		}
		if err := unix.SetsockoptInt(f.sock.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			return &Error{Op: "follow events", Errno: errnoOf(err)}
		}
	}
	return nil
}

// Buffer is how many bytes the kernel really holds; it doubles what is asked for.
func (f *Follower) Buffer() (int, error) {
	return unix.GetsockoptInt(f.sock.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
}

// Seen is how many events were received. It may be asked while Run runs.
func (f *Follower) Seen() uint64 { return f.seen.Load() }

// Lost asks the kernel how many events it dropped since the follower was opened: exactly, unlike ENOBUFS,
// which comes once for many. It may be asked while Run runs.
func (f *Follower) Lost() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The kernel's count has 32 bits and wraps.
	f.lost += uint64(uint32(f.drops()) - uint32(f.base+f.lost))
	return f.lost
}

func (f *Follower) drops() uint64 {
	var info [16]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(f.sock.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size <= 4*unix.SK_MEMINFO_DROPS {
		return 0
	}
	return uint64(info[unix.SK_MEMINFO_DROPS])
}

// Origin is the netlink port of the program that made the event that Run's fn looks at; 0 when packets or
// timers did. It is mostly the program's process id.
func (f *Follower) Origin() uint32 { return f.from }

// Run calls fn for each event until the context ends or fn returns an error; the flow is only good until
// fn returns. Loss is counted and told, and does not end it. fn should be quick: what does not fit in the
// kernel's buffer meanwhile is lost, and counted.
func (f *Follower) Run(ctx context.Context, fn func(EventKind, *flow.Flow) error) error {
	for {
		n, err := f.next(ctx)
		if errors.Is(err, unix.ENOBUFS) {
			if lost := f.Lost(); f.o.Lost != nil {
				f.o.Lost(lost)
			}
			continue
		}
		if err != nil {
			return recvError("follow events", err)
		}
		if err := f.events(f.buf[:n], fn); err != nil {
			return err
		}
	}
}

// When events come fast and the buffer is large, waking for each would cost more than reading it: the
// reader lets some gather.
const (
	gatherTime   = 500 * time.Microsecond
	gatherBuffer = 1 << 20 // at the fastest rates, many times what comes in that time
)

// next waits for messages.
func (f *Follower) next(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.sock.tryRecv(f.buf)
	for err == unix.EINTR {
		n, err = f.sock.tryRecv(f.buf)
	}
	if err == unix.EAGAIN {
		n, err = f.wait(ctx)
	}
	f.read.Add(uint64(n))
	return n, err
}

func (f *Follower) wait(ctx context.Context) (int, error) {
	f.dry.Add(1)
	f.idle.Store(true)
	defer f.idle.Store(false)
	now, seen := time.Now(), f.seen.Load()
	fast := time.Duration(seen-f.seenDry)*gatherTime >= now.Sub(f.dryAt)
	f.seenDry, f.dryAt = seen, now
	if fast && f.held >= gatherBuffer {
		time.Sleep(gatherTime)
	}
	return f.sock.recv(ctx, f.buf)
}

// Position is a place in the stream of events.
type Position struct{ read, dry uint64 }

// Position is how far Run has come. It may be asked while Run runs.
func (f *Follower) Position() Position { return Position{f.read.Load(), f.dry.Load()} }

// Past reports whether Run has passed on all that the kernel held for it when it was at p. What was held
// when a loss was told is older than the loss.
func (f *Follower) Past(p Position) bool {
	return f.idle.Load() || f.dry.Load() > p.dry || f.read.Load() > p.read+f.held
}

func (f *Follower) events(b []byte, fn func(EventKind, *flow.Flow) error) error {
	for len(b) >= bodyStart {
		h := parseHeader(b)
		if h.len < bodyStart || h.len > len(b) {
			return &DecodeError{What: "message length"}
		}
		msg := b[:h.len]
		b = b[min(align4(h.len), len(b)):]
		if err := f.event(h, msg, fn); err != nil {
			return err
		}
	}
	return nil
}

// event decodes one message and passes it on.
func (f *Follower) event(h header, msg []byte, fn func(EventKind, *flow.Flow) error) error {
	kind := EventUpdate
	switch {
	case h.typ&0xff == msgDelete:
		kind = EventDestroy
	case h.typ&0xff != msgNew:
		return nil
	case h.flags&(unix.NLM_F_CREATE|unix.NLM_F_EXCL) != 0:
		kind = EventNew
	}
	f.from = native.Uint32(msg[12:])
	switch h.typ &^ 0xff {
	case subsysCT:
		if err := f.dec.decode(msg[bodyStart:], msg[headerLen], &f.fl); err != nil {
			return err
		}
		f.seen.Add(1)
		return fn(kind, &f.fl)
	case subsysExp:
		if err := f.dec.expectation(msg[bodyStart:], msg[headerLen], &f.exp); err != nil {
			return err
		}
		f.seen.Add(1)
		if f.o.Expect != nil {
			return f.o.Expect(kind, &f.exp)
		}
	}
	return nil
}

// Close ends the subscription; end Run by its context first.
func (f *Follower) Close() error {
	if f.sock == nil {
		return ErrClosed
	}
	f.sock.close()
	f.sock = nil
	return nil
}
