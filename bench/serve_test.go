package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
)

// daemon is `ctkeeper serve`, watching every namespace of the machine.
type daemon struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	wait func() error // for its end
}

// build makes the program, without cgo as it is shipped.
func build(t *testing.T, dir string) (program string) {
	t.Helper()
	program = filepath.Join(dir, "ctkeeper")
	cmd := exec.Command("go", "build", "-o", program, "../cmd/ctkeeper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// serve starts it with its defaults.
func serve(t *testing.T) *daemon {
	t.Helper()
	dir := t.TempDir()
	return serveWith(t, filepath.Join(dir, "log"), "--state-dir", filepath.Join(dir, "state"))
}

// serveWith starts it with options, logging into a file.
func serveWith(t *testing.T, log string, options ...string) *daemon {
	t.Helper()
	program := build(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	d := &daemon{t: t, url: "http://" + addr, cmd: exec.Command(program, append([]string{"serve", "--listen", addr}, options...)...)}
	said, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	d.cmd.Stderr = said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.wait = sync.OnceValue(d.cmd.Wait)
	t.Cleanup(func() {
		_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := d.wait(); err != nil {
			text, _ := os.ReadFile(log)
			t.Errorf("%v\n%s", err, text)
		}
	})
	for range 200 {
		if resp, err := http.Get(d.url + "/metrics"); err == nil {
			_ = resp.Body.Close()
			return d
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log)
	t.Fatalf("it does not answer: %s", text)
	return nil
}

// cost is the CPU used since the start, and the resident memory now and at its peak.
func (d *daemon) cost() (cpu time.Duration, now, most string) {
	d.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	for _, field := range f[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			d.t.Fatal(err)
		}
		cpu += time.Duration(ticks) * time.Second / 100
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	line := func(name string) string {
		_, rest, _ := strings.Cut(string(status), name+":")
		value, _, _ := strings.Cut(rest, "\n")
		return strings.TrimSpace(value)
	}
	return cpu, line("VmRSS"), line("VmHWM")
}

func (d *daemon) get(path string) time.Duration {
	d.t.Helper()
	begin := time.Now()
	resp, err := http.Get(d.url + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	unread := resp.StatusCode == http.StatusNotFound && strings.Contains(path, "namespace=") // not sampled, or its table not read yet
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK && !unread {
		d.t.Fatal(path, resp.Status, err)
	}
	return time.Since(begin)
}

// page asks for what the page asks for about a namespace, as often as it does, for a time.
func (d *daemon) page(ctx context.Context, namespace string, during time.Duration) {
	d.t.Helper()
	ctx, stop := context.WithTimeout(ctx, during)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/api/v1/events", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, resp.Body) // until the time is over
		_ = resp.Body.Close()
	}()
	for n := 0; ctx.Err() == nil; n++ {
		for _, path := range []string{"history?last=3600&limit=720&", "flows?by=src&", "incidents?"} {
			d.get("/api/v1/" + path + "namespace=" + namespace)
		}
		if n%6 == 0 {
			d.get("/api/v1/findings")
			d.get("/api/v1/settings")
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
	}
}

// share is the part of one core that the daemon takes while fn runs.
func (d *daemon) share(fn func()) float64 {
	cpu, _, _ := d.cost()
	begin := time.Now()
	fn()
	after, _, _ := d.cost()
	return (after - cpu).Seconds() / time.Since(begin).Seconds()
}

// own logs what the daemon says of its own cost, and how old what it shows is.
func (d *daemon) own(namespace string) {
	d.t.Helper()
	resp, err := http.Get(d.url + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "ctkeeper_table_read_") || strings.HasPrefix(line, "ctkeeper_namespaces ") || strings.HasPrefix(line, "ctkeeper_table_age_seconds{namespace=\""+namespace+"\"") {
			d.t.Log(strings.TrimSpace(line))
		}
	}
}

// TestServe measures the daemon with its defaults: over a large table with the page open, while flows are
// made at 20,000 a second, and scraped with 64 namespaces. CTKEEPER_BENCH is the number of flows; the daemon is
// watched for ten minutes then, or as long as CTKEEPER_BENCH_FOR says, so that the reading of the table at its beginning
// is spread as the budget spreads all others.
func TestServe(t *testing.T) {
	lab.Need(t)
	flows, during := 3000, 2*time.Second
	if n, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		flows, during = n, 10*time.Minute
	}
	if d, err := time.ParseDuration(os.Getenv("CTKEEPER_BENCH_FOR")); err == nil {
		during = d
	}
	room(t, flows)
	mix := lab.DefaultMix
	mix.Timeout = 86400
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, flows, mix)
	d := serve(t)
	// From the start on: what it took before the first answer is its cost too.
	begun := time.Now()
	d.page(t.Context(), ns.Name, during/5)
	first, _, _ := d.cost()
	rest := d.share(func() { d.page(t.Context(), ns.Name, during-during/5) })
	cpu, now, most := d.cost()
	t.Logf("the first fifth took %.2f CPU-seconds, with the first reading of the tables; the rest %.2f %% of a core", first.Seconds(), 100*rest)
	d.own(ns.Name)
	t.Logf("%d flows, page open, %.0f s from the start: %.2f %% of a core, resident %s, at most %s", flows, time.Since(begun).Seconds(),
		100*cpu.Seconds()/time.Since(begun).Seconds(), now, most)

	w, _ := lab.Tracked(t)
	made := 0
	busy := d.share(func() {
		for end := time.Now().Add(during / 5); time.Now().Before(end) && made < 200000; {
			begin := time.Now()
			sent, err := w.Send(lab.Datagrams(made, 2000)...)
			if err != nil {
				t.Fatal(err)
			}
			made += sent
			time.Sleep(time.Until(begin.Add(100 * time.Millisecond)))
		}
	})
	t.Logf("%d new flows at 20,000 a second at most: %.2f %% of a core", made, 100*busy)

	for range 62 { // with the table's and the churn's
		lab.Fill(t, lab.NewNamespace(t), 10, lab.Mix{Established: 100, Timeout: 86400})
	}
	time.Sleep(min(during, 40*time.Second)) // namespaces are looked for every half minute
	var took []time.Duration
	for range 50 {
		took = append(took, d.get("/metrics"))
	}
	d.own(ns.Name)
	slices.Sort(took)
	t.Logf("scrape: median %v, slowest of 50 %v", took[25], took[49])
}
