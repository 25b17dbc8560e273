package bench

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/oracle"
)

// growth is how much more than the recorded load the planned settings are driven with: all of the headroom.
const growth = 1.3

// TestPlan records a week of each shape with the recorder, lets the program plan from the record on a host that
// is as large as the week needed, carries the plan out with the program, and drives the same traffic at 1.3
// times the load through the running kernel: nothing may be refused or evicted, no more be broken than was
// said, and the memory be within the stated cost. What the table held beyond the max that it had before would have
// been refused without the plan.
//
//	CTKEEPER_BENCH=1 go test ./bench -run 'TestPlan$' -v -parallel 4 -timeout 60m
func TestPlan(t *testing.T) {
	lab.Need(t)
	program := build(t, t.TempDir())
	all, scale := roomy(shapes()[:2]), 0.1
	if os.Getenv("CTKEEPER_BENCH") != "" {
		all, scale = append(roomy(shapes()), tight()...), 0.5
	}
	for i := range all {
		p := &all[i]
		p.program, p.dir, p.workload = program, t.TempDir(), p.read(t, scale*p.longer)
	}
	t.Run("record", func(t *testing.T) {
		lab.Share(t)
		t.Run("all", func(t *testing.T) { // ends when those in it have, before the machine is let go
			for i := range all {
				t.Run(all[i].label, all[i].record)
			}
		})
	})
	var rows strings.Builder
	for _, some := range groups(all) {
		t.Run("drive", func(t *testing.T) {
			machine := lab.Lock(t)
			for i := range some {
				t.Run(some[i].label, func(t *testing.T) { some[i].hold(t, machine, &rows) })
			}
		})
	}
	t.Logf("\n| shape | week's peak | max then | chosen | what it sets | peak it says | kernel's peak at 1.3 × | refused | evicted | broken, said | seen | memory, said | seen | over the old max | late |\n|%s\n%s", strings.Repeat("---|", 15), &rows)
}

// groups are the shapes that are driven while the machine is held, a few minutes each: others wait for it.
func groups(all []planning) (out [][]planning) {
	const together = 4
	for _, p := range all {
		n := len(out) - 1
		if n < 0 || len(out[n]) == together || p.bound {
			out = append(out, nil)
			n++
		}
		out[n] = append(out[n], p)
	}
	return out
}

// planning is a shape that is planned for.
type planning struct {
	shape
	label string
	// bound gives the plan no more memory than the table has, so that timeouts are what is left.
	bound bool

	// longer is how many times half a minute a week takes.
	longer float64

	program  string
	dir      string // of the record
	workload workload.Workload
	peak     int64      // of the week
	pace     [][2]int64 // at which it was recorded
	machine  *lab.Machine
	limit    int64 // max before the plan
}

// roomy are plans with memory to spare.
func roomy(all []shape) (out []planning) {
	for _, s := range all {
		out = append(out, planning{shape: s, label: s.name, longer: 1})
	}
	return out
}

// tight are plans without, under the kernel's own timeouts and longer: what a plan shortens timeouts to is not scaled,
// and neither is how late the collector takes what has expired.
func tight() []planning {
	out := []planning{{shape: shape{name: "scan"}}, {shape: shape{name: "web"}}}
	for i := range out {
		out[i].label, out[i].bound, out[i].longer = out[i].name+", no more memory", true, 6
	}
	return out
}

// weekOf is seven days in the workload's time: every rate follows the hours, and the last two days are quieter.
func weekOf(w *workload.Workload, load float64) workload.Workload {
	const night, weekend = 0.35, 0.6
	out := *w
	out.Classes = nil
	half := w.Duration / 14
	at := func(n int) float64 { // the share of the rate at the n-th turn, nights first
		switch {
		case n%2 == 0:
			return night
		case n >= 10:
			return weekend
		}
		return 1
	}
	for _, c := range w.Classes {
		rate := func(t time.Duration) float64 {
			n := min(int(t/half), 13)
			within := float64(t-time.Duration(n)*half) / float64(half)
			share := float64(t-c.From) / float64(c.Until-c.From)
			return load * (c.RateFrom + share*(c.RateTo-c.RateFrom)) * (at(n) + within*(at(n+1)-at(n)))
		}
		for n := range 14 {
			part := c
			part.From, part.Until = max(c.From, time.Duration(n)*half), min(c.Until, time.Duration(n+1)*half)
			if part.From >= part.Until {
				continue
			}
			part.RateFrom, part.RateTo = rate(part.From), rate(part.Until)
			out.Classes = append(out.Classes, part)
		}
	}
	return out
}

// record records the week beside others.
func (p *planning) record(t *testing.T) {
	t.Parallel()
	before := p.drive(t, 1, nil, func(k *oracle.Kernel) (stop func()) { return recordInto(t, k.Namespace(), p.dir) })
	p.peak, p.pace = before.peak, before.pace
}

// due is when a packet is due that would have been due at a time: at the pace at which the week was recorded, so that
// a machine that was busy then does not make the load of the drive a greater one beside it.
func (p *planning) due(at int64) int64 {
	i, _ := slices.BinarySearchFunc(p.pace, at, func(a [2]int64, at int64) int { return cmp.Compare(a[0], at) })
	if i == 0 || i == len(p.pace) {
		return at + p.pace[min(i, len(p.pace)-1)][1] - p.pace[min(i, len(p.pace)-1)][0]
	}
	a, b := p.pace[i-1], p.pace[i]
	return a[1] + (at-a[0])*(b[1]-a[1])/max(b[0]-a[0], 1)
}

// hold plans for the shape and holds the plan to the kernel.
func (p *planning) hold(t *testing.T, machine *lab.Machine, rows *strings.Builder) {
	p.machine, p.limit = machine, max(p.peak*21/20, 512)
	var made plan.Plan
	after := p.drive(t, growth, func(k *oracle.Kernel) {
		if p.bound { // the table is as large as the record may have needed
			p.resize(t, 1<<20)
			now := p.plan(t, k)
			p.limit = int64(now.Measured.Alternatives[0].Peak.High) * 21 / 20
		}
		p.resize(t, p.limit)
		made = p.plan(t, k)
		p.apply(t, k, &made)
	}, nil)
	a := made.Measured.Chosen()
	fmt.Fprintf(rows, "| %s | %d | %d | %s | %s | %d…%d | %d | %d | %d | %d…%d | %d | %.2f MB | %.2f MB | %d | %.1f s |\n", p.label, p.peak, p.limit, a.Name, sets(&made), a.Peak.Low, a.Peak.High,
		after.peak, after.refused, after.evicted, a.Broken.Low, a.Broken.High, after.broken, float64(a.Memory)/1e6, float64(after.memory)/1e6, max(after.peak-p.limit, 0), after.late.Seconds())
	switch {
	case !a.Fits && !p.bound:
		t.Errorf("what is chosen does not fit: %+v", a)
	case !a.Fits:
		t.Logf("it says itself that nothing fits, and takes %+v", a)
	case after.refused != 0 || after.evicted != 0:
		t.Errorf("%d were refused and %d evicted under max %d", after.refused, after.evicted, a.Max)
	}
	if said := growth * float64(a.Broken.High); a.Fits && float64(after.broken) > said+3*math.Sqrt(said) {
		t.Errorf("%d flows broke, %d at 1.0 times the load was said", after.broken, a.Broken.High)
	}
	if after.memory > a.Memory {
		t.Errorf("%d bytes, %d were said", after.memory, a.Memory)
	}
}

// sets is what a plan sets, in short.
func sets(p *plan.Plan) string {
	var parts []string
	for _, st := range p.Steps {
		parts = append(parts, fmt.Sprintf("%s=%d", st.Setting, st.To))
	}
	for _, m := range p.Manual {
		parts = append(parts, fmt.Sprintf("%d nft commands", len(m.Commands)))
	}
	return strings.Join(parts, " ")
}

// resize sets the machine's max. Its buckets stay: flows of other namespaces share them, and would make chains too
// long for any new one.
func (p *planning) resize(t *testing.T, limit int64) {
	t.Helper()
	if err := p.machine.Set(lab.Max, strconv.FormatInt(limit, 10)); err != nil {
		t.Fatal(err)
	}
}

// plan makes the plan from the record, with the program.
func (p *planning) plan(t *testing.T, k *oracle.Kernel) plan.Plan {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "flows-*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"plan", "--netns", k.Namespace().Path, "--format", "json"}
	if p.bound {
		args = append(args, "--memory-budget", strconv.FormatInt(p.limit*(objectBytes+settings.ExtensionBytes)+buckets(t)*settings.BucketBytes, 10))
	}
	made, err := plan.Decode(p.run(t, append(args, files...)...))
	if err != nil || made.Measured == nil {
		t.Fatal(err)
	}
	return made
}

// apply carries a plan out: what is for people to run too.
func (p *planning) apply(t *testing.T, k *oracle.Kernel, made *plan.Plan) {
	t.Helper()
	if len(made.Steps) > 0 {
		text, err := json.Marshal(made)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "plan.json")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		p.run(t, "apply", "--netns", k.Namespace().Path, "--running-only", "--yes", "--state-dir", filepath.Dir(file), file)
	}
	for _, m := range made.Manual {
		for _, c := range m.Commands {
			if err := k.Namespace().Run(func() error { return shell(c) }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (p *planning) run(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(p.program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %v\n%s%s", args, err, out, exit.Stderr)
		}
		t.Fatal(err)
	}
	return out
}

func shell(command string) error {
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return nil
}

// drive sends a week through a namespace of its own; ready comes before the first packet, beside runs beside
// all of it.
func (p *planning) drive(t *testing.T, load float64, ready func(*oracle.Kernel), beside func(*oracle.Kernel) (stop func())) driven {
	t.Helper()
	k, err := oracle.Open("plan")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}()
	p.prepare(t, k)
	if ready != nil {
		ready(k)
	}
	conn, err := lab.Dial(k.Namespace())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	traffic := weekOf(&p.workload, load)
	drops, evictions := counters(t, conn)
	out := driven{flows: map[uint64]*life{}, decoder: packet.NewDecoder(packet.Options{}), slab: slab(t), alone: os.Getenv("CTKEEPER_BENCH") != ""}
	out.least = out.slab
	if p.pace != nil {
		traffic.Seed++ // not the recorded connections again
		out.due = p.due
	}
	out.watch = func(batch [][]byte, reports []oracle.Report, count int64) { out.look(t, batch, reports, count) }
	stop := func() {}
	if beside != nil {
		stop = beside(k)
	}
	p.send(t, k, conn, &traffic, &out.truth)
	stop()
	d, e := counters(t, conn)
	out.refused, out.evicted = d-drops, e-evictions
	out.memory += uint64(buckets(t)) * settings.BucketBytes
	return out
}

// prepare sets what the shape is scaled to.
func (s *shape) prepare(t *testing.T, k *oracle.Kernel) {
	t.Helper()
	for name, v := range s.settings {
		if err := k.Set(name, strconv.FormatInt(v, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string]string{"log_invalid": "0", "acct": "0"} {
		if err := k.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
}
