package bench

import (
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// cpu is the user and system time of this process so far.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestChange measures creating, retiming and deleting by known tuple, and deleting by the conntrack tool,
// which reads the table first.
func TestChange(t *testing.T) {
	lab.Need(t)
	flows := 3000
	if n, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		flows = n
	}
	ns := lab.NewNamespace(t)
	lab.Share(t)
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	mix := lab.Mix{Established: 60, TimeWait: 15, SynSent: 10, Timeout: 86400}
	var b strings.Builder
	for _, batch := range []int{1, 100} {
		for _, op := range []struct {
			name string
			do   func(iter.Seq[*flow.Flow]) (ctnetlink.ChangeResult, error)
		}{
			{"create", func(s iter.Seq[*flow.Flow]) (ctnetlink.ChangeResult, error) {
				return c.Create(t.Context(), s, ctnetlink.ChangeOptions{Batch: batch})
			}},
			{"retime", func(s iter.Seq[*flow.Flow]) (ctnetlink.ChangeResult, error) {
				return c.Update(t.Context(), s, ctnetlink.ChangeOptions{Batch: batch, Fields: flow.HasTimeout})
			}},
			{"delete", func(s iter.Seq[*flow.Flow]) (ctnetlink.ChangeResult, error) {
				return c.Delete(t.Context(), s, ctnetlink.ChangeOptions{Batch: batch})
			}},
		} {
			start := cpu(t)
			res, err := op.do(lab.Flows(flows, mix))
			if err != nil || int(res.Done) != flows {
				t.Fatalf("%s: %+v, %v", op.name, res, err)
			}
			fmt.Fprintf(&b, "| %s, %d a call | %.2f |\n", op.name, batch, float64((cpu(t)-start).Nanoseconds())/1000/float64(flows))
		}
	}
	if tool, err := exec.LookPath("conntrack"); err == nil {
		lab.Fill(t, ns, flows, mix)
		cmd := exec.Command(tool, "-D", "-s", "10.0.0.0/8")
		ns.Do(func() { err = cmd.Run() })
		if err != nil {
			t.Fatal(err)
		}
		took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		fmt.Fprintf(&b, "| conntrack -D -s, its dump included | %.2f |\n", float64(took.Nanoseconds())/1000/float64(flows))
	}
	t.Logf("%d flows\n\n| what | CPU µs a flow |\n|---|---|\n%s", flows, b.String())
}
