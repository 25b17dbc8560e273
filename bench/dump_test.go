package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/filter"
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

// play is what ctkeeper does: a dump, ranked or printed. It ends by telling its own peak of memory.
func play(role string) error {
	if role == "watch" {
		return playWatch()
	}
	if dir, ok := strings.CutPrefix(role, "record "); ok {
		return playRecord(dir)
	}
	name, expr, _ := strings.Cut(role, ":")
	f, err := filter.Parse(expr)
	if err != nil {
		return err
	}
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	r := rank.New(rank.Options{})
	o := ctnetlink.DumpOptions{Filter: f, Fields: rank.Fields}
	add := func(fl *flow.Flow) error { r.Add(fl); return nil }
	switch name {
	case "src":
		r = rank.New(rank.Options{Keys: []rank.Key{rank.Src}})
	case "top", "top2":
		by, err := rank.ParseBy(map[string]string{"top": "src", "top2": "src,dport"}[name])
		if err != nil {
			return err
		}
		b := rank.NewBoard(rank.BoardOptions{By: by, Timeouts: rank.NewTimeouts(map[string]int64{"tcp_timeout_established": 432000})})
		o.Fields = by.Fields()
		add = func(fl *flow.Flow) error { b.Add(fl); return nil }
	case "list":
		o.Fields = 0
		line := make([]byte, 0, 64<<10)
		add = func(fl *flow.Flow) error {
			if line = append(flow.AppendText(line, fl, flow.TextOptions{}), '\n'); len(line) > 60<<10 {
				_, err := os.Stdout.Write(line)
				line = line[:0]
				return err
			}
			return nil
		}
	}
	res, err := c.Dump(context.Background(), o, add)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, res.Flows, peak())
	return nil
}

// peak is the process's peak of resident memory in KiB.
func peak() string {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// contestant is one row of the table.
type contestant struct {
	name  string
	args  []string // of the program; nil: this binary in role
	role  string
	floor string // the row it is measured against
	tells bool   // its flows and its peak of memory
	cpu   []time.Duration
	note  string
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
	ns.Do(func() { err = cmd.Run() })
	if err != nil {
		t.Fatalf("%s: %v: %s", c.name, err, note.String())
	}
	c.cpu = append(c.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	if c.args == nil || c.tells {
		c.note = strings.TrimSpace(note.String())
	}
}

func (c *contestant) median() time.Duration {
	s := slices.Sorted(slices.Values(c.cpu))
	return s[len(s)/2]
}

func contestants(t *testing.T) []*contestant {
	t.Helper()
	floor := filepath.Join(t.TempDir(), "floor")
	if out, err := exec.Command("cc", "-O2", "-o", floor, "testdata/floor.c").CombinedOutput(); err != nil {
		t.Skipf("no C compiler: %v: %s", err, out)
	}
	list := []*contestant{
		{name: "C floor", args: []string{floor, "0", "0", "0"}},
		{name: "ctkeeper, ranked by source", role: "src", floor: "C floor"},
		{name: "ctkeeper, flows top --by src", role: "top", floor: "C floor"},
		{name: "ctkeeper, flows top --by src,dport", role: "top2", floor: "C floor"},
		{name: "ctkeeper, whole summary", role: "all", floor: "C floor"},
		{name: "ctkeeper, conntrack lines", role: "list", floor: "C floor"},
		{name: "C floor, ipv6", args: []string{floor, "10", "0", "0"}},
		{name: "ctkeeper, ipv6, by source", role: "src:ipv6", floor: "C floor, ipv6"},
		{name: "C floor, status dying", args: []string{floor, "0", "512", "512"}},
		{name: "ctkeeper, status dying", role: "src:status DYING", floor: "C floor, status dying"},
	}
	if tool, err := exec.LookPath("conntrack"); err == nil {
		list = append(list, &contestant{name: "conntrack -L >/dev/null", args: []string{tool, "-L"}, floor: "C floor"})
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
		list = append(list, &contestant{name: library + ", ranked by source", args: []string{program, library}, floor: "C floor", tells: true})
	}
	return list
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
	ns := lab.NewNamespace(t)
	mix := lab.DefaultMix
	mix.Timeout = 86400 // nothing ends while it is measured
	room(t, flows)
	lab.Fill(t, ns, flows, mix)
	list := contestants(t)
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
	fmt.Fprintf(&b, "%d flows, median of %d runs\n\n| what | cpu s | of its floor | flows, peak memory |\n|---|---|---|---|\n", flows, runs)
	for _, c := range list {
		ratio := ""
		if c.floor != "" {
			ratio = fmt.Sprintf("%.2f", float64(c.median())/float64(max(by[c.floor], 1)))
		}
		fmt.Fprintf(&b, "| %s | %.3f | %s | %s |\n", c.name, c.median().Seconds(), ratio, c.note)
	}
	t.Log("\n" + b.String())
}
