package history

import (
	"path/filepath"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// TestClockSteps: a clock that is set to next year, to last year and right again costs no sample of before.
func TestClockSteps(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	db, _, err := Open(filepath.Join(t.TempDir(), "h.db"), Options{Now: c.now, FlushEvery: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	begin := c.at
	put := func(n int) {
		for range n {
			s := snapshot.Sample{At: c.at, Count: 5, Peak: 5, Max: 10}
			s.Rises.Drop = 1
			db.Add("host", s)
		}
	}
	put(100)
	for _, step := range []time.Duration{365 * 24 * time.Hour, -730 * 24 * time.Hour, 365 * 24 * time.Hour} {
		c.at = c.at.Add(step)
		put(10)
	}
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	dropped := uint64(0)
	got, err := db.Samples(t.Context(), "host", begin, c.at, 1000)
	for _, s := range got {
		dropped += s.Rises.Drop
	}
	if err != nil || dropped != 110 {
		t.Errorf("%d of the 110 samples of the right time are there, %v", dropped, err)
	}
	if lost, kept, err := db.Trouble(); lost > 0 || len(kept) > 0 || err != nil {
		t.Errorf("lost %d, kept %v, %v", lost, kept, err)
	}
}

// TestSettledClockPrunes: what is old by a clock that stays is deleted.
func TestSettledClockPrunes(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	db, _, err := Open(filepath.Join(t.TempDir(), "h.db"), Options{Now: c.now, FlushEvery: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	begin := c.at
	fill(db, c, 60)
	c.at = c.at.Add(2 * time.Hour)
	db.pruned, db.wall, db.passed = c.at.Add(-pruneEvery), c.at, time.Now()
	fill(db, c, 5)
	if got, err := db.Samples(t.Context(), "host", begin, begin.Add(time.Minute), 1000); err != nil || len(got) > 0 && got[0].Step == time.Second {
		t.Errorf("seconds of two hours ago are kept: %d, %v", len(got), err)
	}
}
