package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/surface/web"
	"ctkeeper/internal/surface/wording"
)

// serveSource is what the page and the metrics read: the sampler, the history, and now and then a snapshot
// without the tables, which the sampler has read already.
type serveSource struct {
	app     *app
	sampler *sample.Sampler
	db      *history.DB        // nil: no history
	outside func(func())       // calls a function where other processes' namespaces can be seen
	lacks   []snapshot.Missing // what the daemon goes on without
	asker   *asker             // nil: no record is kept
	redact  *snapshot.Redactor

	mu     sync.Mutex
	taken  time.Time
	logged time.Time
	last   snapshot.Snapshot
	err    error
}

const (
	// snapshotEvery is how old the findings may be, logEvery the kernel log behind them: reading it all may
	// take seconds.
	snapshotEvery = time.Minute
	logEvery      = 10 * time.Minute
	// snapshotLimit is how long it may take to look at the host.
	snapshotLimit = 30 * time.Second
)

// Watch is what is known now.
func (s *serveSource) Watch() snapshot.Watch {
	w := s.sampler.Watch()
	if s.db != nil {
		lost, _, _ := s.db.Trouble()
		w.Lost["history"] = lost
	}
	if s.asker != nil {
		w.Lost["record"] = s.asker.kept.lost()
	}
	return w
}

// Samples come from memory as far as it reaches, else from the history.
func (s *serveSource) Samples(ctx context.Context, namespace string, from, to time.Time, limit int) ([]snapshot.Sample, error) {
	recent := s.sampler.Recent(namespace, from)
	if s.db == nil || len(recent) > 0 && recent[0].At.Sub(from) < 2*time.Second && len(recent) <= limit {
		return recent, nil
	}
	if err := s.db.Flush(ctx); err != nil {
		return nil, err
	}
	return s.db.Samples(ctx, namespace, from, to, limit)
}

// Incidents come from the history.
func (s *serveSource) Incidents(ctx context.Context, from, to time.Time, limit int) ([]snapshot.Incident, error) {
	if s.db == nil {
		return nil, nil
	}
	if err := s.db.Flush(ctx); err != nil {
		return nil, err
	}
	return s.db.Incidents(ctx, from, to, limit)
}

// Incident is one by its ID: one that lasts from memory, others from the history.
func (s *serveSource) Incident(ctx context.Context, id string) (snapshot.Incident, bool, error) {
	for _, n := range s.sampler.Watch().Namespaces {
		if n.Incident != nil && n.Incident.ID == id {
			return *n.Incident, true, nil
		}
	}
	if s.db == nil {
		return snapshot.Incident{}, false, nil
	}
	if err := s.db.Flush(ctx); err != nil {
		return snapshot.Incident{}, false, err
	}
	return s.db.IncidentByID(ctx, id)
}

// Rank reads a table for one question.
func (s *serveSource) Rank(ctx context.Context, q web.RankQuery) (web.Ranked, error) {
	a, err := s.sampler.Ask(ctx, sample.Question{Namespace: q.Namespace, By: q.By, Filter: q.Filter, Rows: q.Rows, Flows: q.Flows})
	var busy sample.BusyError
	switch {
	case errors.As(err, &busy):
		return web.Ranked{}, web.BusyError{After: busy.After}
	case errors.Is(err, sample.ErrNamespace):
		return web.Ranked{}, web.NotFoundError("namespace " + q.Namespace)
	}
	return web.Ranked{Ranking: a.Ranking, At: a.At, Whole: a.Whole, Flows: a.Flows}, err
}

// findingsDocument is the doctor's, with when the host was looked at.
type findingsDocument struct {
	doctorDocument
	TakenAt time.Time `json:"taken_at"`
}

// Findings are the doctor's, with the tables that the sampler read.
func (s *serveSource) Findings(ctx context.Context, lang wording.Lang) (any, error) {
	snap, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	taken := snap.Taken
	if s.redact != nil {
		snap = s.redact.Snapshot(snap)
	}
	return findingsDocument{doctorDocumentOf(lang, diagnose.Diagnose(snap)), taken}, nil
}

// takenSettings are the settings' document, with when they were read.
type takenSettings struct {
	settingsDocument
	TakenAt time.Time `json:"taken_at"`
}

// Settings are a namespace's, with what the next boot sets.
func (s *serveSource) Settings(ctx context.Context, namespace string, lang wording.Lang) (any, error) {
	snap, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	for i := range snap.Namespaces {
		if snap.Namespaces[i].Name == namespace {
			snap.Namespaces = snap.Namespaces[i : i+1]
			break
		}
	}
	a := *s.app
	a.lang = string(lang)
	rows, err := a.rowsOf(snap, nil)
	if err != nil {
		return nil, err
	}
	return takenSettings{settingsDocument{"ctkeeper.settings/1", snap.Host.Kernel, snap.Namespaces[0].Name, rows}, snap.Taken}, nil
}

// snapshot is the last one, or a new one when that is too old.
func (s *serveSource) snapshot(ctx context.Context) (snapshot.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.taken) < snapshotEvery {
		return s.last, s.err
	}
	withLog := time.Since(s.logged) >= logEvery
	// All readers get this one: who asked for it first may leave.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), snapshotLimit)
	defer stop()
	snap, err := collect.Live(ctx, collect.Options{Tracking: true, NoFlows: true, NoLog: !withLog, Outside: s.outside, Version: versionText()})
	if err == nil {
		if withLog {
			s.logged = time.Now()
		} else {
			snap.Log = s.last.Log
		}
		s.addTables(&snap)
		snap.Missing = append(append(snap.Missing, s.lacks...), s.historyTrouble()...)
	}
	s.taken, s.last, s.err = time.Now(), snap, err
	return snap, err
}

// historyTrouble is what the history lacks at present.
func (s *serveSource) historyTrouble() []snapshot.Missing {
	if s.db == nil {
		return nil
	}
	_, kept, err := s.db.Trouble()
	var out []snapshot.Missing
	if err != nil {
		out = append(out, snapshot.Missing{Source: "history " + s.db.Path(), Why: err.Error(), Code: "no_history"})
	}
	for _, aside := range kept {
		out = append(out, snapshot.Missing{Source: "history before its damage", Why: "kept as " + aside, Code: "history_damaged"})
	}
	return out
}

// addTables puts the sampler's readings of the tables into a snapshot.
func (s *serveSource) addTables(snap *snapshot.Snapshot) {
	for _, w := range s.sampler.Watch().Namespaces {
		for i := range snap.Namespaces {
			if n := &snap.Namespaces[i]; n.Inode == w.Inode && w.Flows != nil {
				n.Flows = w.Flows
			}
		}
	}
}

// drift tells which running settings are not what the next boot will set, by namespace inode.
func (s *serveSource) drift(ctx context.Context) map[uint64][]snapshot.Drifted {
	o := quick()
	o.Outside = s.outside
	snap, err := collect.Live(ctx, o)
	if err != nil || len(snap.Namespaces) == 0 || !snap.Namespaces[0].Initial {
		return nil
	}
	n := &snap.Namespaces[0]
	var out []snapshot.Drifted
	for _, f := range boot.Predict(boot.FromSnapshot(snap)).Settings {
		v, ok := n.Setting(f.Name)
		if ok && f.Name != "count" && f.Systemd.Value != nil && *f.Systemd.Value != v && (f.Procps.Value == nil || *f.Procps.Value != v) {
			out = append(out, snapshot.Drifted{Setting: f.Name, Running: v, Boot: *f.Systemd.Value})
		}
	}
	return map[uint64][]snapshot.Drifted{n.Inode: out}
}

// byRecently is how old an entry of the journal may be that explains a change seen now.
const byRecently = 10 * time.Minute

// changedBy is the command of ctkeeper's journal that brought a setting to a value, "" when none did.
func changedBy(setting string, to int64) string {
	entries, err := (&apply.Runner{FS: hostfs.FS{}, StateDir: defaultStateDir}).Entries()
	if err != nil {
		return "" // the daemon may not be allowed to read it: the change is told without its author
	}
	for _, e := range slices.Backward(entries) {
		undone := e.State == apply.Undone || e.State == apply.Undoing
		if !undone && time.Since(e.At) > byRecently {
			continue
		}
		for _, c := range e.Settings {
			switch {
			case c.Setting != setting:
			case undone && c.From == to:
				return "ctkeeper undo " + e.ID
			case !undone && c.To == to:
				return e.Command
			}
		}
	}
	return ""
}
