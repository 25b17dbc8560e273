package ctnetlink

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Errors to test for with errors.Is; the kernel's own errno answers too.
var (
	// ErrPermission: CAP_NET_ADMIN in the namespace is missing.
	ErrPermission = errors.New("needs CAP_NET_ADMIN in this network namespace")
	// ErrUnsupported: this kernel lacks ctnetlink, or what was asked of it.
	ErrUnsupported = errors.New("not supported by this kernel")
	// ErrLost: the kernel had more for this socket than fitted; what was lost is gone.
	ErrLost = errors.New("the kernel dropped messages: the socket's buffer was full")
	// ErrFull: the table is full and the kernel refused a new flow.
	ErrFull = errors.New("the table is full")
	// ErrClosed: the connection was closed.
	ErrClosed = errors.New("connection closed")
)

// Error is an answer of the kernel that is an error.
type Error struct {
	Op    string // what was asked: "dump", "create", …
	Errno unix.Errno
}

// Error says what failed and the kernel's errno.
func (e *Error) Error() string { return fmt.Sprintf("ctnetlink %s: %v", e.Op, e.Errno) }

// Unwrap gives the kernel's errno.
func (e *Error) Unwrap() error { return e.Errno }

// Is maps errno to this package's errors.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrPermission:
		return e.Errno == unix.EPERM || e.Errno == unix.EACCES
	case ErrUnsupported:
		return e.Errno == unix.EOPNOTSUPP || e.Errno == unix.EPROTONOSUPPORT || e.Errno == unix.EAFNOSUPPORT
	case ErrLost:
		return e.Errno == unix.ENOBUFS
	case ErrFull:
		return e.Errno == unix.ENOMEM && e.Op == "create"
	}
	return false
}

// DecodeError is a message that does not hold what it says it holds.
type DecodeError struct {
	Offset int // in the message, where the bad attribute starts
	What   string
}

// Error names the place and what is wrong there.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode ctnetlink message: offset %d: %s", e.Offset, e.What)
}
