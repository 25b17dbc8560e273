package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// lines prints events as the conntrack tool does.
type lines struct{}

func (lines) Event(b []byte, _ ctnetlink.EventKind, fl *flow.Flow, _ uint32) []byte {
	return append(flow.AppendText(append(b, "    [NEW] "...), fl, flow.TextOptions{}), '\n')
}
func (lines) Expect(b []byte, _ ctnetlink.EventKind, _ *flow.Expectation) []byte { return b }
func (lines) Lost(b []byte, _ sample.Counts) []byte                              { return b }
func (lines) Sync(b []byte, _ *flow.Flow) []byte                                 { return b }
func (lines) Synced(b []byte, _ uint64, _ bool) []byte                           { return b }

// playWatch follows new flows until standard input ends.
func playWatch() error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	o := sample.WatchOptions{Kinds: ctnetlink.EventNew, Buffer: 64 << 20, Ready: func() { fmt.Fprintln(os.Stderr, "ready") }}
	c, err := sample.Watch(ctx, o, lines{}, os.Stdout)
	fmt.Fprintln(os.Stderr, c.Written, c.Lost+c.Slow)
	return err
}

// follower is a contestant that follows events while flows are made.
type follower struct {
	name, role string
	args       []string
	cpu        []time.Duration
	seen, lost int
	said       string // all that it told at the end
	refused    int    // by the kernel, its table being full: no flows, and no events
}

// run follows n new flows in a namespace of its own, and returns how fast they were made.
func (f *follower) run(t *testing.T, n int) (perSecond float64) {
	t.Helper()
	w, ns := lab.Tracked(t)
	cmd := exec.Command(os.Args[0])
	if f.args != nil {
		cmd = exec.Command(f.args[0], f.args[1:]...)
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+f.role)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(errs)
	if !said.Scan() || said.Text() != "ready" {
		t.Fatalf("%s: %s", f.name, said.Text())
	}
	packets := lab.Datagrams(0, n)
	start := time.Now()
	sent, err := w.Send(packets...)
	took := time.Since(start)
	if err != nil || sent != n {
		t.Fatal(sent, err)
	}
	time.Sleep(300 * time.Millisecond)
	f.refused = drops(t, ns)
	_ = in.Close()
	if !said.Scan() {
		t.Fatalf("%s says nothing", f.name)
	}
	f.said = said.Text()
	if _, err := fmt.Sscan(f.said, &f.seen, &f.lost); err != nil {
		t.Fatalf("%s: %q: %v", f.name, f.said, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	f.cpu = append(f.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	return float64(n) / took.Seconds()
}

// drops is how many packets the kernel dropped in a namespace: it counts them from 0.
func drops(t *testing.T, ns *lab.Namespace) (n int) {
	t.Helper()
	conn, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	all, err := conn.CPUStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, cpu := range all {
		n += int(cpu.Counters["drop"])
	}
	return n
}

// TestEvents follows flows that are made as fast as this machine can, with 64 MiB for the kernel to hold.
func TestEvents(t *testing.T) {
	lab.Need(t)
	n, runs := 5000, 1
	if v, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		n, runs = min(v, 100000), 5
	}
	floor := filepath.Join(t.TempDir(), "events")
	if out, err := exec.Command("cc", "-O2", "-o", floor, "testdata/events.c").CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v: %s", err, out)
	}
	lab.Share(t)
	list := []*follower{{name: "C reader, thrown away", args: []string{floor}}, {name: "ctkeeper, printed as conntrack -E", role: "watch"}}
	var rates []float64
	for range runs {
		for _, f := range list {
			rates = append(rates, f.run(t, n))
			if f.seen != n || f.lost != 0 {
				t.Errorf("%s: seen %d, lost %d of %d", f.name, f.seen, f.lost, n)
			}
		}
	}
	var b strings.Builder
	slices.Sort(rates)
	fmt.Fprintf(&b, "%d new flows at %.0f a second, median of %d runs\n\n| what | cpu s | of the floor | seen, lost |\n|---|---|---|---|\n", n, rates[len(rates)/2], runs)
	for _, f := range list {
		slices.Sort(f.cpu)
		slices.Sort(list[0].cpu)
		ratio := float64(f.cpu[len(f.cpu)/2]) / float64(max(list[0].cpu[len(list[0].cpu)/2], 1))
		fmt.Fprintf(&b, "| %s | %.3f | %.2f | %d, %d |\n", f.name, f.cpu[len(f.cpu)/2].Seconds(), ratio, f.seen, f.lost)
	}
	t.Log("\n" + b.String())
}
