package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// Samples returns a namespace's samples in [from, to], oldest first, at the finest step that reaches back to
// from and gives at most limit of them.
func (d *DB) Samples(ctx context.Context, namespace string, from, to time.Time, limit int) ([]snapshot.Sample, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	step := d.step(from, to, limit)
	rows, err := d.db.QueryContext(ctx, `SELECT at, count, peak, max, held, refused, dropped, early_drop, insert_failed, chain_toolong, clash_resolve,
  search_restart, invalid FROM sample JOIN namespace ON id = ns WHERE step = ? AND name = ? AND at >= ? AND at <= ? ORDER BY at LIMIT ?`,
		int64(step/time.Second), namespace, from.Unix(), to.Unix(), max(limit, 1))
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", d.path, d.met(err))
	}
	var out []snapshot.Sample
	for rows.Next() {
		s := snapshot.Sample{Step: step}
		var at int64
		var held sql.NullInt64
		r := &s.Rises
		if err := rows.Scan(&at, &s.Count, &s.Peak, &s.Max, &held, &r.Refused, &r.Drop, &r.EarlyDrop, &r.InsertFailed, &r.ChainTooLong, &r.ClashResolve,
			&r.SearchRestart, &r.Invalid); err != nil {
			return nil, d.met(errors.Join(err, rows.Close()))
		}
		s.At = time.Unix(at, 0).UTC()
		if held.Valid {
			s.Held = &held.Int64
		}
		out = append(out, s)
	}
	return out, d.met(errors.Join(rows.Err(), rows.Close()))
}

// met has the file checked at the next writing when a reading met damage.
func (d *DB) met(err error) error {
	if damaged(err) {
		d.checked = time.Time{}
	}
	return err
}

// step is the finest whose keep reaches back to from and which fits the limit.
func (d *DB) step(from, to time.Time, limit int) time.Duration {
	for _, st := range steps {
		if d.o.Now().Sub(from) <= st.keep && to.Sub(from)/st.step < time.Duration(max(limit, 1)) {
			return st.step
		}
	}
	return steps[len(steps)-1].step
}

// Namespaces are those that samples exist of.
func (d *DB) Namespaces(ctx context.Context) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.db.QueryContext(ctx, "SELECT name FROM namespace ORDER BY name")
	if err != nil {
		return nil, err
	}
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, d.met(errors.Join(err, rows.Close()))
		}
		out = append(out, name)
	}
	return out, d.met(errors.Join(rows.Err(), rows.Close()))
}

// Incidents returns those that began in [from, to], newest first, at most limit.
func (d *DB) Incidents(ctx context.Context, from, to time.Time, limit int) ([]snapshot.Incident, error) {
	return d.selectIncidents(ctx, "began >= ? AND began <= ? ORDER BY began DESC, id LIMIT ?", from.Unix(), to.Unix(), limit)
}

// OpenIncidents returns those that have not ended, newest first.
func (d *DB) OpenIncidents(ctx context.Context) ([]snapshot.Incident, error) {
	return d.selectIncidents(ctx, "ended = 0 ORDER BY began DESC LIMIT 1000")
}

func (d *DB) selectIncidents(ctx context.Context, which string, args ...any) ([]snapshot.Incident, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.db.QueryContext(ctx, "SELECT body FROM incident WHERE "+which, args...)
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", d.path, d.met(err))
	}
	var out []snapshot.Incident
	for rows.Next() {
		var body string
		var i snapshot.Incident
		if err := errors.Join(rows.Scan(&body), json.Unmarshal([]byte(body), &i)); err != nil {
			return nil, d.met(errors.Join(err, rows.Close()))
		}
		out = append(out, i)
	}
	return out, d.met(errors.Join(rows.Err(), rows.Close()))
}

// IncidentByID returns one; false when there is none.
func (d *DB) IncidentByID(ctx context.Context, id string) (i snapshot.Incident, found bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var body string
	err = d.db.QueryRowContext(ctx, "SELECT body FROM incident WHERE id = ?", id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return i, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &i)
	}
	if err != nil {
		return i, false, fmt.Errorf("history %s: %w", d.path, err)
	}
	return i, true, nil
}
