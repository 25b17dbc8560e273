package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"modernc.org/sqlite"

	"ctkeeper/internal/conntrack/snapshot"
)

// SQLite's codes for a file that is no database any more. The statements here do not change: one fails by its logic
// only when its table is gone, as a write-ahead log that was cut short leaves it.
const (
	codeLogic   = 1
	codeCorrupt = 11
	codeNotADB  = 26
)

func damaged(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return slices.Contains([]int{codeLogic, codeCorrupt, codeNotADB}, e.Code()&0xff)
	}
	var d damageError
	return errors.As(err, &d)
}

// maxPause is the longest pause between two tries to write on a disk that refuses.
const maxPause = 5 * time.Minute

// Add takes a sample; it is written with the others of its time.
func (d *DB) Add(namespace string, s snapshot.Sample) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) >= maxWaiting {
		d.waiting = d.waiting[1:]
		d.lost++
	}
	d.waiting = append(d.waiting, entry{namespace, s})
	if now := d.o.Now(); now.Sub(d.flushed) >= d.pause || now.Before(d.flushed) {
		d.flushed = now
		if err := d.flush(context.Background()); err != nil {
			d.pause = min(2*d.pause, maxPause)
		} else {
			d.pause = d.o.FlushEvery
		}
	}
}

// Incident takes an incident as it stands; it replaces the one of the same ID.
func (d *DB) Incident(i snapshot.Incident) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.incidents[i.ID] = i
	if !i.Ended.IsZero() {
		_ = d.flush(context.Background()) // it waits for the next writing
	}
}

// Flush writes what waits; it is not given up with the context, for others' samples are among it.
func (d *DB) Flush(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flush(context.WithoutCancel(ctx))
}

// flush writes all that waits, and notes how that went.
func (d *DB) flush(ctx context.Context) error {
	if len(d.waiting) == 0 && len(d.incidents) == 0 {
		return nil
	}
	err := d.put(ctx)
	if err != nil && d.lastErr == nil && d.o.Failed != nil {
		d.o.Failed(err)
	}
	d.lastErr = err
	return err
}

// put writes all that waits in one transaction; a damaged file is replaced, and the writing tried again.
func (d *DB) put(ctx context.Context) error {
	if err := d.reopen(); err != nil {
		return err
	}
	err := d.transaction(ctx)
	if err == nil {
		err = d.tend(ctx)
	}
	if damaged(err) {
		_ = d.db.Close() // what it says of a damaged file is known
		d.usable = false
		if err = d.anew(); err == nil {
			err = d.transaction(ctx)
		}
	}
	if err != nil {
		return err
	}
	d.waiting = d.waiting[:0]
	d.incidents = map[string]snapshot.Incident{}
	return nil
}

// pruneEvery lies between two prunings.
const pruneEvery = 10 * time.Minute

// stepTime is by how much the clock and the time that passed may disagree before the clock was set.
const stepTime = time.Minute

// stepped reports whether the clock was set since the last call: what is old by it may not be old.
func (d *DB) stepped(now time.Time) bool {
	wall, passed := now.Round(0).Sub(d.wall), time.Since(d.passed)
	d.wall, d.passed = now.Round(0), time.Now()
	return (wall - passed).Abs() > stepTime
}

// tend prunes and checks the file now and then. After the clock was set nothing is deleted for a while: it may
// be set back.
func (d *DB) tend(ctx context.Context) error {
	now := d.o.Now()
	if d.stepped(now) {
		d.pruned = now
	}
	if now.Sub(d.checked) >= time.Hour || now.Before(d.checked) {
		d.checked = now
		if err := d.check(); err != nil {
			return err
		}
	}
	if now.Sub(d.pruned) >= pruneEvery || now.Before(d.pruned) {
		d.pruned = now
		return d.prune(ctx)
	}
	return nil
}

func (d *DB) transaction(ctx context.Context) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := d.write(ctx, tx); err != nil {
		d.names = map[string]int64{} // what was made in it is not there
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

const upsert = `
INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (step, ns, at) DO UPDATE SET count = excluded.count, peak = max(peak, excluded.peak), max = excluded.max,
  held = coalesce(excluded.held, held), refused = refused + excluded.refused, dropped = dropped + excluded.dropped,
  early_drop = early_drop + excluded.early_drop, insert_failed = insert_failed + excluded.insert_failed,
  chain_toolong = chain_toolong + excluded.chain_toolong, clash_resolve = clash_resolve + excluded.clash_resolve,
  search_restart = search_restart + excluded.search_restart, invalid = invalid + excluded.invalid`

func (d *DB) write(ctx context.Context, tx *sql.Tx) (err error) {
	add, err := tx.PrepareContext(ctx, upsert)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, add.Close()) }()
	for _, e := range d.waiting {
		id, err := d.namespace(ctx, tx, e.namespace)
		if err != nil {
			return err
		}
		r, at := e.s.Rises, e.s.At.Unix()
		for _, st := range steps {
			step := int64(st.step / time.Second)
			if _, err := add.ExecContext(ctx, step, id, at-at%step, e.s.Count, e.s.Peak, e.s.Max, e.s.Held, int64(r.Refused), int64(r.Drop),
				int64(r.EarlyDrop), int64(r.InsertFailed), int64(r.ChainTooLong), int64(r.ClashResolve), int64(r.SearchRestart), int64(r.Invalid)); err != nil {
				return err
			}
		}
	}
	for _, i := range d.incidents {
		if err := putIncident(ctx, tx, i); err != nil {
			return err
		}
	}
	return nil
}

func putIncident(ctx context.Context, tx *sql.Tx, i snapshot.Incident) error {
	body, err := json.Marshal(i)
	if err != nil {
		return err
	}
	ended := int64(0)
	if !i.Ended.IsZero() {
		ended = i.Ended.Unix()
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?)", i.ID, i.Namespace, i.Began.Unix(), ended, string(body))
	return err
}

// namespace is a name's number, made when there is none.
func (d *DB) namespace(ctx context.Context, tx *sql.Tx, name string) (id int64, err error) {
	if id, ok := d.names[name]; ok {
		return id, nil
	}
	if _, err = tx.ExecContext(ctx, "INSERT OR IGNORE INTO namespace (name) VALUES (?)", name); err != nil {
		return 0, err
	}
	if err = tx.QueryRowContext(ctx, "SELECT id FROM namespace WHERE name = ?", name).Scan(&id); err == nil {
		d.names[name] = id
	}
	return id, err
}

// prune deletes what is too old, then, while the file is too large, the oldest of the finest step there is.
func (d *DB) prune(ctx context.Context) error {
	now := d.o.Now().Unix()
	for _, st := range steps {
		step := int64(st.step / time.Second)
		if _, err := d.db.ExecContext(ctx, "DELETE FROM sample WHERE step = ? AND at < ?", step, now-int64(st.keep/time.Second)); err != nil {
			return err
		}
	}
	if _, err := d.db.ExecContext(ctx, "DELETE FROM incident WHERE began < ?", now-int64(steps[len(steps)-1].keep/time.Second)); err != nil {
		return err
	}
	for range 20 {
		size, err := d.size(ctx)
		if err != nil || size <= d.o.MaxBytes {
			return err
		}
		if err := d.shrink(ctx); err != nil {
			return err
		}
	}
	return nil
}

// size is what the pages in use take.
func (d *DB) size(ctx context.Context) (int64, error) {
	var pages, free, page int64
	err := errors.Join(d.db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages), d.db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free),
		d.db.QueryRowContext(ctx, "PRAGMA page_size").Scan(&page))
	return (pages - free) * page, err
}

// shrink deletes the older half of the finest step that has anything, and gives the pages back.
func (d *DB) shrink(ctx context.Context) error {
	var step, first, last int64
	if err := d.db.QueryRowContext(ctx, "SELECT step, min(at), max(at) FROM sample WHERE step = (SELECT min(step) FROM sample)").Scan(&step, &first, &last); err != nil {
		return err
	}
	if _, err := d.db.ExecContext(ctx, "DELETE FROM sample WHERE step = ? AND at <= ?", step, first+(last-first)/2); err != nil {
		return err
	}
	_, err := d.db.ExecContext(ctx, "PRAGMA incremental_vacuum")
	return err
}
