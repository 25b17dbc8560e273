package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sweepFlood is traffic that fills every table of the sweep; only its duration is left open.
const sweepFlood = `
duration: %s
traffic:
- {name: web, protocol: tcp, rate: 2000, sources: 10.0.0.0/12, destinations: 192.0.2.1, port: 443, lasts: 5s, every: 1s}
- {name: flood, protocol: tcp, rate: 20000, answer: "no", sources: 0.0.0.0/0, destinations: 192.0.2.1, port: 80}
`

// TestSweep replays a capture, and a flood that fills every table, under one setting and under 32 at once, and says what
// the 32 cost beside the one: on the same cores, each a process of its own.
func TestSweep(t *testing.T) {
	size, span, tries := int64(4<<20), "500ms", 1
	if _, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		size, span, tries = 96<<20, "40s", 5
	}
	dir := t.TempDir()
	program, file, flood := filepath.Join(dir, "ctkeeper"), filepath.Join(dir, "large.pcap"), filepath.Join(dir, "flood.yaml")
	build := exec.Command("go", "build", "-o", program, "../cmd/ctkeeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the program as it is shipped, however the tests are run
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(flood, fmt.Appendf(nil, sweepFlood, span), 0o600); err != nil {
		t.Fatal(err)
	}
	packets := bigCapture(t, file, size)
	var b strings.Builder
	fmt.Fprintf(&b, "capture of %d packets; flood of %s; median of %d\n\n| input | one setting, s | 32 settings, s | ratio | MiB of one | MiB of 32 |\n|---|---|---|---|---|---|\n", packets, span, tries)
	for name, in := range map[string][]string{"capture": {file}, "flood": {"--workload", flood}} {
		var walls [2][]float64
		var most [2]int64
		for range tries {
			for i, more := range [][]string{nil, {"--sweep", "max=16384..262144/8,tcp_timeout_syn_sent=10..120/4"}} {
				begin := time.Now()
				_, rss := outputAndPeak(t, program, slices.Concat([]string{"replay", "--kernel", "6.18", "--flows", "no", "--format", "json"}, in, more)...)
				walls[i], most[i] = append(walls[i], time.Since(begin).Seconds()), max(most[i], rss)
			}
		}
		for i := range walls {
			slices.Sort(walls[i])
		}
		one, all := walls[0][tries/2], walls[1][tries/2]
		fmt.Fprintf(&b, "| %s | %.2f | %.2f | %.2f | %.0f | %.0f |\n", name, one, all, all/one, mib(most[0]), mib(most[1]))
	}
	t.Log("\n" + b.String())
}
