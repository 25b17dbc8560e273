package record

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/capture"
)

// queue is how many flows may wait for the disk.
const queue = 1 << 16

// Suffixes of files: whole ones, and the one being written.
const (
	suffix = ".parquet"
	part   = ".part"
)

// writer writes flows to files, in a goroutine of its own: who puts never waits.
type writer struct {
	o     Options
	dir   *os.File // holds the directory's lock
	in    chan flow.Record
	done  chan struct{}
	mu    sync.Mutex // of everything below
	file  *os.File
	w     *capture.RecordWriter
	begun time.Time
	err   error
	count Counts
	whole uint64 // flows in completed files
}

// ErrBusy tells of a directory that another recording writes to.
var ErrBusy = errors.New("another recording writes there")

func newWriter(o Options) (*writer, error) {
	if o.FileBytes <= 0 {
		o.FileBytes = 256 << 20
	}
	if o.FileAge <= 0 {
		o.FileAge = time.Hour
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	dir, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	w := &writer{o: o, dir: dir, in: make(chan flow.Record, queue), done: make(chan struct{})}
	if err := errors.Join(w.removeTorn(), w.start()); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	go w.run()
	return w, nil
}

// lockDir takes a directory for one recording; the kernel frees it when that dies.
func lockDir(name string) (*os.File, error) {
	dir, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrBusy
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), dir.Close())
	}
	return dir, nil
}

// removeTorn removes what a recording left that died.
func (w *writer) removeTorn() error {
	old, err := filepath.Glob(filepath.Join(w.o.Dir, "*"+part))
	for _, name := range old {
		err = errors.Join(err, os.Remove(name))
		if w.o.Torn != nil {
			w.o.Torn(name)
		}
	}
	return err
}

// put hands a flow on; when the disk is too slow it is counted as unsaved.
func (w *writer) put(r flow.Record) {
	select {
	case w.in <- r:
	default:
		w.mu.Lock()
		w.count.Unsaved++
		w.mu.Unlock()
	}
}

// wait hands a flow on and waits for room; the caller holds nothing that an event waits for.
func (w *writer) wait(r flow.Record) { w.in <- r }

func (w *writer) run() {
	defer close(w.done)
	for r := range w.in {
		if w.o.Map != nil {
			w.o.Map(&r)
		}
		w.mu.Lock()
		w.write(&r)
		w.mu.Unlock()
	}
}

// write adds a flow to the file; while the disk refuses, flows are counted and each new file tries again.
func (w *writer) write(r *flow.Record) {
	if w.w == nil {
		w.count.Unsaved++
		return
	}
	if err := w.w.Write(r); err != nil {
		w.fail(err)
		w.count.Unsaved++
		return
	}
	w.count.Flows++
}

// fail gives up the file under way: what was in it is lost, and counted.
func (w *writer) fail(err error) {
	w.err = err
	w.count.Unsaved += uint64(w.w.Rows())
	w.count.Flows -= min(uint64(w.w.Rows()), w.count.Flows)
	w.file.Close()
	_ = os.Remove(w.file.Name()) // what cannot be removed is removed by the next recording
	w.w, w.file = nil, nil
}

// start begins a file.
func (w *writer) start() error {
	now := time.Now().UTC()
	f, err := os.OpenFile(filepath.Join(w.o.Dir, "flows-"+now.Format("20060102T150405.000Z")+suffix+part), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w.file, w.w, w.begun = f, capture.NewRecordWriter(f, nil), time.Now()
	return nil
}

// tick ends a file that is large or old enough, and tries again after a failure.
func (w *writer) tick(notes map[string]string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.w == nil {
		w.err = w.start()
		return
	}
	info, err := w.file.Stat()
	if err != nil || info.Size() < w.o.FileBytes && time.Since(w.begun) < w.o.FileAge {
		return
	}
	if err := w.finish(notes); err != nil {
		w.err = err
	}
	if err := w.start(); err != nil {
		w.err = err
	}
}

// finish makes the file whole: footer, fsync, its name; an empty one goes.
func (w *writer) finish(notes map[string]string) error {
	for k, v := range notes {
		w.w.Note(k, v)
	}
	rows, name := w.w.Rows(), w.file.Name()
	err := errors.Join(w.w.Close(), w.file.Sync())
	info, statErr := w.file.Stat()
	err = errors.Join(err, statErr, w.file.Close())
	w.w, w.file = nil, nil
	switch {
	case err != nil:
		w.count.Unsaved += uint64(rows)
		w.count.Flows -= min(uint64(rows), w.count.Flows)
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(name))
	case rows == 0:
		return os.Remove(name)
	}
	w.count.Files++
	w.whole += uint64(rows)
	w.count.Bytes += uint64(info.Size())
	if err := os.Rename(name, strings.TrimSuffix(name, part)); err != nil {
		return err
	}
	return w.prune()
}

// prune removes the oldest files beyond the size that is kept.
func (w *writer) prune() error {
	if w.o.Keep <= 0 {
		return nil
	}
	names, err := filepath.Glob(filepath.Join(w.o.Dir, "flows-*"+suffix))
	if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) }) // newest first: names are times
	total := int64(0)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if total += info.Size(); total > w.o.Keep {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// perFlow is what a flow takes on disk.
func (w *writer) perFlow() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.whole < 10000 {
		return bytesAFlow
	}
	return float64(w.count.Bytes) / float64(w.whole)
}

// add puts the writer's counts beside the recorder's.
func (w *writer) add(c *Counts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Flows, c.Unsaved, c.Files, c.Bytes = w.count.Flows, w.count.Unsaved, w.count.Files, w.count.Bytes
}

// close writes what waits and makes the last file whole.
func (w *writer) close(notes map[string]string) error {
	close(w.in)
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.err
	if w.w != nil {
		err = w.finish(notes)
	}
	return errors.Join(err, w.dir.Close())
}
