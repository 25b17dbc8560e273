// Package collect fills a snapshot from the other rooms of this floor, live or from a root directory.
// Nobody else does.
//
//	s, err := collect.Live(ctx, collect.Options{})
//	s, err := collect.Root(ctx, "./bundle", collect.Options{})
//
// It judges nothing. What could not be read is in the snapshot's Missing, with what would make it
// readable; an error is returned only when there is no snapshot at all. The count is read before the
// table, because reading the table makes the kernel collect expired flows.
package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/hostfs"
)

// Options say what to collect. The zero value collects everything about the present namespace, with two
// readings a second apart.
type Options struct {
	// Namespaces selects by name, path, process, inode or "all"; "" is the present one, or with
	// Tracking every one that tracks.
	Namespaces string
	Tracking   bool
	// Interval lies between the two counter readings; 0 means a second, less than 0 one reading only.
	Interval time.Duration
	// NoFlows, NoLog and NoLimits leave out the table, the kernel log and the other limits.
	NoFlows, NoLog, NoLimits bool
	// LogTime bounds the reading of the kernel log; 0 means two seconds on a live host, and no bound
	// below a root directory.
	LogTime time.Duration
	// Progress is told how far a log is read: its name, the bytes read and its size, 0 when not known.
	Progress func(log string, done, size int64)
	// Flow is called for every flow while a table is read; the value is only good during the call.
	Flow func(namespace string, f *flow.Flow) error
	// Outside calls a function on a thread that may look at other processes' namespaces, in a process that
	// host/confine has confined; nil: every thread may.
	Outside func(func())
	// Version is ctkeeper's own, written into the snapshot.
	Version string
}

func (o Options) interval() time.Duration {
	if o.Interval == 0 {
		return time.Second
	}
	return o.Interval
}

// logTime is how long the log may be read; 0 is as long as it takes.
func (o Options) logTime(live bool) time.Duration {
	if o.LogTime == 0 && live {
		return 2 * time.Second
	}
	return o.LogTime
}

// collector is one collection in progress.
type collector struct {
	fs  hostfs.FS
	o   Options
	s   snapshot.Snapshot
	now func() time.Time
	// hidden counts files of other users' processes that could not be read.
	hidden int
}

// Live takes a snapshot of this host.
func Live(ctx context.Context, o Options) (snapshot.Snapshot, error) {
	c := &collector{o: o, now: time.Now}
	c.s.Source = snapshot.Source{Live: true, UID: os.Geteuid(), NetAdmin: netAdmin(), Version: o.Version}
	return c.collect(ctx)
}

// Root takes a snapshot of the host whose proc, sys, etc and logs lie below dir. A later copy of proc
// below dir/second, taken as many seconds later as dir/second/after says (10 when it does not), gives the
// second reading.
func Root(ctx context.Context, dir string, o Options) (snapshot.Snapshot, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	if !info.IsDir() {
		return snapshot.Snapshot{}, fmt.Errorf("%s is no directory", dir)
	}
	c := &collector{fs: hostfs.FS{Root: dir}, o: o}
	c.now = func() time.Time { return c.copied(info.ModTime()) }
	c.s.Source = snapshot.Source{Root: dir, Version: o.Version}
	if _, err := c.fs.Stat("/proc"); err != nil {
		return snapshot.Snapshot{}, fmt.Errorf("%s holds no proc directory", dir)
	}
	return c.collect(ctx)
}

func (c *collector) collect(ctx context.Context) (snapshot.Snapshot, error) {
	c.s.Schema = snapshot.Schema
	c.host()
	c.s.Taken = c.now().UTC()
	c.module()
	if err := c.namespaces(ctx); err != nil {
		return snapshot.Snapshot{}, err
	}
	started := time.Now()
	c.limits(ctx)
	c.files()
	c.programs(ctx)
	if err := c.tables(ctx); err != nil {
		return snapshot.Snapshot{}, err
	}
	c.log(ctx)
	if err := c.second(ctx, started); err != nil {
		return snapshot.Snapshot{}, err
	}
	if c.hidden > 0 {
		c.s.Missing = append(c.s.Missing, snapshot.Missing{
			Source: "limits of other users' processes", Why: "permission denied", Code: "needs_root"})
	}
	return c.s, ctx.Err()
}

// miss notes what could not be read; what does not exist is no more than absent.
func (c *collector) miss(source string, err error, code string) {
	if code == "" && errors.Is(err, fs.ErrPermission) {
		code = "needs_root"
	}
	c.s.Missing = append(c.s.Missing, snapshot.Missing{Source: source, Why: err.Error(), Code: code})
}

// text reads a small file; what is not there is "".
func (c *collector) text(name string) string {
	data, err := c.fs.ReadFile(name, 1<<20)
	if err == nil {
		return string(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.miss(name, err, "")
	}
	return ""
}
