package kernlog

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Tail is the kernel's ring buffer from when it was opened on, for whoever asks now and then.
type Tail struct {
	fd  int
	buf []byte
}

// OpenTail begins at the buffer's end: what was logged before is not told.
func OpenTail() (*Tail, error) {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/dev/kmsg", Err: err}
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		_ = unix.Close(fd)
		return nil, &fs.PathError{Op: "seek", Path: "/dev/kmsg", Err: err}
	}
	return &Tail{fd: fd, buf: make([]byte, maxRecord)}, nil
}

// maxBurst bounds what one call of New reads: a storm goes on in the next.
const maxBurst = 10000

// New calls fn with every known message since the last call. It reports how often the reader was overtaken:
// each time, an unknown number of records was lost.
func (t *Tail) New(fn func(Line)) (overtaken uint64, err error) {
	for range maxBurst {
		n, err := unix.Read(t.fd, t.buf)
		switch {
		case err == nil && n > 0:
			if l, ok := Parse(firstLine(t.buf[:n])); ok {
				fn(l)
			}
		case errors.Is(err, unix.EPIPE):
			overtaken++
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), err == nil:
			return overtaken, nil
		default:
			return overtaken, &fs.PathError{Op: "read", Path: "/dev/kmsg", Err: err}
		}
	}
	return overtaken, nil
}

// Close ends the reading.
func (t *Tail) Close() error { return unix.Close(t.fd) }

// firstLine cuts the dictionary that follows a record's message.
func firstLine(b []byte) []byte {
	for i, c := range b {
		if c == '\n' {
			return b[:i]
		}
	}
	return b
}
