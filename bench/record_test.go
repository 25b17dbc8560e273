package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"testing"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/lab"
)

// playRecord records until standard input ends; it tells the flows written, what was lost, and the bytes.
func playRecord(dir string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	c, err := record.Run(ctx, record.Options{Dir: dir, Buffer: 64 << 20, Ready: func() { fmt.Fprintln(os.Stderr, "ready") }})
	fmt.Fprintln(os.Stderr, c.Flows, c.Lost+c.Beyond+c.Unsaved, c.Bytes)
	return err
}

// TestRecord records flows that are made as fast as this machine can. More than the table holds evict one another, so that as many end; of
// those that find nothing to evict there is no flow to record.
func TestRecord(t *testing.T) {
	lab.Need(t)
	n, runs := 5000, 1
	if v, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		n, runs = min(v, 1000000), 3
	}
	lab.Share(t)
	f := &follower{name: "ctkeeper record"}
	var rates []float64
	perFlow := 0.0
	for range runs {
		f.role = "record " + t.TempDir()
		rates = append(rates, f.run(t, n))
		if f.seen != n-f.refused || f.lost != 0 {
			t.Errorf("wrote %d, lost %d of %d, of which the kernel refused %d", f.seen, f.lost, n, f.refused)
		}
		var bytes float64
		if _, err := fmt.Sscan(f.said, &f.seen, &f.lost, &bytes); err != nil {
			t.Fatal(err)
		}
		perFlow = bytes / float64(n)
	}
	slices.Sort(rates)
	slices.Sort(f.cpu)
	cpu, rate := f.cpu[len(f.cpu)/2], rates[len(rates)/2]
	t.Logf("%d new flows at %.0f a second: %.2f µs of CPU a flow, %.0f %% of a core at that rate, %.1f bytes a flow on disk; median of %d runs", n, rate,
		float64(cpu.Microseconds())/float64(n), 100*cpu.Seconds()/(float64(n)/rate), perFlow, runs)
}
