// Package history keeps samples and incidents on disk, in SQLite: each sample at four steps, finer ones for a
// shorter time, within a bounded size.
//
//	db, kept, err := history.Open("/var/lib/ctkeeper/history.db", history.Options{})
//	db.Add("host", sample) // buffered; written every few seconds
//	samples, err := db.Samples(ctx, "host", from, to, 500)
//
// A file that is damaged is moved aside, named, and begun anew. A full disk loses the samples of its time,
// which are counted. It judges nothing.
package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver

	"ctkeeper/internal/conntrack/snapshot"
)

// Options of a history. The zero value is the default.
type Options struct {
	// MaxBytes bounds the file; 0 means 256 MiB.
	MaxBytes int64
	// FlushEvery is how long samples wait in memory; 0 means 10 s.
	FlushEvery time.Duration
	// ReadOnly opens an existing file for reading alone.
	ReadOnly bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Failed is told of a writing that failed, once until one succeeds again; Damaged where a damaged file was
	// kept. Neither may call the DB; nil: nobody is told.
	Failed  func(err error)
	Damaged func(aside string)
}

// steps are what samples are kept at, and for how long.
var steps = [...]struct{ step, keep time.Duration }{ //nolint:gochecknoglobals // a constant table
	{time.Second, time.Hour},
	{10 * time.Second, 24 * time.Hour},
	{time.Minute, 31 * 24 * time.Hour},
	{time.Hour, 2 * 366 * 24 * time.Hour},
}

// maxKept bounds the names of damaged files that are remembered.
const maxKept = 16

// maxWaiting bounds the samples that wait while the disk refuses them.
const maxWaiting = 20000

// DB is an open history. It is safe for concurrent use.
type DB struct {
	path string
	o    Options

	mu        sync.Mutex
	db        *sql.DB
	usable    bool // db is open
	names     map[string]int64
	waiting   []entry
	incidents map[string]snapshot.Incident
	flushed   time.Time
	pause     time.Duration
	pruned    time.Time
	checked   time.Time
	wall      time.Time // the clock and the time that passes, when they were compared last
	passed    time.Time
	lost      uint64
	lastErr   error
	kept      []string
}

type entry struct {
	namespace string
	s         snapshot.Sample
}

const schema = `
CREATE TABLE IF NOT EXISTS namespace (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS sample (
  step INTEGER NOT NULL, ns INTEGER NOT NULL, at INTEGER NOT NULL,
  count INTEGER NOT NULL, peak INTEGER NOT NULL, max INTEGER NOT NULL, held INTEGER,
  refused INTEGER NOT NULL, dropped INTEGER NOT NULL, early_drop INTEGER NOT NULL, insert_failed INTEGER NOT NULL,
  chain_toolong INTEGER NOT NULL, clash_resolve INTEGER NOT NULL, search_restart INTEGER NOT NULL, invalid INTEGER NOT NULL,
  PRIMARY KEY (step, ns, at)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incident (id TEXT PRIMARY KEY, namespace TEXT NOT NULL, began INTEGER NOT NULL, ended INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS incident_began ON incident (began);
PRAGMA user_version = 1;
`

// Open opens or makes a history. kept names a damaged file that was moved aside, "" when there was none.
func Open(path string, o Options) (db *DB, kept string, err error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &DB{path: path, o: o, pause: o.FlushEvery, incidents: map[string]snapshot.Incident{}}
	d.flushed, d.pruned, d.checked = o.Now(), o.Now(), o.Now()
	d.wall, d.passed = o.Now().Round(0), time.Now()
	if o.ReadOnly {
		if _, err := os.Stat(path); err != nil {
			return nil, "", err
		}
	} else if f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, "", err
	} else if err := f.Close(); err != nil {
		return nil, "", err
	}
	err = d.open()
	if damaged(err) && !o.ReadOnly {
		if err = d.anew(); err == nil {
			kept = d.kept[0]
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("history %s: %w", path, err)
	}
	return d, kept, nil
}

// open opens the file, checks it and makes what is missing.
func (d *DB) open() error {
	dsn := "file:" + d.path + "?_pragma=busy_timeout(2000)&_pragma=cache_size(-1024)&_pragma=temp_store(MEMORY)"
	if d.o.ReadOnly {
		dsn += "&mode=ro"
	} else {
		dsn += "&_pragma=auto_vacuum(incremental)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=journal_size_limit(4194304)"
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	d.db, d.usable, d.names = db, true, map[string]int64{}
	var version int
	err = db.QueryRow("PRAGMA user_version").Scan(&version)
	if err == nil {
		err = d.check()
	}
	switch {
	case err != nil:
	case version > 1:
		err = fmt.Errorf("schema %d is newer than this program's 1", version)
	case !d.o.ReadOnly:
		_, err = db.Exec(schema)
	}
	if err != nil {
		d.usable = false
		return errors.Join(err, db.Close())
	}
	return nil
}

// reopen opens the file again after that failed, and begins it anew when it is damaged.
func (d *DB) reopen() error {
	if d.usable {
		return nil
	}
	err := d.open()
	if damaged(err) {
		err = d.anew()
	}
	return err
}

// check looks for damage in all pages, over a connection of its own: the other's cache hides it.
func (d *DB) check() (err error) {
	db, err := sql.Open("sqlite", "file:"+d.path+"?mode=ro&_pragma=busy_timeout(2000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var found string
	if err := db.QueryRow("PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return damageError(found)
	}
	return nil
}

// anew moves a damaged file aside and begins another.
func (d *DB) anew() error {
	aside := fmt.Sprintf("%s.damaged-%s", d.path, d.o.Now().UTC().Format("20060102T150405.000Z"))
	if err := os.Rename(d.path, aside); err != nil {
		return err
	}
	for _, side := range []string{"-wal", "-shm"} {
		if err := os.Rename(d.path+side, aside+side); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if len(d.kept) < maxKept {
		d.kept = append(d.kept, aside)
	}
	if d.o.Damaged != nil {
		d.o.Damaged(aside)
	}
	return d.open()
}

// Path is the file.
func (d *DB) Path() string { return d.path }

// Trouble tells how many samples were lost, the damaged files that were moved aside, and the error that the
// last writing ended with.
func (d *DB) Trouble() (lost uint64, kept []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost, append([]string(nil), d.kept...), d.lastErr
}

// Renew changes what MaxBytes was, and has the file looked through for damage at the next writing.
func (d *DB) Renew(maxBytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.o.MaxBytes, d.checked = maxBytes, time.Time{}
}

// Close writes what waits and closes the file.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if !d.o.ReadOnly {
		err = d.flush(context.Background())
	}
	if d.usable {
		err = errors.Join(err, d.db.Close())
	}
	return err
}

// damageError is what quick_check found.
type damageError string

// Error says what is damaged.
func (e damageError) Error() string { return "damaged: " + string(e) }

// Dir makes the directory of a history.
func Dir(path string) error { return os.MkdirAll(filepath.Dir(path), 0o700) }
