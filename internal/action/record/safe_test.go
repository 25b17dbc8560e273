package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/lab"
)

// TestDiskFills: on a disk that is full flows are counted as unsaved, what was whole stays whole, and recording goes
// on when there is room again.
func TestDiskFills(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	short(t, ns)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := start(t, ns, record.Options{Dir: dir, FileAge: time.Second})
	send(t, w, udp(1), udp(2))
	r.until(t, func(c record.Counts) bool { return c.Files >= 1 })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for i := range 2000 {
		send(t, w, udp(100+i))
	}
	r.until(t, func(c record.Counts) bool { return c.Unsaved > 0 })
	lost := r.last.Load().Unsaved
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	files := r.last.Load().Files
	for i := range 10 {
		send(t, w, udp(5000+i))
	}
	r.until(t, func(c record.Counts) bool { return c.Files > files })
	r.stop()
	err := <-r.ended // says what went wrong meanwhile
	all, _ := rows(t, dir)
	if uint64(len(all)) != r.final.Flows || r.final.Flows < 2 || r.final.Unsaved < lost {
		t.Errorf("%d rows, %+v, %v", len(all), r.final, err)
	}
	if !slices.ContainsFunc(all, func(x rec) bool { return x.Orig.Src == addrOf(5003) }) {
		t.Error("nothing was recorded after there was room again")
	}
}

// TestOneRecordingADirectory: a second is refused, and leaves the first's file alone.
func TestOneRecordingADirectory(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	r := start(t, ns, record.Options{Dir: dir})
	err := ns.Run(func() error {
		_, err := record.Run(t.Context(), record.Options{Dir: dir})
		return err
	})
	if !errors.Is(err, record.ErrBusy) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second recording: %v", err)
	}
	send(t, w, udp(1))
	r.until(t, func(c record.Counts) bool { return c.Open == 1 })
	if c := r.end(t); c.Flows != 1 || c.Unsaved != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTornFileIsNamed: what a recording left that died is named and removed.
func TestTornFileIsNamed(t *testing.T) {
	lab.Share(t)
	_, ns := tracked(t)
	dir := t.TempDir()
	torn := filepath.Join(dir, "flows-20260101T000000.000Z.parquet.part")
	if err := os.WriteFile(torn, []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	var named []string
	r := start(t, ns, record.Options{Dir: dir, Torn: func(name string) { named = append(named, name) }})
	r.end(t)
	if _, err := os.Stat(torn); !slices.Equal(named, []string{torn}) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, %v", named, err)
	}
}

// TestBudget: the share shrinks until what comes fits, and each row says the share that it stands for.
func TestBudget(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	short(t, ns)
	dir := t.TempDir()
	const perHour = 24 * 3600 * 20 // 20 flows a second
	r := start(t, ns, record.Options{Dir: dir, Budget: perHour})
	sent := 0
	for range 140 { // 200 a second, for 14 s: the share is set twice
		for range 20 {
			send(t, w, udp(sent))
			sent++
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.until(t, func(c record.Counts) bool { return c.Sample < 0.3 })
	c := r.end(t)
	all, notes := rows(t, dir)
	stood, least := 0.0, 1.0
	for _, x := range all {
		s := 1.0
		if x.Sample > 0 {
			s = x.Sample
		}
		stood += 1 / s
		least = min(least, s)
	}
	if least > 0.3 || stood < 0.7*float64(sent) || stood > 1.3*float64(sent) || notes["sample"] == "" || len(all) > sent*3/4 {
		t.Errorf("%d rows stand for %.0f of %d flows, the least share %v; %v, %+v", len(all), stood, sent, least, notes, c)
	}
}

// TestRefusedIsCounted: packets that a full table refuses are counted.
func TestRefusedIsCounted(t *testing.T) {
	lab.Lock(t)
	w, ns := tracked(t)
	lab.Fill(t, ns, 0, lab.Mix{Established: 100})
	dir := t.TempDir()
	r := start(t, ns, record.Options{Dir: dir, Sample: 0.001})
	time.Sleep(1200 * time.Millisecond) // the counters are looked at once a second
	for i := range 300 {
		send(t, w, udp(i))
	}
	r.until(t, func(c record.Counts) bool { return c.Refused >= 250 })
	if c := r.end(t); c.Refused > 300 {
		t.Errorf("%+v", c)
	}
	if _, notes := rows(t, dir); notes["refused"] == "0" || notes["refused"] == "" {
		t.Errorf("%v", notes)
	}
}

// TestReadingsSeePackets: a reading that finds a timer set anew tells that a packet came.
func TestReadingsSeePackets(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	send(t, w, udp(1), udp(2))
	r := start(t, ns, record.Options{Dir: dir, Every: 300 * time.Millisecond})
	time.Sleep(3500 * time.Millisecond)
	send(t, w, udp(1)) // its timer starts again
	time.Sleep(800 * time.Millisecond)
	r.end(t)
	all, _ := rows(t, dir)
	for _, x := range all {
		again := x.Orig.Src == addrOf(1)
		if again == x.Last.IsZero() || again && (x.LastError <= 0 || x.LastError > 2*time.Second || time.Since(x.Last) > 5*time.Second) {
			t.Errorf("%v: last %v ± %v", x.Orig.Src, x.Last, x.LastError)
		}
	}
	if len(all) != 2 {
		t.Errorf("%d rows", len(all))
	}
}

// openRecords are the files that can be read whole; the test of a killed recording uses it.
func openRecords(t testing.TB, dir string) (whole, torn int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r, err := capture.OpenRecord(name)
		if err != nil {
			torn++
			continue
		}
		whole++
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	return whole, torn
}
