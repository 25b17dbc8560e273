package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/duckdb"
)

// recordInto records a namespace until the returned function is called; nothing may be lost.
func recordInto(t *testing.T, ns *lab.Namespace, dir string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	var counts record.Counts
	go func() {
		ended <- ns.Run(func() (err error) {
			counts, err = record.Run(ctx, record.Options{Dir: dir, Buffer: 64 << 20, Ready: func() { close(ready) }})
			return err
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if lost := counts.Lost + counts.Beyond + counts.Unsaved; lost != 0 {
			t.Errorf("the recorder lost %d of %d", lost, counts.Flows)
		}
	}
}

// recordedIn reads the flows that were made since a time; DuckDB must read as many rows.
func recordedIn(t *testing.T, dir string, since time.Time) (all []flow.Record) {
	names, err := filepath.Glob(filepath.Join(dir, "flows-*.parquet"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		r, err := capture.OpenRecord(name)
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if !rec.Start.Before(since) {
				all = append(all, rec)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("CTKEEPER_DUCKDB") == "" && os.Getenv("CI") != "true" {
		t.Log("not read by DuckDB: CTKEEPER_DUCKDB does not say where it is")
		return all
	}
	rows := duckdb.Rows(t, fmt.Sprintf("select count(*)::int from '%s' where start >= make_timestamptz(%d)", filepath.Join(dir, "*.parquet"), since.UnixMicro()))
	if want := fmt.Sprintf("[[%d]]", len(all)); rows != want {
		t.Errorf("DuckDB reads %s flows, want %s", rows, want)
	}
	return all
}

// bounds are what the peak may have been as far as the record tells: over the phases that are possible, which
// show in a record to about a second.
func (s shape) bounds(k *truth) (least, most int) {
	least = math.MaxInt
	for _, between := range []workload.Between{workload.Silent, workload.Busy} {
		for _, phase := range around(s.phases(k)) {
			g := workload.FromRecords(slices.Clone(k.recorded), between, 600*time.Millisecond)
			r := s.predict(k, phase, source{next: g.Next, begin: k.begin.UnixNano()})
			least, most = min(least, r.Peak), max(most, r.Peak)
		}
	}
	return least, most
}

// around adds a second on either side to a phase that is known.
func around(phases []int64) []int64 {
	if len(phases) != 1 {
		return phases
	}
	second := int64(time.Second)
	return []int64{max(phases[0]-second, 1), phases[0], phases[0] + second}
}
