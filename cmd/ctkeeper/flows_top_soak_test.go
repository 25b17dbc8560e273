package main

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/surface/wording"
)

// soakTime is how long the soak lasts; CTKEEPER_SOAK=5m is a day's worth.
func soakTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("CTKEEPER_SOAK")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// usage is what a process holds.
type usage struct {
	goroutines, descriptors int
	heap                    uint64
}

func used(t *testing.T) usage {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var mem runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&mem)
	return usage{runtime.NumGoroutine(), len(fds), mem.HeapAlloc}
}

// soak is a view in this process, so that its goroutines and memory can be counted.
type soak struct {
	*terminal
	ns   *lab.Namespace
	conn *ctnetlink.Conn
	view chan error
	stop context.CancelFunc
	made int // flows, so that each is new
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	ns := lab.NewNamespace(t)
	pty, err := lab.OpenPty(80, 24)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{
		terminal: &terminal{t: t, pty: pty, read: make(chan struct{}), screen: newScreen(80, 24)},
		ns:       ns, conn: conn, view: make(chan error, 1),
	}
	go s.follow()
	by, err := rank.ParseBy("src")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{streams: streams{pty.Program, pty.Program, pty.Program}, netns: ns.Path, lang: string(wording.English)}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(t.Context())
	go func() { s.view <- a.topLive(ctx, topRequest{by: by}) }()
	return s
}

// flood makes flows, of which most are deleted and the others end by themselves, and a namespace that
// comes and goes.
func (s *soak) flood() {
	s.t.Helper()
	const n = 20000
	mix := lab.Mix{Established: 40, TimeWait: 20, SynSent: 20, IPv6: 20, Sources: 5000, Timeout: 2, First: s.made}
	s.made += n
	lab.Fill(s.t, s.ns, n, mix)
	if _, err := s.conn.Delete(s.t.Context(), lab.Flows(n/10*9, mix), ctnetlink.ChangeOptions{}); err != nil {
		s.t.Fatal(err)
	}
	other, err := lab.Create("soak")
	if err != nil {
		s.t.Fatal(err)
	}
	lab.Fill(s.t, other, 2000, lab.Mix{Timeout: 1})
	if err := other.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// play presses keys and changes the terminal's size.
func (s *soak) play(round int) {
	sizes := [][2]int{{80, 24}, {200, 60}, {40, 10}, {132, 43}}
	size := sizes[round%len(sizes)]
	s.resize(size[0], size[1])
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil { // it is not this process's terminal
		s.t.Fatal(err)
	}
	keys := []string{"jj\r", "\x7f", "\t", "\x1b[Z", "s", "p", "p", "?", "x", "  u", "r", "/tcp\r", "/\x15\r", "g\x15src,dport\r", "g\x15src\r"}
	s.typed(keys[round%len(keys)])
}

// rehash changes the number of buckets under the readings.
func rehash(t *testing.T, machine *lab.Machine, round int) {
	t.Helper()
	if err := machine.Set(lab.Buckets, []string{"131072", "524288", "262144"}[round%3]); err != nil {
		t.Fatal(err)
	}
}

// settled is what is held at a quiet moment: readings come and go, so the least of some looks.
func (s *soak) settled() usage {
	least := used(s.t)
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		u := used(s.t)
		least = usage{min(least.goroutines, u.goroutines), min(least.descriptors, u.descriptors), min(least.heap, u.heap)}
	}
	return least
}

// TestTopSoak: under churn the live view holds no more at the end than at the beginning.
func TestTopSoak(t *testing.T) {
	machine := lab.Lock(t)
	began := used(t)
	s := startSoak(t)
	s.sees("flows by src")
	for round := range 15 { // every key once, every size
		s.flood()
		s.play(round)
		rehash(t, machine, round)
	}
	before := s.settled()
	rounds := 0
	for end := time.Now().Add(soakTime(t)); time.Now().Before(end) || rounds%15 != 0; rounds++ {
		s.flood()
		s.play(rounds)
		rehash(t, machine, rounds)
	}
	after := s.settled()
	t.Logf("%d rounds: before %+v, after %+v", rounds, before, after)
	if after.goroutines > before.goroutines+2 || after.descriptors > before.descriptors || after.heap > before.heap+before.heap/4+4<<20 {
		t.Errorf("before %+v, after %d rounds %+v", before, rounds, after)
	}
	s.sees("flows by src", "of")
	s.typed("q")
	if err := <-s.view; err != nil {
		t.Error(err)
	}
	s.stop()
	_ = s.conn.Close()
	_ = s.pty.Close()
	<-s.read
	// The namespace's two descriptors stay until the test ends, the goroutine of signals for good.
	if end := s.settled(); end.descriptors > began.descriptors+2 || end.goroutines > began.goroutines+1 {
		t.Errorf("began with %+v, ended with %+v", began, end)
	}
}

// TestTopOfANamespaceThatGoes: the view says that it can read no more, and can be left.
func TestTopOfANamespaceThatGoes(t *testing.T) {
	lab.Share(t)
	ns, err := lab.Create("goes")
	if err != nil {
		t.Fatal(err)
	}
	lab.Fill(t, ns, 100, lab.Mix{Timeout: 3000})
	m := startTerminal(t, 80, 24, nil, "flows", "top", "--netns", ns.Path)
	m.sees("10.0.0.1")
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	m.sees("no figures: open namespace", "no ranking: open namespace", "no such f")
	m.typed("q")
	if code := m.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
