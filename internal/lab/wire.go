package lab

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// etherHeader is the length of a frame's header.
const etherHeader = 14

// burst is how many frames one system call sends.
const burst = 256

// Wire sends raw packets out of one end of a veth pair to the other; sources and destinations are
// whatever the packets say.
type Wire struct {
	fd     int
	header [2][etherHeader]byte // IPv4, IPv6
	msgs   []mmsghdr
	iovs   []unix.Iovec
}

type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// NewWire opens a wire for a test.
func NewWire(t TB, from, to *End) *Wire {
	t.Helper()
	w, err := OpenWire(from, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// OpenWire opens a raw socket on the end from, whose packets arrive at the end to.
func OpenWire(from, to *End) (*Wire, error) {
	w := &Wire{fd: -1}
	err := from.NS.Run(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Ifindex: from.Index})
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a raw socket on %s: %w", from.Name, err), w.Close())
	}
	for i, kind := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		copy(w.header[i][:], to.MAC[:])
		copy(w.header[i][6:], from.MAC[:])
		w.header[i][12], w.header[i][13] = byte(kind>>8), byte(kind)
	}
	w.msgs = make([]mmsghdr, burst)
	w.iovs = make([]unix.Iovec, 2*burst)
	return w, nil
}

// Send sends IP packets, in order, and returns how many left.
func (w *Wire) Send(packets ...[]byte) (int, error) {
	sent := 0
	for sent < len(packets) {
		n, err := w.sendBurst(packets[sent:min(len(packets), sent+burst)])
		sent += n
		if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
			return sent, fmt.Errorf("send packet %d: %w", sent, err)
		}
	}
	return sent, nil
}

func (w *Wire) sendBurst(packets [][]byte) (int, error) {
	for i, p := range packets {
		if len(p) == 0 {
			return 0, unix.EINVAL
		}
		head := &w.header[0]
		if p[0]>>4 == 6 {
			head = &w.header[1]
		}
		iov := w.iovs[2*i : 2*i+2]
		iov[0].Base, iov[1].Base = &head[0], &p[0]
		iov[0].SetLen(etherHeader)
		iov[1].SetLen(len(p))
		w.msgs[i].hdr.Iov = &iov[0]
		w.msgs[i].hdr.SetIovlen(2)
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(w.fd), uintptr(unsafe.Pointer(&w.msgs[0])), uintptr(len(packets)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Close closes the wire.
func (w *Wire) Close() error {
	if w.fd < 0 {
		return nil
	}
	fd := w.fd
	w.fd = -1
	return unix.Close(fd)
}
