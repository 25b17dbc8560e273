package model_test

import (
	"strconv"
	"testing"

	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// limits changes what the machine's namespaces share, on both sides.
type limits struct {
	t       *testing.T
	machine *lab.Machine
	b       *differ.Bench
}

func (l limits) set(name string, v int64) {
	l.t.Helper()
	key := map[string]string{"max": lab.Max, "buckets": lab.Buckets, "expect_max": lab.ExpectMax}[name]
	if err := l.machine.Set(key, strconv.FormatInt(v, 10)); err != nil {
		l.t.Fatal(err)
	}
	s := l.b.Model.Settings()
	if err := s.Set(name, v); err != nil {
		l.t.Fatal(err)
	}
	l.b.Model.Change(s)
}

// run plays n lanes from a number on, and holds both counts against what is expected.
func (l limits) run(from, n int, s []oracle.Packet, count int) {
	l.t.Helper()
	l.b.From(from)
	sequences := make([][]oracle.Packet, n)
	for i := range sequences {
		sequences[i] = s
	}
	bad, err := l.b.Run(sequences)
	if err != nil {
		l.t.Fatal(err)
	}
	for lane, diff := range bad {
		l.t.Errorf("lanes from %d, lane %d: %s", from, lane, diff)
	}
	kernel, err := l.b.Kernel.Count()
	if err != nil {
		l.t.Fatal(err)
	}
	if kernel != count || l.b.Model.Count() != count {
		l.t.Errorf("lanes from %d: count %d, kernel %d, want %d", from, l.b.Model.Count(), kernel, count)
	}
}

// TestLimitsChange changes max, buckets and expect_max while flows are there. The flows are assured, so that nothing
// hangs on what early drop finds; max is below 100, where the collector takes nothing alive.
func TestLimitsChange(t *testing.T) {
	machine := lab.Lock(t)
	b, _ := openAlone(t, differ.Options{Helpers: ftp})
	l := limits{t, machine, b}
	l.set("max", 60)
	l.set("expect_max", 10)
	syn := []oracle.Packet{oracle.Segment{Flags: oracle.SYN, Window: 5000, WScale: -1}}
	open := differ.Opened(nil)(nil, 0)
	l.run(0, 60, open, 60)
	l.run(1000, 30, syn, 60) // full
	l.set("max", 80)
	l.run(2000, 20, open, 80) // as many as it was raised
	l.run(3000, 30, syn, 80)
	l.set("max", 20)
	l.run(4000, 30, syn, 80) // lowering evicts nothing
	l.set("buckets", 131072)
	l.run(5000, 30, syn, 80) // nor does a resize
	l.set("max", 0)
	l.run(6000, 50, open, 130) // no limit
	l.set("buckets", 524288)
	asks := append(open, differ.Said(true, "220 hi\r\n"), differ.Said(true, "229 (|||6001|)\r\n"))
	l.run(7000, 30, asks, 160)
	if n := b.Model.Expected(); n != 10 {
		t.Errorf("%d expected with expect_max 10", n)
	}
	l.set("expect_max", 15)
	l.run(8000, 30, asks, 190)
	if n := b.Model.Expected(); n != 15 {
		t.Errorf("%d expected with expect_max raised to 15", n)
	}
}
