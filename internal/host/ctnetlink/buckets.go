package ctnetlink

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The machine's number of buckets is shown, and set, in two places; kernels before 4.9 have only the second.
const (
	bucketsFile = "/proc/sys/net/netfilter/nf_conntrack_buckets"
	hashsize    = "/sys/module/nf_conntrack/parameters/hashsize"
)

// buckets tells whether the table was resized since it was opened: by comparing the number of buckets, and
// by a watch for whoever writes it, which sees a resize that went away and came back too.
type buckets struct {
	now     func() (uint64, error)
	first   uint64
	why     Inconsistency // set when the number could not be read
	fd      int           // of the number's file; -1: now is the caller's own
	inotify int           // -1: not watched
}

// openBuckets notes the present number. read replaces the kernel's file, and is not watched.
func openBuckets(read func() (uint64, error)) *buckets {
	b := &buckets{now: read, fd: -1, inotify: -1}
	var err error
	if read == nil {
		b.now = b.read
		b.inotify = watchBuckets()
		b.fd, err = openFirst(bucketsFile, hashsize)
	}
	if err == nil {
		b.first, err = b.now()
	}
	if err != nil {
		b.why = BucketsUnknown
	}
	return b
}

func openFirst(paths ...string) (int, error) {
	var errs []error
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		errs = append(errs, fmt.Errorf("open %s: %w", path, err))
	}
	return -1, errors.Join(errs...)
}

// watchBuckets watches the two files, as the process's own network namespace shows them: the calling
// thread may be in another, whose file nobody can write. It returns -1 where that cannot be had.
func watchBuckets() int {
	fd := make(chan int)
	go func() { // on a thread that has not left that namespace
		in, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			fd <- -1
			return
		}
		for _, path := range []string{bucketsFile, hashsize} {
			_, _ = unix.InotifyAddWatch(in, path, unix.IN_MODIFY)
		}
		fd <- in
	}()
	return <-fd
}

func (b *buckets) read() (uint64, error) {
	var text [32]byte
	n, err := unix.Pread(b.fd, text[:], 0)
	if err != nil {
		return 0, fmt.Errorf("read the number of buckets: %w", err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(text[:n])), 10, 64)
}

// check says what is wrong by now, or "". The number comes first: a change that it no longer shows was
// taken back, and the write that made it is known by then.
func (b *buckets) check() Inconsistency {
	if b.why == BucketsUnknown {
		return b.why
	}
	now, err := b.now()
	switch {
	case err != nil:
		return BucketsUnknown
	case now != b.first:
		return Resized
	case b.written():
		return BucketsWritten
	}
	return ""
}

// written reports whether somebody wrote one of the files.
func (b *buckets) written() bool {
	if b.inotify < 0 {
		return false
	}
	var event [256]byte
	n, err := unix.Read(b.inotify, event[:])
	return err == nil && n > 0
}

func (b *buckets) close() {
	for _, fd := range []int{b.fd, b.inotify} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
