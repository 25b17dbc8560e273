package history

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T, path string, c *clock) *DB {
	t.Helper()
	db, kept, err := Open(path, Options{Now: c.now})
	if err != nil || kept != "" {
		t.Fatalf("open: %v, kept %q", err, kept)
	}
	return db
}

// fill adds a sample a second: a rising count, three refusals a minute.
func fill(db *DB, c *clock, n int) {
	for i := range n {
		s := snapshot.Sample{At: c.at, Count: int64(i), Peak: int64(i), Max: 1000}
		if i%20 == 0 {
			s.Rises.Refused = 1
		}
		db.Add("host", s)
		c.at = c.at.Add(time.Second)
	}
}

func TestSteps(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	db := open(t, filepath.Join(t.TempDir(), "h.db"), c)
	begin := c.at
	fill(db, c, 7200)
	held := int64(5)
	db.Add("host", snapshot.Sample{At: c.at, Count: 7, Peak: 7, Max: 1000, Held: &held})
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		from time.Time
		n    int
		step time.Duration
	}{{c.at.Add(-59 * time.Second), 60, time.Second}, {begin, 721, 10 * time.Second}, {c.at.Add(-48 * time.Hour), 121, time.Minute}} {
		got, err := db.Samples(t.Context(), "host", want.from, c.at, 3000)
		if err != nil || len(got) != want.n || got[0].Step != want.step {
			t.Fatalf("from %v: %d samples at %v, %v; want %d at %v", want.from, len(got), got[0].Step, err, want.n, want.step)
		}
		refused := uint64(0)
		for _, s := range got {
			refused += s.Rises.Refused
		}
		if want.step > time.Second && refused != 360 {
			t.Errorf("step %v holds %d refusals, want 360", want.step, refused)
		}
		if last := got[len(got)-1]; last.Held == nil || *last.Held != 5 || last.Peak < 7 {
			t.Errorf("the last at step %v is %+v", want.step, last)
		}
	}
	c.at = c.at.Add(2 * time.Hour)
	if err := db.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := db.Samples(t.Context(), "host", c.at.Add(-time.Hour), c.at, 4000); len(got) != 0 {
		t.Errorf("%d seconds are kept after two hours", len(got))
	}
	names, err := db.Namespaces(t.Context())
	if err != nil || len(names) != 1 || names[0] != "host" {
		t.Errorf("namespaces %v %v", names, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestIncidents(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	path := filepath.Join(t.TempDir(), "h.db")
	db := open(t, path, c)
	i := snapshot.Incident{ID: "a", Namespace: "host", Began: c.at.UTC(), Refused: 5}
	db.Incident(i)
	i.Refused, i.Ended = 9, c.at.Add(time.Minute).UTC()
	db.Incident(i)
	db.Incident(snapshot.Incident{ID: "b", Namespace: "x", Began: c.at.Add(time.Hour).UTC()})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, _, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got, err := db.Incidents(t.Context(), c.at, c.at.Add(24*time.Hour), 10)
	if err != nil || len(got) != 2 || got[0].ID != "b" || got[1].Refused != 9 || !got[1].Ended.Equal(i.Ended) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSizeIsBounded(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	db, _, err := Open(filepath.Join(t.TempDir(), "h.db"), Options{Now: c.now, MaxBytes: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(db, c, 3500)
	if err := db.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, err := db.size(t.Context()); err != nil || size > 200<<10 {
		t.Errorf("%d bytes, %v", size, err)
	}
	if got, _ := db.Samples(t.Context(), "host", c.at.Add(-40*24*time.Hour), c.at, 3000); len(got) == 0 {
		t.Error("nothing is left at all")
	}
}

func TestDamagedFileIsKeptAside(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	for name, hurt := range map[string]func(b []byte) []byte{
		"no database": func([]byte) []byte { return bytes.Repeat([]byte("garbage "), 2000) },
		"torn page":   func(b []byte) []byte { return append(b[:8192:8192], bytes.Repeat([]byte{0xee}, len(b)-8192)...) },
	} {
		path := filepath.Join(t.TempDir(), "h.db")
		db := open(t, path, c)
		fill(db, c, 500)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		hurtBytes := hurt(b)
		if err := os.WriteFile(path, hurtBytes, 0o600); err != nil {
			t.Fatal(err)
		}
		db, kept, err := Open(path, Options{Now: c.now})
		if err != nil || kept == "" {
			t.Fatalf("%s: %v, kept %q", name, err, kept)
		}
		if aside, err := os.ReadFile(kept); err != nil || len(aside) != len(hurtBytes) || !bytes.Equal(aside[8192:], hurtBytes[8192:]) {
			t.Errorf("%s: what was kept aside is not the damaged file: %v", name, err)
		}
		fill(db, c, 20)
		if err := db.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamageInMidRun(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	path := filepath.Join(t.TempDir(), "h.db")
	db := open(t, path, c)
	fill(db, c, 100)
	if _, err := db.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte{0x55}, 40960), 0o600); err != nil {
		t.Fatal(err)
	}
	c.at = c.at.Add(time.Hour) // when the file is checked again
	fill(db, c, 200)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, kept, _ := db.Trouble()
	if len(kept) != 1 {
		t.Fatalf("kept %v", kept)
	}
	if got, err := db.Samples(t.Context(), "host", c.at.Add(-300*time.Second), c.at, 1000); err != nil || len(got) < 100 {
		t.Errorf("%d samples after the damage, %v", len(got), err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestTablesThatAreGone: a log that was cut short leaves a database without them, which is damage like another.
func TestTablesThatAreGone(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	told := ""
	db, _, err := Open(filepath.Join(t.TempDir(), "h.db"), Options{Now: c.now, Damaged: func(aside string) { told = aside }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(db, c, 30)
	if _, err := db.db.Exec("DROP TABLE sample"); err != nil {
		t.Fatal(err)
	}
	fill(db, c, 30)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := db.Samples(t.Context(), "host", c.at.Add(-30*time.Second), c.at, 100)
	if err != nil || len(got) < 20 || told == "" {
		t.Errorf("%d samples, kept %q, %v", len(got), told, err)
	}
}

// TestFullDisk fills a small file system under the history: samples of that time are lost and counted, and
// it goes on when there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("mounting a small file system: ", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	c := &clock{time.Unix(1.8e9, 0)}
	db := open(t, filepath.Join(dir, "h.db"), c)
	fill(db, c, 30)
	if err := db.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 512<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	fill(db, c, 2000)
	if _, _, err := db.Trouble(); err == nil {
		t.Error("a full disk was not noticed")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		db.waiting = db.waiting[max(0, len(db.waiting)-100):] // the 256 KiB hold no more
		if err := db.Flush(t.Context()); err == nil {
			break
		}
	}
	if got, err := db.Samples(t.Context(), "host", c.at.Add(-90*time.Second), c.at, 1000); err != nil || len(got) == 0 {
		t.Errorf("nothing was written after there was room again: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	c := &clock{time.Unix(1.8e9, 0)}
	db := open(t, filepath.Join(t.TempDir(), "h.db"), c)
	if err := db.db.Close(); err != nil { // every write fails from here on
		t.Fatal(err)
	}
	fill(db, c, maxWaiting+50)
	lost, _, last := db.Trouble()
	if lost != 50 || last == nil || len(db.waiting) != maxWaiting {
		t.Errorf("lost %d, waiting %d, %v", lost, len(db.waiting), last)
	}
}

// TestKill ends a process in the middle of its writing: what was written before is there.
func TestKill(t *testing.T) {
	if path := os.Getenv("CTKEEPER_HISTORY_VICTIM"); path != "" {
		victim(path)
	}
	path := filepath.Join(t.TempDir(), "h.db")
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "CTKEEPER_HISTORY_VICTIM="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 8)); err != nil { // it has written once
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round*7) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		db, kept, err := Open(path, Options{})
		if err != nil || kept != "" {
			t.Fatalf("round %d: %v, kept %q", round, err, kept)
		}
		got, err := db.Samples(t.Context(), "host", time.Unix(0, 0), time.Now(), 1e6)
		if err != nil || len(got) == 0 {
			t.Errorf("round %d: %d samples, %v", round, len(got), err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// victim writes until it is killed, or half a minute has passed.
func victim(path string) {
	db, _, err := Open(path, Options{})
	if err != nil {
		panic(err)
	}
	begin := time.Now()
	for i := 0; time.Since(begin) < 30*time.Second; i++ {
		db.Add("host", snapshot.Sample{At: time.Now(), Count: int64(i), Max: 100})
		if i%10 == 0 {
			if err := db.Flush(context.Background()); err != nil {
				panic(err)
			}
			os.Stdout.WriteString("written\n")
		}
	}
	os.Exit(1)
}
