package kernlog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// FS is the part of a host's file system that logs are read from; hostfs.FS is one.
type FS interface {
	Live() bool
	Open(name string) (*os.File, error)
	Stat(name string) (fs.FileInfo, error)
	List(name string) ([]string, error)
}

// Host sums every log of a host: on the live one /dev/kmsg, the journal and the files, below a root
// directory the files. What could not be read is named. When ctx ends, the newest logs have been read.
func Host(ctx context.Context, files FS, o Options) (snapshot.Log, []snapshot.Missing) {
	if o.Location == nil {
		o.Location = zone(files)
	}
	sum := NewSummary(o)
	var missing []snapshot.Missing
	if files.Live() {
		if err := readKmsg(ctx, sum); err != nil {
			missing = append(missing, lack("/dev/kmsg", err))
		}
	}
	for _, src := range Sources(files) {
		if err := Read(ctx, src, sum); err != nil {
			missing = append(missing, lack(src.Name, err))
		}
	}
	if len(sum.sources) == 0 && len(missing) == 0 {
		missing = append(missing, snapshot.Missing{Source: "kernel log", Why: "no log file found", Code: "log_absent"})
	}
	return sum.Log(), missing
}

func lack(source string, err error) snapshot.Missing {
	m := snapshot.Missing{Source: source, Why: err.Error()}
	switch {
	case errors.Is(err, fs.ErrPermission):
		m.Code = "needs_root"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		m.Code = "log_not_read_in_time"
	}
	return m
}

// zone is the time zone that the host's own stamps are written in; UTC when it is not known.
func zone(files FS) *time.Location {
	if files.Live() {
		return time.Local
	}
	f, err := files.Open("/etc/localtime")
	if err != nil {
		return time.UTC
	}
	defer f.Close()
	data := make([]byte, 64<<10)
	n, _ := f.Read(data)
	loc, err := time.LoadLocationFromTZData("host", data[:n])
	if err != nil {
		return time.UTC
	}
	return loc
}
