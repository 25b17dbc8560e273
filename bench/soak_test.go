package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/lab"
)

// TestSoak runs the daemon under all that may happen to it at once: new flows, namespaces that come and go, storms in
// the kernel's log, a full disk, a database that is corrupted, a configuration read again, readers of page and
// metrics. A second sampler with a history of its own, in this process, has a clock that steps: the machine's is
// not the test's to set. Nothing may be lost but what is counted or said, and nothing may grow.
// CTKEEPER_SOAK is how long, 12 s without it.
func TestSoak(t *testing.T) {
	lab.Need(t)
	during := 12 * time.Second
	if d, err := time.ParseDuration(os.Getenv("CTKEEPER_SOAK")); err == nil {
		during = d // too long to hold up who changes the machine's max: nothing here depends on it
	} else {
		lab.Share(t)
	}
	s := newSoak(t, during)
	ctx, stop := context.WithTimeout(t.Context(), during)
	defer stop()
	var all sync.WaitGroup
	for _, stress := range []func(context.Context){s.churn, s.spaces, s.storms, s.fullDisk, s.corrupt, s.reload, s.page, s.watch, s.steppingClock} {
		all.Go(func() { stress(ctx) })
	}
	all.Wait()
	s.settle()
	s.checkCounters()
	s.checkGrowth()
	s.end()
	s.checkHistory()
}

// soak is a run.
type soak struct {
	t        *testing.T
	d        *daemon
	state    string
	config   string
	log      string // a file
	during   time.Duration
	wire     *lab.Wire
	space    *lab.Namespace
	incident chan string

	mu      sync.Mutex
	figures []figures
	told    int
	damaged []time.Time
}

// figures are the daemon's own at one time.
type figures struct{ resident, goroutines, files float64 }

func newSoak(t *testing.T, during time.Duration) *soak {
	dir := t.TempDir()
	s := &soak{t: t, during: during, state: filepath.Join(dir, "state"), config: filepath.Join(dir, "ctkeeper.yaml"), log: filepath.Join(dir, "log")}
	if err := os.Mkdir(s.state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.state, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.state, 0); err != nil {
			t.Error(err)
		}
	})
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only counted
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.told++; s.told%3 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(hook.Close)
	s.wire, s.space = lab.Tracked(t)
	if _, err := s.wire.Send(lab.Datagrams(0, 50)...); err != nil { // a table that holds nothing is not watched yet
		t.Fatal(err)
	}
	s.write("pressure: 0.0005\nhistory_size: 8MiB\nwebhooks: [{url: '" + hook.URL + "'}]\n")
	s.d = serveWith(t, s.log, "--config", s.config, "--state-dir", s.state)
	return s
}

func (s *soak) write(text string) {
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// every calls fn again and again until the context ends.
func every(ctx context.Context, pause time.Duration, fn func(n int)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fn(n)
		}
	}
}

// at waits for a share of the run; false when it ended before.
func (s *soak) at(ctx context.Context, share float64) bool {
	deadline, _ := ctx.Deadline()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Until(deadline.Add(-time.Duration((1 - share) * float64(s.during))))):
		return true
	}
}

// churn makes 2,000 flows a second, and packets that are invalid.
func (s *soak) churn(ctx context.Context) {
	every(ctx, 100*time.Millisecond, func(n int) {
		packets := lab.Datagrams(n*200%(1<<22), 200)
		for i := range 5 {
			bad := slices.Clone(packets[i])
			bad[26] ^= 0x55 // the checksum
			packets = append(packets, bad)
		}
		if _, err := s.wire.Send(packets...); err != nil {
			s.t.Error(err)
		}
	})
}

// spaces lets namespaces come, fill and go, some of them within a second.
func (s *soak) spaces(ctx context.Context) {
	var live []*lab.Namespace
	every(ctx, max(s.during/100, 500*time.Millisecond), func(n int) {
		ns, err := lab.Create("soak")
		if err == nil {
			_, err = lab.FillTable(ctx, ns, 300, lab.Mix{Established: 100, Timeout: 600})
			live = append(live, ns)
		}
		if err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
		for len(live) > n%4*3 {
			if err := live[0].Close(); err != nil {
				s.t.Error(err)
			}
			live = live[1:]
		}
	})
	for _, ns := range live {
		if err := ns.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// storms writes more lines into the kernel's log than anybody can follow, some about the soak's own table.
func (s *soak) storms(ctx context.Context) {
	line := fmt.Sprintf("nf_conntrack: nf_conntrack: table full in netns %d, dropping packet\n", s.space.Inode)
	for _, share := range []float64{0.2, 0.5, 0.8} {
		if !s.at(ctx, share) {
			return
		}
		for i := range 3000 {
			text := "ctkeeper soak: a storm in the kernel's log, line " + strconv.Itoa(i) + "\n"
			if i%100 == 0 {
				text = line
			}
			if err := os.WriteFile("/dev/kmsg", []byte(text), 0); err != nil { // opened anew: ten lines are let in each time
				s.t.Error(err)
				return
			}
		}
	}
}

// fullDisk fills the file system of the history for a while, twice.
func (s *soak) fullDisk(ctx context.Context) {
	filler := filepath.Join(s.state, "filler")
	for _, share := range []float64{0.3, 0.7} {
		if !s.at(ctx, share) {
			return
		}
		if err := os.WriteFile(filler, make([]byte, 32<<20), 0o600); err == nil {
			s.t.Error("the disk did not fill")
		}
		s.at(ctx, share+0.08)
		if err := os.Remove(filler); err != nil {
			s.t.Error(err)
		}
	}
}

// corrupt overwrites the database and its log while they are in use: all but their heads first, later all.
func (s *soak) corrupt(ctx context.Context) {
	for i, share := range []float64{0.45, 0.6} {
		if !s.at(ctx, share) {
			return
		}
		for _, name := range []string{"history.db", "history.db-wal"} {
			if err := overwrite(filepath.Join(s.state, name), int64(4096*(1-i))); err != nil {
				s.t.Error(err)
			}
		}
		s.mu.Lock()
		s.damaged = append(s.damaged, time.Now())
		s.mu.Unlock()
	}
}

// overwrite puts garbage into a file from an offset on.
func overwrite(path string, from int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > from {
		_, err = f.WriteAt(slices.Repeat([]byte{0xa5}, int(info.Size()-from)), from)
	}
	return errors.Join(err, f.Close())
}

// reload has the configuration read again, one time in three a wrong one.
func (s *soak) reload(ctx context.Context) {
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Error(err)
	}
	every(ctx, s.during/8, func(n int) {
		s.write(string(text) + map[bool]string{true: "nonsense: 1\n", false: ""}[n%3 == 1])
		if err := s.d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			s.t.Error(err)
		}
	})
}

// page reads as an open page does, over all that the history has, and goes on where the daemon begins anew.
func (s *soak) page(ctx context.Context) {
	var streams sync.WaitGroup
	streams.Go(func() {
		every(ctx, time.Second, func(int) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.d.url+"/api/v1/events", nil)
			if err != nil {
				return
			}
			if resp, err := http.DefaultClient.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body) // until it is read again, or over
				_ = resp.Body.Close()
			}
		})
	})
	every(ctx, max(s.during/300, 500*time.Millisecond), func(int) {
		for _, path := range []string{"history?last=86400&limit=5000", "history?last=600", "incidents", "findings", "flows?by=src"} {
			if resp, err := http.Get(s.d.url + "/api/v1/" + path); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body) // errors are the corrupted file's, for a moment
				_ = resp.Body.Close()
			}
		}
	})
	streams.Wait()
}

// watch scrapes, and keeps the daemon's own figures.
func (s *soak) watch(ctx context.Context) {
	every(ctx, min(s.during/60, time.Second), func(int) {
		m := s.metrics()
		if len(m) == 0 {
			return // it begins anew
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.figures = append(s.figures, figures{m["ctkeeper_resident_memory_bytes"], m["ctkeeper_goroutines"], m["ctkeeper_open_files"]})
	})
}

var sampleLine = regexp.MustCompile(`^(\S+) (\S+)$`)

// metrics are one scrape, by series.
func (s *soak) metrics() map[string]float64 {
	resp, err := http.Get(s.d.url + "/metrics")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if m := sampleLine.FindStringSubmatch(lines.Text()); m != nil {
			out[m[1]], _ = strconv.ParseFloat(m[2], 64)
		}
	}
	return out
}

// steppingClock runs a second sampler, whose clock is set forth and back by minutes, days and a year.
func (s *soak) steppingClock(ctx context.Context) {
	begun := time.Now()
	steps := []time.Duration{0, time.Hour, -time.Hour, 0, 365 * 24 * time.Hour, -20 * time.Minute, 24 * time.Hour, 0}
	now := func() time.Time {
		share := float64(time.Since(begun)) / float64(s.during)
		return time.Now().Round(0).Add(steps[min(int(share*float64(len(steps))), len(steps)-1)])
	}
	db, _, err := history.Open(filepath.Join(s.t.TempDir(), "h.db"), history.Options{Now: now})
	if err != nil {
		s.t.Error(err)
		return
	}
	host, err := sample.NewHost(func(fn func()) { fn() })
	if err != nil {
		s.t.Error(err)
	}
	sampler := sample.New(host, sample.Options{Store: db, Now: now, Pressure: 0.0005, Changed: func(i snapshot.Incident) {
		if !i.Ended.IsZero() && i.Ended.Before(i.Began) {
			s.t.Errorf("an incident that ended before it began: %+v", i)
		}
	}})
	sampler.Run(ctx)
	if err := db.Flush(context.Background()); err != nil {
		s.t.Error(err)
	}
	lost, kept, err := db.Trouble()
	if lost > 0 || len(kept) > 0 || err != nil {
		s.t.Errorf("under a stepping clock: lost %d, damaged %v, %v", lost, kept, err)
	}
	got, err := db.Samples(context.Background(), s.space.Name, begun.Add(-2*time.Hour), begun.Add(2*time.Hour), 20000)
	if err != nil || len(got) == 0 {
		s.t.Errorf("%d samples, %v", len(got), err)
	} else {
		s.t.Logf("under the stepping clock %d samples of %v within two hours of the right time", len(got), got[0].Step)
	}
	if err := errors.Join(db.Close(), host.Close()); err != nil {
		s.t.Error(err)
	}
}

// settle waits until the daemon has seen the last packet.
func (s *soak) settle() { time.Sleep(3 * time.Second) }

// kernel sums the kernel's own counters of the churn's namespace.
func (s *soak) kernel() map[string]uint64 {
	conn, err := lab.Dial(s.space)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	cpus, err := conn.CPUStats(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	return ctnetlink.Sum(cpus)
}

// checkCounters: what is exported is what the kernel counted, though the table was watched by a daemon that
// read its configuration again meanwhile.
func (s *soak) checkCounters() {
	m, k := s.metrics(), s.kernel()
	for _, name := range []string{"invalid", "drop", "early_drop", "insert_failed", "search_restart"} {
		if got := m[fmt.Sprintf("ctkeeper_%s_total{namespace=%q}", name, s.space.Name)]; got != float64(k[name]) {
			s.t.Errorf("%s: %v exported, %d counted by the kernel", name, got, k[name])
		}
	}
	if k["invalid"] == 0 {
		s.t.Error("the churn made no invalid packet: nothing was compared")
	}
	said, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, what := range []string{"samples", "tables", "history"} {
		lost := m[`ctkeeper_lost_total{what="`+what+`"}`]
		if s.t.Logf("%v %s lost", lost, what); lost > 0 && !strings.Contains(string(said), "msg=lost what="+what) {
			s.t.Errorf("the log does not say why %v %s were lost", lost, what)
		}
	}
	s.t.Logf("invalid %d; log overtaken %v times; unreadable namespaces %v", k["invalid"], m[`ctkeeper_lost_total{what="log"}`], m["ctkeeper_namespaces_unreadable"])
}

// checkGrowth compares the last tenth of the run with the second fifth.
func (s *soak) checkGrowth() {
	n := len(s.figures)
	if n < 10 {
		s.t.Fatalf("%d scrapes only", n)
	}
	early, late := most(s.figures[n/5:2*n/5]), most(s.figures[n-n/10:])
	s.t.Logf("early and late maxima of %d scrapes: resident %.1f and %.1f MiB, goroutines %v and %v, open files %v and %v", n,
		early.resident/(1<<20), late.resident/(1<<20), early.goroutines, late.goroutines, early.files, late.files)
	if late.resident > 1.3*early.resident+4<<20 || late.goroutines > early.goroutines+20 || late.files > early.files+20 {
		s.t.Error("it grows")
	}
}

func most(all []figures) (m figures) {
	for _, f := range all {
		m.resident, m.goroutines, m.files = max(m.resident, f.resident), max(m.goroutines, f.goroutines), max(m.files, f.files)
	}
	return m
}

// end stops the daemon, which must end well.
func (s *soak) end() {
	if err := s.d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.d.wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// checkHistory: the damaged files are there and named in the log, and since the last damage no stretch is missing.
func (s *soak) checkHistory() {
	text, err := os.ReadFile(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	aside, err := filepath.Glob(filepath.Join(s.state, "history.db.damaged-*Z"))
	// One may come before the last was noticed, and a small file is written anew before anybody reads it.
	if err != nil || len(aside) > len(s.damaged) || len(aside) == 0 && s.during > 5*time.Minute {
		s.t.Errorf("%d damages, kept %v, %v", len(s.damaged), aside, err)
	}
	s.t.Logf("%d damages, %d files kept aside", len(s.damaged), len(aside))
	if losses := regexp.MustCompile(`.*msg=lost.*`).FindAllString(string(text), 20); len(losses) > 0 {
		s.t.Log(strings.Join(losses, "\n"))
	}
	for _, path := range aside {
		if !strings.Contains(string(text), path) {
			s.t.Errorf("the log does not name %s", path)
		}
	}
	if !strings.Contains(string(text), "the history cannot be written") {
		s.t.Error("the log does not tell of the full disk")
	}
	db, _, err := history.Open(filepath.Join(s.state, "history.db"), history.Options{ReadOnly: true})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	from := s.damaged[len(s.damaged)-1].Add(s.during / 20) // when it was noticed at the latest
	got, err := db.Samples(context.Background(), s.space.Name, from, time.Now(), 20000)
	if err != nil || len(got) == 0 {
		s.t.Fatalf("%d samples since the last damage, %v\n%s", len(got), err, text)
	}
	longest := time.Duration(0)
	for i := range got[1:] {
		longest = max(longest, got[i+1].At.Sub(got[i].At))
	}
	s.t.Logf("%d samples in %v since the last damage, the longest gap %v; webhook called %d times", len(got), time.Since(from).Round(time.Second), longest, s.told)
	if longest > 15*time.Second+10*got[0].Step {
		s.t.Errorf("a gap of %v", longest)
	}
}
