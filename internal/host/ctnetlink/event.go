package ctnetlink

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
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
}

// Follower receives a namespace's events. While one is open anywhere, the kernel keeps event data for
// each new flow of every namespace whose events setting is 2, so close it when done.
type Follower struct {
	sock *socket
	o    FollowOptions
	buf  []byte
	dec  decoder
	fl   flow.Flow
	base uint64 // drops when the follower was opened
	seen atomic.Uint64
	mu   sync.Mutex // of lost
	lost uint64
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
	return f, nil
}

func (f *Follower) subscribe() error {
	if n := f.o.Buffer; n > 0 && unix.SetsockoptInt(f.sock.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n) != nil {
		if err := unix.SetsockoptInt(f.sock.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n); err != nil {
			return &Error{Op: "set buffer", Errno: errnoOf(err)}
		}
	}
	groups := [...]int{unix.NFNLGRP_CONNTRACK_NEW, unix.NFNLGRP_CONNTRACK_UPDATE, unix.NFNLGRP_CONNTRACK_DESTROY}
	for i, group := range groups {
		if f.o.Kinds&(1<<i) == 0 {
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

// Run calls fn for each event until the context ends or fn returns an error; the flow is only good until
// fn returns. Loss is counted and told, and does not end it. fn should be quick: what does not fit in the
// kernel's buffer meanwhile is lost, and counted.
func (f *Follower) Run(ctx context.Context, fn func(EventKind, *flow.Flow) error) error {
	for {
		n, err := f.sock.recv(ctx, f.buf)
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

func (f *Follower) events(b []byte, fn func(EventKind, *flow.Flow) error) error {
	for len(b) >= bodyStart {
		h := parseHeader(b)
		if h.len < bodyStart || h.len > len(b) {
			return &DecodeError{What: "message length"}
		}
		msg := b[:h.len]
		b = b[min(align4(h.len), len(b)):]
		kind := EventUpdate
		switch {
		case h.typ == subsysCT|msgDelete:
			kind = EventDestroy
		case h.typ != subsysCT: // msgNew is 0
			continue
		case h.flags&(unix.NLM_F_CREATE|unix.NLM_F_EXCL) != 0:
			kind = EventNew
		}
		if err := f.dec.decode(msg[bodyStart:], msg[headerLen], &f.fl); err != nil {
			return err
		}
		f.seen.Add(1)
		if err := fn(kind, &f.fl); err != nil {
			return err
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
