// Package soak plays random sequences to the running kernel and to the model until time is up:
//
//	CTK_SOAK=1h go test ./bench/soak -v -timeout 0
//
// Every round is of another kind (tracker, family, helper) and another way: plain, with settings that change, with
// time that passes, with both. Whatever differs is minimised and kept as a case, which the model's tests play from
// then on. CTK_SEED starts from other dice. Without CTK_SOAK it runs for some seconds, so that it does not rot.
package soak

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

const cases = "../../internal/conntrack/model/testdata/cases"

// ways are the ways to play a kind; batch is how many sequences run side by side.
var ways = []struct {
	name  string
	batch int
	next  func(k differ.Kind, batch int, seed uint64) func() []oracle.Packet
}{
	{"plain", 4000, func(k differ.Kind, n int, seed uint64) func() []oracle.Packet { return k.Plain(n, seed) }},
	{"changed", 1000, func(k differ.Kind, n int, seed uint64) func() []oracle.Packet { return k.Changed(1, n, seed) }},
	{"waited", 1000, func(k differ.Kind, n int, seed uint64) func() []oracle.Packet { return k.Waited(1, n, seed) }},
	{"mixed", 1000, func(k differ.Kind, n int, seed uint64) func() []oracle.Packet { return k.Mixed(1, n, seed) }},
}

// TestSoak goes through the kinds and ways until the time is up.
func TestSoak(t *testing.T) {
	lab.Need(t)
	length := 3 * time.Second
	if text := os.Getenv("CTK_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	seed, _ := strconv.ParseUint(os.Getenv("CTK_SEED"), 10, 64)
	var sum differ.Found
	begin := time.Now()
	for ; time.Since(begin) < length && !t.Failed(); seed++ {
		for _, k := range differ.Kinds() {
			w := ways[seed%uint64(len(ways))]
			if len(k.Asks) == 0 || k.Real() && (w.name == "waited" || w.name == "mixed") && seed%16 > 3 {
				w = ways[0] // helpers' expectations cannot be aged; UDP's waits are slept, so they come seldom
			}
			found, err := differ.Check(differ.RunningKernel, differ.Options{V6: k.V6, Helpers: k.Helpers}, w.batch, w.next(k, w.batch, seed))
			if err != nil {
				t.Fatalf("%s, %s, seed %d: %v", k.Name, w.name, seed, err)
			}
			sum.Sequences, sum.Packets = sum.Sequences+found.Sequences, sum.Packets+found.Packets
			sum.Torn, sum.Again = sum.Torn+found.Torn, sum.Again+found.Again
			report(t, k, w.name, seed, found.Divergences)
			if time.Since(begin) > length {
				break
			}
		}
	}
	t.Logf("Linux %s: %d sequences, %d packets in %s; %d tables torn, %d batches played again; next seed %d", release(t),
		sum.Sequences, sum.Packets, time.Since(begin).Round(time.Second), sum.Torn, sum.Again, seed)
}

func report(t *testing.T, k differ.Kind, way string, seed uint64, all []differ.Divergence) {
	t.Helper()
	for _, d := range all {
		name, err := d.Write(cases)
		if err != nil {
			t.Error(err)
		}
		t.Errorf("%s, %s, seed %d: %s: %s", k.Name, way, seed, name, d)
	}
}

func release(t *testing.T) string {
	var u syscall.Utsname
	if err := syscall.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var b []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
