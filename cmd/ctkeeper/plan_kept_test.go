package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/lab"
)

// keep writes a namespace's history of ten days, with a peak on one of them.
func keep(t *testing.T, dir, namespace string, peak, limit int64) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, _, err := history.Open(filepath.Join(dir, "history.db"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for at := now.Add(-10 * 24 * time.Hour); at.Before(now); at = at.Add(10 * time.Minute) {
		n := peak / 2
		if d := now.Sub(at); d > 50*time.Hour && d < 51*time.Hour {
			n = peak
		}
		db.Add(namespace, snapshot.Sample{At: at, Count: n, Peak: n, Max: limit})
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// recordFor writes a recording of a namespace.
func recordFor(t *testing.T, stateDir, namespace string, n int) string {
	t.Helper()
	r, err := capture.OpenRecord(idlePool(t, n))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(stateDir, "record")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "flows-20261129T000000.000000Z.parquet")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := capture.NewRecordWriter(f, map[string]string{"namespace": namespace})
	for range n {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(&rec); err != nil {
			t.Fatal(err)
		}
	}
	for _, end := range []func() error{r.Close, w.Close, f.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// planned runs plan and returns it.
func planned(t *testing.T, args ...string) (p plan.Plan) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(append([]string{"plan", "--format", "json"}, args...), streams{&bytes.Buffer{}, &out, &errs}); code != 0 {
		t.Fatalf("%v: exit %d: %s", args, code, &errs)
	}
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func noted(p *plan.Plan, code string) bool {
	for _, n := range p.Notes {
		if n.Code == code {
			return true
		}
	}
	return false
}

// TestPlanFromWhatWasKept: without a FILE a plan uses what the daemon and the recorder kept of this namespace, says so,
// and is what it would be anyway when there is nothing, or nothing good.
func TestPlanFromWhatWasKept(t *testing.T) {
	lab.Need(t)
	lab.Share(t)
	ns := lab.NewNamespace(t)
	lab.TrackEverything(t, ns)
	name := filepath.Base(ns.Path)
	args := func(dir string) []string { return []string{"--netns", ns.Path, "--state-dir", dir} }
	before := planned(t, args("")...)
	if len(before.Steps) != 0 || before.History != nil || len(before.Notes) != 1 {
		t.Fatalf("an empty namespace: %+v", before)
	}
	limit := *before.Kept[0].Value

	if p := planned(t, args(t.TempDir())...); len(p.Steps) != 0 || len(p.Notes) != len(before.Notes) {
		t.Errorf("nothing was kept: %+v", p)
	}

	quiet, busy, other, torn := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	keep(t, quiet, name, limit/10, limit)
	if p := planned(t, args(quiet)...); p.History == nil || len(p.Steps) != 0 || p.Kept[0].Why.Code != "keep_max_past" || p.History.Peak.Highest != float64(limit/10) {
		t.Errorf("quiet days: %+v", p)
	}
	keep(t, busy, name, limit-limit/10, limit)
	recordFor(t, busy, name, 50)
	p := planned(t, args(busy)...)
	if p.History == nil || !p.History.Burst || p.Measured != nil || !noted(&p, "note_kept_low") || len(p.Steps) == 0 || p.Steps[len(p.Steps)-1].Reason.Code != "reason_max_past" {
		t.Errorf("a busy day, and a recording that does not show it: %+v", p)
	}
	keep(t, other, "another", limit, limit)
	recordFor(t, other, "another", 50)
	if p := planned(t, args(other)...); p.History != nil || p.Measured != nil || len(p.Notes) != len(before.Notes) {
		t.Errorf("of another namespace: %+v", p)
	}

	alone := t.TempDir()
	file := recordFor(t, alone, name, 50)
	if p := planned(t, args(alone)...); p.Measured == nil || p.Measured.Alternatives[0].Peak.High != 50 || !noted(&p, "note_kept_used") || p.Measured.Sources[0] != file {
		t.Errorf("a recording: %+v", p)
	}
	if p := planned(t, append(args(alone), "--set", "tcp_timeout_established=7200")...); p.Measured != nil || len(p.Steps) != 1 {
		t.Errorf("a wish beside a recording: %+v", p)
	}

	text := []byte("no database, no recording, but long enough to look at")
	if err := os.WriteFile(filepath.Join(torn, "history.db"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordFor(t, torn, name, 1), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if p := planned(t, args(torn)...); p.History != nil || p.Measured != nil || !noted(&p, "note_kept_history") || len(p.Steps) != 0 {
		t.Errorf("what cannot be read: %+v", p)
	}
}
