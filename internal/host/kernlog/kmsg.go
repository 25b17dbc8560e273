package kernlog

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/snapshot"
)

// maxRecord is the longest record that /dev/kmsg gives (CONSOLE_EXT_LOG_MAX).
const maxRecord = 8192

// readKmsg sums the kernel's own ring buffer. A reader that is overtaken loses records (EPIPE) and goes on.
func readKmsg(ctx context.Context, sum *Summary) error {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: "/dev/kmsg", Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	c := sum.cursor("/dev/kmsg", sum.opts.Now)
	c.boot = true
	k := ring{cursor: c, info: snapshot.LogSource{Name: "/dev/kmsg"}}
	buf := make([]byte, maxRecord)
	for ctx.Err() == nil {
		n, err := unix.Read(fd, buf)
		switch {
		case err == nil && n > 0:
			k.record(buf[:n])
			continue
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR):
			continue
		case err != nil && !errors.Is(err, unix.EAGAIN):
			return &fs.PathError{Op: "read", Path: "/dev/kmsg", Err: err}
		}
		break
	}
	sum.sources = append(sum.sources, k.info)
	sum.current = sum.current || ctx.Err() == nil
	return ctx.Err()
}

// ring is the reading of /dev/kmsg, a record at a time.
type ring struct {
	cursor *cursor
	info   snapshot.LogSource
}

// record sums one record: a line, then lines of its dictionary, which start with a blank.
func (k *ring) record(b []byte) {
	line := b
	for i, c := range b {
		if c == '\n' {
			line = b[:i]
			break
		}
	}
	k.info.Lines++
	if p := (stripped{rest: toText(string(line))}); p.rest != "" && p.cutKmsg() {
		if t, ok := p.stamp.Resolve(nil, k.cursor.ref, k.cursor.sum.opts.Booted); ok {
			if k.info.First.IsZero() {
				k.info.First = t
			}
			k.info.Last = t
		}
	}
	if l, ok := Parse(line); ok {
		k.cursor.add(l, toText(string(line)))
		return
	}
	k.cursor.other()
}
