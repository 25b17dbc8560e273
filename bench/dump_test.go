package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// roleVariable makes the test binary play one of the contestants.
const roleVariable = "CTKEEPER_BENCH_ROLE"

// TestMain plays a contestant when asked to.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// play is one contestant.
func play(role string) error {
	switch dir, record := strings.CutPrefix(role, "record "); {
	case record:
		return playRecord(dir)
	case role == "watch":
		return playWatch()
	case role == "summary":
		return playSummary()
	}
	return fmt.Errorf("no contestant is called %q", role)
}

// playSummary counts by every key at once, as a snapshot does.
func playSummary() error {
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	r := rank.New(rank.Options{})
	_, err = c.Dump(context.Background(), ctnetlink.DumpOptions{Fields: rank.Fields}, func(fl *flow.Flow) error { r.Add(fl); return nil })
	return err
}

// contestant is one row of the table.
type contestant struct {
	name  string
	args  []string // of the program; nil: this binary in role
	role  string
	floor string // the row it is measured against
	cpu   []time.Duration
	// KiB of resident memory at most, and of it what is the process's own: the rest is mapped from its file and shared
	// with the page cache.
	peak, own int
}

func (c *contestant) run(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	if c.args != nil {
		cmd = exec.Command(c.args[0], c.args[1:]...)
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+c.role)
	var note strings.Builder
	cmd.Stderr = &note
	var err error
	ns.Do(func() { err = cmd.Start() })
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	peak := watchPeak(cmd.Process.Pid)
	err = cmd.Wait()
	most := <-peak
	c.peak, c.own = max(c.peak, most[0]), max(c.own, most[1])
	if err != nil {
		t.Fatalf("%s: %v: %s", c.name, err, note.String())
	}
	c.cpu = append(c.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}

// watchPeak looks at a process's resident memory until it ends: its peak, and the most of its own.
func watchPeak(pid int) <-chan [2]int {
	peak := make(chan [2]int, 1)
	go func() {
		var most [2]int
		for {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if !strings.Contains(string(text), "VmHWM:") {
				peak <- most
				return
			}
			for i, name := range []string{"VmHWM:", "RssAnon:"} {
				kib := 0
				_, rest, _ := strings.Cut(string(text), name)
				_, _ = fmt.Sscan(rest, &kib)
				most[i] = max(most[i], kib)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return peak
}

func (c *contestant) median() time.Duration {
	s := slices.Sorted(slices.Values(c.cpu))
	return s[len(s)/2]
}

// built compiles a program of another language or module for a test.
func built(t *testing.T, name string, command ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "OUT", program)
	}
	cmd := exec.Command(command[0], command[1:]...)
	if os.Getenv("CTKEEPER_BENCH") != "" {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("build %s: %v: %s", name, err, out)
		}
		t.Skipf("build %s: %v: %s", name, err, out)
	}
	return program
}

// ctkeeper is the program as it is shipped; where nothing is measured, as it is compiled anyway.
func ctkeeper(t *testing.T) string {
	t.Helper()
	if os.Getenv("CTKEEPER_BENCH") == "" {
		return built(t, "ctkeeper", "go", "build", "-o", "OUT", "../cmd/ctkeeper")
	}
	return built(t, "ctkeeper", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", "OUT", "../cmd/ctkeeper")
}

func contestants(t *testing.T) []*contestant {
	t.Helper()
	floor := built(t, "floor", "cc", "-O2", "-o", "OUT", "testdata/floor.c")
	us := ctkeeper(t)
	list := []*contestant{
		{name: "C floor", args: []string{floor, "0", "0", "0"}},
		{name: "`ctkeeper flows top --once --by src`", args: []string{us, "flows", "top", "--once", "--by", "src"}, floor: "C floor"},
		{name: "`ctkeeper flows top --once --by src,dport`", args: []string{us, "flows", "top", "--once", "--by", "src,dport"}, floor: "C floor"},
		{name: "whole summary (6 rankings, classes)", role: "summary", floor: "C floor"},
		{name: "`ctkeeper flows list --format conntrack`", args: []string{us, "flows", "list", "--format", "conntrack"}, floor: "C floor"},
		{name: "`conntrack -L`", args: []string{"conntrack", "-L"}, floor: "C floor"},
		{name: "C floor, IPv6 only", args: []string{floor, "10", "0", "0"}},
		{name: "`ctkeeper flows top --once ipv6`", args: []string{us, "flows", "top", "--once", "ipv6"}, floor: "C floor, IPv6 only"},
		{name: "C floor, a status that no flow has", args: []string{floor, "0", "512", "512"}},
		{name: "`ctkeeper flows top --once status DYING`", args: []string{us, "flows", "top", "--once", "status", "DYING"}, floor: "C floor, a status that no flow has"},
	}
	if _, err := exec.LookPath("conntrack"); err != nil {
		list = slices.DeleteFunc(list, func(c *contestant) bool { return c.args != nil && c.args[0] == "conntrack" })
	}
	if os.Getenv("CTKEEPER_BENCH") != "" {
		list = append(list, peers(t)...)
	}
	return list
}

// peers are other Go libraries, built from their own module: they are fetched, so only a real run has them.
func peers(t *testing.T) (list []*contestant) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "peers")
	if out, err := exec.Command("go", "build", "-C", "peers", "-o", program, ".").CombinedOutput(); err != nil {
		t.Logf("without other Go libraries: %v: %s", err, out)
		return nil
	}
	for _, library := range []string{"ti-mo", "vishvananda"} {
		list = append(list, &contestant{name: library + ", ranked by source", args: []string{program, library}, floor: "C floor"})
	}
	return list
}

// chosen are the rows that CTKEEPER_BENCH_ROWS asks for; all of them take minutes.
func chosen(t *testing.T) *regexp.Regexp {
	t.Helper()
	rows, err := regexp.Compile(os.Getenv("CTKEEPER_BENCH_ROWS"))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// room makes the machine's table large enough for so many flows, under the lock, until the test ends; a smaller
// number shares the machine.
func room(t *testing.T, flows int) {
	t.Helper()
	if flows <= 262144 {
		lab.Share(t)
		return
	}
	m := lab.Lock(t)
	for _, key := range []string{lab.Max, lab.Buckets} {
		if err := m.Set(key, strconv.Itoa(flows)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDump(t *testing.T) {
	lab.Need(t)
	flows, runs := 5000, 1
	if n, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		flows, runs = n, 5
	}
	list := slices.DeleteFunc(contestants(t), func(c *contestant) bool { return c.floor != "" && !chosen(t).MatchString(c.name) })
	ns := lab.NewNamespace(t)
	mix := lab.DefaultMix
	mix.Timeout = 86400 // nothing ends while it is measured
	room(t, flows)
	lab.Fill(t, ns, flows, mix)
	for range runs {
		for _, c := range list {
			c.run(t, ns)
		}
	}
	by := map[string]time.Duration{}
	for _, c := range list {
		by[c.name] = c.median()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d flows, median of %d runs\n\n| what | CPU s | of its floor | of `conntrack -L` | peak memory, MiB | of it its own |\n|---|---|---|---|---|---|\n", flows, runs)
	for _, c := range list {
		fmt.Fprintf(&b, "| %s | %.3f | %s | %s | %.1f | %.1f |\n", c.name, c.median().Seconds(), share(c.median(), by[c.floor]),
			share(c.median(), by["`conntrack -L`"]), float64(c.peak)/1024, float64(c.own)/1024)
	}
	t.Log("\n" + b.String())
}

// share is one time as a part of another; "" when that was not measured.
func share(a, b time.Duration) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}
