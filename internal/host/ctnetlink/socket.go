package ctnetlink

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one netlink socket with the descriptor that wakes its reader when a context ends.
type socket struct {
	fd   int
	wake int // eventfd
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, &Error{Op: "open socket", Errno: errnoOf(err)}
	}
	s := &socket{fd: fd, wake: -1}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		s.close()
		return nil, &Error{Op: "bind socket", Errno: errnoOf(err)}
	}
	// Error answers then hold the header of what they answer, not all of it. Kernels before 4.2 lack it.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if s.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		s.close()
		return nil, &Error{Op: "open eventfd", Errno: errnoOf(err)}
	}
	return s, nil
}

func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EIO
}

func (s *socket) close() {
	_ = unix.Close(s.fd)
	if s.wake >= 0 {
		_ = unix.Close(s.wake)
	}
}

// send hands messages to the kernel, which works them off before it returns.
func (s *socket) send(b []byte) error {
	for {
		err := unix.Sendto(s.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		if err != unix.EINTR {
			return err
		}
	}
}

// tryRecv reads what is there. It is a raw system call that never blocks: the runtime's hand-over of the
// processor, which an ordinary one costs, is a tenth of a dump's time.
func (s *socket) tryRecv(buf []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	if int(n) > len(buf) {
		return 0, unix.EMSGSIZE
	}
	return int(n), nil
}

// recv waits for messages until the context ends.
func (s *socket) recv(ctx context.Context, buf []byte) (int, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := s.tryRecv(buf)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			if err := s.wait(ctx); err != nil {
				return 0, err
			}
		default:
			return 0, err
		}
	}
}

// wait sleeps until something can be read or the context ends.
func (s *socket) wait(ctx context.Context) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		one := [8]byte{1, 1}
		_, _ = unix.Write(s.wake, one[:])
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken // the descriptor must not be written to once it is somebody else's
			var sink [8]byte
			_, _ = unix.Read(s.wake, sink[:])
		}
	}()
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(s.wake), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(fds, -1)
		if err != unix.EINTR {
			return err
		}
	}
}

// reopen replaces a socket in whose middle a dump was left: the rest of the dump goes with it. The new
// one is in the same network namespace, wherever the calling thread is.
func (s *socket) reopen() (*socket, error) {
	ns, err := unix.IoctlRetInt(s.fd, unix.SIOCGSKNS)
	if err != nil {
		return nil, fmt.Errorf("find the socket's namespace: %w", err)
	}
	defer func() { _ = unix.Close(ns) }()
	if sameNamespace(ns) {
		return openSocket()
	}
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("enter the socket's namespace: %w", err)
	}
	fresh, err := openSocket()
	if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread() // else the thread ends with this goroutine
	}
	return fresh, err
}

func sameNamespace(ns int) bool {
	var here, there unix.Stat_t
	return unix.Stat("/proc/thread-self/ns/net", &here) == nil && unix.Fstat(ns, &there) == nil &&
		here.Ino == there.Ino && here.Dev == there.Dev
}
