package collect_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/lab"
)

// TestCountersEqualTheConntrackTool compares two namespaces' counters, per CPU and in sum, with what
// `conntrack -S` prints inside each.
func TestCountersEqualTheConntrackTool(t *testing.T) {
	tool, err := exec.LookPath("conntrack")
	if err != nil {
		t.Fatal("needs the conntrack tool: ", err)
	}
	for _, flows := range []int{300, 1200} {
		ns := lab.NewNamespace(t)
		lab.Fill(t, ns, flows, lab.Mix{})
		n := live(t, ns, collect.Options{NoFlows: true})
		var out []byte
		if err := ns.Run(func() (err error) { out, err = exec.Command(tool, "-S").Output(); return err }); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		last := n.Readings[len(n.Readings)-1]
		if len(lines) != len(last.PerCPU) {
			t.Fatalf("%d CPUs read, the tool prints %d:\n%s", len(last.PerCPU), len(lines), out)
		}
		compared := 0
		sums := map[string]uint64{}
		for i, line := range lines {
			for name, want := range toolCounters(t, line) {
				sums[name] += want
				if got, ok := last.PerCPU[i][name]; ok {
					compared++
					if got != want {
						t.Errorf("CPU %d: %s is %d, the tool says %d", i, name, got, want)
					}
				}
			}
		}
		for name, want := range sums {
			if got, ok := last.Counters[name]; ok && got != want {
				t.Errorf("%s sums to %d, the tool's to %d", name, got, want)
			}
		}
		if compared < 5*len(lines) || sums["insert"] != uint64(flows) {
			t.Errorf("%d counters compared, %d insertions for %d flows:\n%s", compared, sums["insert"], flows, out)
		}
	}
}

// toolCounters reads "cpu=0 found=0 invalid=0 insert=12 …".
func toolCounters(t *testing.T, line string) map[string]uint64 {
	t.Helper()
	counters := map[string]uint64{}
	for _, field := range strings.Fields(line) {
		name, value, ok := strings.Cut(field, "=")
		if !ok || name == "cpu" {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", field, err))
		}
		counters[name] = n
	}
	return counters
}
