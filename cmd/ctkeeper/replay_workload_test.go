package main

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const slowLeak = `
duration: 100s
tail: 1s
traffic:
- protocol: tcp
  rate: 10
  steady: true
  sources: 10.9.0.0/16
  destinations: 192.0.2.9
  port: 5432
  end: silence
`

func TestReplayWorkload(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "leak.yaml")
	if err := os.WriteFile(path, []byte(slowLeak), 0o600); err != nil {
		t.Fatal(err)
	}
	// Alone: established flows stay, so the count is what came.
	alone := replayedJSON(t, nil, "--workload", path, "--kernel", "6.18", "--variant", "tcp_timeout_established=20")
	if p := alone.Runs[0].Peak; p < 990 || p > 1000 {
		t.Errorf("a leak of 10 a second for 100 s peaked at %d", p)
	}
	if p := alone.Runs[1].Peak; p < 200 || p > 10*(20+60)+1 {
		t.Errorf("with 20 s it peaked at %d", p)
	}
	// Who reads the table keeps it low: what expired goes at once.
	if r := replayedJSON(t, nil, "--workload", path, "--kernel", "6.18", "--set", "tcp_timeout_established=20", "--read-every", "1s").Runs[1]; r.Peak > 10*(20+1)+15 {
		t.Errorf("read every second it peaked at %d", r.Peak)
	}
	// Beside a capture of 500 SYNs in half a second.
	mixed := replayedJSON(t, synFlood(500), "-", "--repair", "--workload", path, "--kernel", "6.18")
	if p := mixed.Runs[0].Peak; p < 1400 || p > 1500 {
		t.Errorf("both together peaked at %d", p)
	}
	if err := os.WriteFile(path, []byte(slowLeak+"  speed: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := replayed(t, nil, "--workload", path, "--kernel", "6.18"); code != 1 || !strings.Contains(errs, "leak.yaml: line 12: field speed not found") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestReplayOutputFiles(t *testing.T) {
	dir := t.TempDir()
	names := []string{"r.html", "p.svg", "c.csv", "c.parquet"}
	for i, n := range names {
		names[i] = filepath.Join(dir, n)
	}
	code, _, errs := replayed(t, synFlood(50), "-", "--repair", "--kernel", "6.18", "--set", "max=10", "--report", names[0], "--plot", names[1], "--csv", names[2], "--parquet", names[3])
	if code != 0 {
		t.Fatal(errs)
	}
	for i, want := range []string{"<h1>", "<svg", "run,time,count,held,refused,early_drops\n0,2023-11-14T22:13:20.000Z,50,0,0,0\n1,2023-11-14T22:13:20.000Z,10,0,", "PAR1"} {
		b, err := os.ReadFile(names[i])
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %.200s", names[i], err, b)
		}
	}
	plot := filepath.Join(dir, "p.png")
	if code, _, errs := replayed(t, synFlood(50), "-", "--repair", "--kernel", "6.18", "--plot", plot); code != 0 {
		t.Error(errs)
	}
	f, err := os.Open(plot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() < 1000 {
		t.Errorf("no picture: %v", err)
	}
	if code, _, errs := replayed(t, synFlood(5), "-", "--repair", "--kernel", "6.18", "--csv", "/nonexistent/x.csv"); code != 1 || !strings.Contains(errs, "/nonexistent/x.csv") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
