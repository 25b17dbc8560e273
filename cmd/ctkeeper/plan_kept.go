package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/host/history"
)

const (
	// keptDays is how far back a plan looks: as long as the history keeps minutes.
	keptDays = 31
	// keptFlows of recordings are replayed unasked: some 300 MB of memory.
	keptFlows = 200000
	// keptPatience is how long that may take; many long connections are many packets.
	keptPatience = 30 * time.Second
	// keptSpan is how far back they go.
	keptSpan = 8 * 24 * time.Hour
)

// recall adds what the daemon kept of the planned namespace to a plan's options; without it the plan is what it
// would be anyway, and what could not be read is noted.
func (a *app) recall(ctx context.Context, s *snapshot.Snapshot, stateDir string, o *plan.Options) {
	if a.from != "" || stateDir == "" || len(s.Namespaces) == 0 {
		return
	}
	path := filepath.Join(stateDir, "history.db")
	past, ok, err := pastOf(ctx, path, &s.Namespaces[0])
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.Notes = append(o.Notes, message.New("note_kept_history", "error", err.Error()))
	}
	if ok {
		o.History = &plan.History{Source: path, Past: past}
	}
}

// pastOf reads a namespace's samples.
func pastOf(ctx context.Context, path string, n *snapshot.Namespace) (past demand.Past, ok bool, err error) {
	db, _, err := history.Open(path, history.Options{ReadOnly: true})
	if err != nil {
		return past, false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now()
	kept, err := db.Samples(ctx, n.Name, now.AddDate(0, 0, -keptDays).Add(time.Minute), now, keptDays*24*60)
	if err != nil || len(kept) == 0 {
		return past, false, err
	}
	limit, _ := n.Setting("max")
	samples := make([]demand.Sampled, 0, len(kept))
	for _, k := range kept {
		one := demand.Sampled{Point: demand.Point{At: k.At.Local(), Count: float64(k.Peak)}}
		if k.Max >= limit { // what a smaller max refused is no reason any more
			one.Refused = k.Rises.Refused
		}
		samples = append(samples, one)
	}
	past, ok = demand.PastOf(samples, kept[0].Step, float64(limit))
	return past, ok, nil
}

// keptRecordings are the newest recordings of a namespace in a directory, as many as are replayed unasked; of all how
// many there are, and how many flows the newest holds.
func keptRecordings(dir string, n *snapshot.Namespace, now time.Time) (names []string, all int, newest int64) {
	found, _ := filepath.Glob(filepath.Join(dir, "flows-*.parquet")) // the pattern is well formed
	slices.SortFunc(found, func(x, y string) int { return cmp.Compare(y, x) })
	left := int64(keptFlows)
	for _, name := range found {
		flows, mine := recordedFor(name, n)
		if !mine {
			continue
		}
		if all++; all == 1 {
			newest = flows
		}
		info, err := os.Stat(name)
		if left -= flows; err == nil && left >= 0 && now.Sub(info.ModTime()) <= keptSpan {
			names = append(names, name)
		}
	}
	slices.Reverse(names)
	return names, all, newest
}

// recordedFor reports whether a file was recorded in a namespace, and how many flows it holds; files that do not say
// where are the host's.
func recordedFor(name string, n *snapshot.Namespace) (flows int64, mine bool) {
	r, err := capture.OpenRecord(name)
	if err != nil {
		return 0, n.Initial // measuring names what is wrong with it
	}
	where, flows := r.Notes["namespace"], r.Rows()
	_ = r.Close() // it was only read
	return flows, where == n.Name || where == "" && n.Initial
}

// recallRecordings measures the plan on what `record` kept, where that shows at least the demand that is known
// otherwise. Nothing of it makes the plan fail.
func (a *app) recallRecordings(cmd *cobra.Command, s *snapshot.Snapshot, stateDir string, f *measureFlags, o *plan.Options) {
	if a.from != "" || stateDir == "" || len(o.Wishes) > 0 || len(s.Namespaces) == 0 {
		return
	}
	dir := filepath.Join(stateDir, "record")
	names, all, newest := keptRecordings(dir, &s.Namespaces[0], time.Now())
	note := func(code string, pairs ...any) {
		o.Notes = append(o.Notes, message.New(code, append(pairs, "dir", dir)...))
	}
	if len(names) == 0 {
		if newest > keptFlows {
			note("note_kept_large", "flows", newest)
		}
		return
	}
	whole := cmd.Context()
	ctx, stop := context.WithTimeout(whole, keptPatience)
	cmd.SetContext(ctx)
	m, fault, err := a.measure(cmd, *s, names, f, *o)
	cmd.SetContext(whole)
	stop()
	if errors.Is(err, context.DeadlineExceeded) {
		note("note_kept_slow", "limit", int64(keptPatience/time.Second), "files", len(names))
		return
	}
	if err != nil {
		note("note_kept_unread", "error", err.Error())
		return
	}
	if fault != nil {
		note("note_kept_torn", "error", fault.Error())
	}
	known, _ := s.Namespaces[0].Count()
	if o.History != nil {
		known = max(known, int64(o.History.Peak.Highest))
	}
	if peak := m.Alternatives[0].Peak.High; uint64(max(known, 0)) > peak {
		note("note_kept_low", "peak", int64(peak), "highest", known)
		return
	}
	note("note_kept_used", "files", len(names), "all", all)
	o.Measured = &m
}
