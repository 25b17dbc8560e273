package sample

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/kernlog"
	"ctkeeper/internal/host/netns"
)

// LiveHost is the running host. Namespaces are entered for each reading: a socket kept open in one would
// keep it alive after its container is gone.
type LiveHost struct {
	fs      hostfs.FS
	tail    *kernlog.Tail
	outside func(func())
}

// NewHost opens the running host. A kernel log that cannot be read is the returned error's; the host is good
// without it. outside calls a function on a thread that may look at other processes' namespaces, see
// host/confine.
func NewHost(outside func(func())) (*LiveHost, error) {
	tail, err := kernlog.OpenTail()
	return &LiveHost{tail: tail, outside: outside}, err
}

// Close ends the reading of the log.
func (h *LiveHost) Close() error {
	if h.tail == nil {
		return nil
	}
	return h.tail.Close()
}

// Namespaces finds them.
func (h *LiveHost) Namespaces(ctx context.Context) []netns.Namespace {
	var all []netns.Namespace
	h.outside(func() { all, _ = netns.Find(ctx, h.fs) })
	if len(all) == 0 {
		all = []netns.Namespace{{Name: "host", Present: true}}
	}
	return all
}

// inside runs fn in the namespace, and makes sure that it is still the one that was found.
func (h *LiveHost) inside(ns netns.Namespace, fn func() error) error {
	if ns.Present {
		return fn()
	}
	entered := false
	err := netns.DoFrom(h.outside, ns.Path, func() error {
		link, err := os.Readlink("/proc/thread-self/ns/net")
		if err == nil && ns.Inode != 0 && link != fmt.Sprintf("net:[%d]", ns.Inode) {
			err = fmt.Errorf("another is at %s", ns.Path)
		}
		if err != nil {
			return err
		}
		entered = true
		return fn()
	})
	if err != nil && !entered && !errors.Is(err, os.ErrPermission) {
		return GoneError{err}
	}
	return err
}

// Read looks at a namespace's counters.
func (h *LiveHost) Read(ctx context.Context, ns netns.Namespace, withSettings bool) (r Reading, err error) {
	err = h.inside(ns, func() (err error) {
		conn, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		st, err := conn.Stats(ctx)
		if err != nil {
			return err
		}
		if st.Count != nil {
			r.Count = int64(*st.Count)
		}
		cpus, err := conn.CPUStats(ctx)
		if err != nil {
			return err
		}
		r.Counters = ctnetlink.Sum(cpus)
		if r.Max, r.Initial, err = h.setting("max"); err != nil {
			return err
		}
		r.Buckets, _, _ = h.setting("buckets")
		if withSettings {
			r.Settings = map[string]int64{}
			for _, name := range settingNames() {
				if v, _, err := h.setting(name); err == nil {
					r.Settings[name] = v
				}
			}
		}
		return nil
	})
	return r, err
}

// setting reads a sysctl of the namespace that the thread stands in; writable tells the machine's first.
func (h *LiveHost) setting(name string) (v int64, writable bool, err error) {
	s, _ := settings.Lookup(name)
	err = os.ErrNotExist
	for _, key := range s.Keys {
		var data []byte
		if data, err = h.fs.ReadFile(key.Path(), 64); err != nil {
			continue
		}
		info, statErr := h.fs.Stat(key.Path())
		writable = statErr == nil && info.Mode().Perm()&0o222 != 0
		v, err = strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		return v, writable, err
	}
	return 0, false, err
}

// Table reads and ranks a namespace's table and counts its expectations.
func (h *LiveHost) Table(ctx context.Context, ns netns.Namespace, t *rank.Timeouts, see func(*flow.Flow)) (flows snapshot.Flows, expectations *int64, err error) {
	r := rank.New(rank.Options{Timeouts: t, Limit: tableKeys})
	err = h.inside(ns, func() (err error) {
		conn, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		result, err := conn.Dump(ctx, ctnetlink.DumpOptions{Fields: rank.Fields, Restart: r.Reset}, func(fl *flow.Flow) error {
			if r.Add(fl); see != nil {
				see(fl)
			}
			return nil
		})
		if err != nil {
			return err
		}
		flows = snapshot.Flows{Source: "ctnetlink", Consistent: result.Consistent, Summary: r.Summary()}
		n := int64(0)
		if err := conn.Expectations(ctx, func(*flow.Expectation) error { n++; return nil }); err == nil {
			expectations = &n
		}
		return nil
	})
	return flows, expectations, err
}

// Flows reads a namespace's table.
func (h *LiveHost) Flows(ctx context.Context, ns netns.Namespace, o ctnetlink.DumpOptions, fn func(*flow.Flow) error) (whole bool, err error) {
	err = h.inside(ns, func() (err error) {
		conn, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		result, err := conn.Dump(ctx, o, fn)
		whole = result.Consistent
		return err
	})
	return whole, err
}

// tableKeys bounds a ranking's memory: six keys of 40 bytes each.
const tableKeys = 8192

// CPU is the process's user and system time.
func (h *LiveHost) CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Resident is the process's memory, from /proc/self/statm.
func (h *LiveHost) Resident() uint64 {
	data, err := h.fs.ReadFile("/proc/self/statm", 256)
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

// OpenFiles counts this process's descriptors.
func (h *LiveHost) OpenFiles() int {
	names, _ := h.fs.List("/proc/self/fd") // 0 where /proc is not there
	return len(names)
}

// Log tells the kernel's new messages.
func (h *LiveHost) Log(fn func(kind snapshot.LogKind, inode uint64)) (lost uint64) {
	if h.tail == nil {
		return 0
	}
	lost, err := h.tail.New(func(l kernlog.Line) { fn(l.Kind, l.NetnsInode) })
	if err != nil {
		lost++
	}
	return lost
}
