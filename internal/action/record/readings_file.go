package record

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/capture"
)

// Files are named by when they were written.
const (
	begins = "flows-"
	stamp  = "20060102T150405.000Z"
)

// Lost is how many flows were not written.
func (r *Readings) Lost() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

// file writes what ended as one file, whole or not at all, and removes files that are too old or too many.
func (r *Readings) file() error {
	if len(r.ended) == 0 {
		return r.prune()
	}
	err := r.write()
	if err != nil {
		r.lost += uint64(len(r.ended))
	}
	clear(r.ended)
	r.ended = r.ended[:0]
	return errors.Join(err, r.prune())
}

func (r *Readings) write() error {
	if err := os.MkdirAll(r.o.Dir, 0o700); err != nil {
		return err
	}
	name := filepath.Join(r.o.Dir, begins+r.now.UTC().Format(stamp)+suffix)
	f, err := os.OpenFile(name+part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := capture.NewRecordWriter(f, map[string]string{"method": "readings", "sample": strconv.FormatFloat(r.share(), 'g', -1, 64),
		"from": r.begun.UTC().Format(time.RFC3339)})
	for i := range r.ended {
		rec := r.ended[i]
		if r.halved > 0 {
			rec.Sample = r.share()
		}
		if err = w.Write(&rec); err != nil {
			break
		}
	}
	if err = errors.Join(err, w.Close(), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name+part))
	}
	return os.Rename(name+part, name)
}

// prune removes torn files, files of before the age that is kept, and the oldest beyond the size.
func (r *Readings) prune() error {
	entries, err := os.ReadDir(r.o.Dir)
	if err != nil {
		return ignoreAbsent(err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(b.Name(), a.Name()) }) // newest first
	total := int64(0)
	var faults []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), begins) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			faults = append(faults, ignoreAbsent(err))
			continue
		}
		total += info.Size()
		written, err := time.Parse(begins+stamp+suffix, e.Name()) // a torn one's name is no time
		if total > r.o.Keep || err != nil || r.now.Sub(written) > r.o.Age {
			faults = append(faults, os.Remove(filepath.Join(r.o.Dir, e.Name())))
		}
	}
	return errors.Join(faults...)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Kept is what a record's files are.
type Kept struct {
	// Share is the smallest part of all flows that one of them holds, From when the first begins.
	Share float64
	From  time.Time
}

// ReadFiles reads a record's files in a directory. A file that cannot be read is an error beside what the others
// told.
func ReadFiles(dir string, fn func(flow.Record)) (k Kept, err error) {
	k.Share = 1
	names, err := filepath.Glob(filepath.Join(dir, begins+"*"+suffix))
	faults := []error{err}
	for _, name := range names {
		faults = append(faults, k.read(name, fn))
	}
	return k, errors.Join(faults...)
}

func (k *Kept) read(name string, fn func(flow.Record)) (err error) {
	r, err := capture.OpenRecord(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if s, err := strconv.ParseFloat(r.Notes["sample"], 64); err == nil && s > 0 {
		k.Share = min(k.Share, s)
	}
	if from, err := time.Parse(time.RFC3339, r.Notes["from"]); err == nil && (k.From.IsZero() || from.Before(k.From)) {
		k.From = from
	}
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(rec)
	}
}
