package main

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/action/sample"
)

const (
	// maxRecorded bounds the namespaces that a record is kept of, recordBytes the files of each.
	maxRecorded = 8
	recordBytes = 16 << 20
	// recordIdle is how long a namespace must not have been read before another takes its place.
	recordIdle = 3 * time.Hour
)

// records are the daemon's own small flow records, one a namespace, made from the readings of the tables that
// it makes anyhow.
type records struct {
	dir string
	log *slog.Logger

	mu  sync.Mutex
	all map[string]*recorded
}

type recorded struct {
	*record.Readings
	used time.Time
}

func newRecords(stateDir string, log *slog.Logger) *records {
	return &records{dir: filepath.Join(stateDir, "record"), log: log, all: map[string]*recorded{}}
}

// dirOf is where a namespace's files are.
func (r *records) dirOf(namespace string) string {
	return filepath.Join(r.dir, "ns-"+url.PathEscape(namespace))
}

// recorder gives a namespace's record; nil when there are too many.
func (r *records) recorder(namespace string) sample.Recorder {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.all[namespace]
	if e == nil {
		if len(r.all) >= maxRecorded && !r.forget() {
			return nil
		}
		e = &recorded{Readings: record.NewReadings(record.ReadingsOptions{Dir: r.dirOf(namespace), Keep: recordBytes})}
		r.all[namespace] = e
	} else if time.Since(e.used) < time.Second {
		return nil // another of the same name was read just now: theirs are not one table
	}
	e.used = time.Now()
	return e
}

// forget closes the record of a namespace that is gone.
func (r *records) forget() bool {
	for name, e := range r.all {
		if time.Since(e.used) > recordIdle {
			r.closed(name, e.Close())
			delete(r.all, name)
			return true
		}
	}
	return false
}

func (r *records) closed(name string, err error) {
	if err != nil {
		r.log.Warn("a record was not written", "namespace", name, "error", err)
	}
}

// of is a namespace's record; nil without one.
func (r *records) of(namespace string) *record.Readings {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.all[namespace]; e != nil {
		return e.Readings
	}
	return nil
}

// lost is how many flows could not be written.
func (r *records) lost() (n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		n += e.Lost()
	}
	return n
}

// close writes what is not yet in a file.
func (r *records) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, e := range r.all {
		r.closed(name, e.Close())
	}
}
