package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// acting is one table and what was measured over it.
type acting struct {
	t     *testing.T
	ns    *lab.Namespace
	flows int // in the table; half of them are selected
	times map[string][]time.Duration
}

// TestActing measures deletions by filter beside the conntrack tool's, and retiming beside the dump that finds
// the flows. Each is repeated over a table that is filled anew.
func TestActing(t *testing.T) {
	lab.Need(t)
	a := &acting{t: t, ns: lab.NewNamespace(t), flows: 12000, times: map[string][]time.Duration{}}
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		a.flows, rounds = n, 5
	}
	room(t, a.flows/4*5) // beside what is made there is what was just deleted, and not yet freed
	for range rounds {
		a.delete("prefix", "src 10.0.0.0/24", "-s", "10.0.0.0/24")
		a.delete("mark, read for protected flows", "mark 7", "-m", "7")
		a.retime()
		a.otherWriter()
	}
	var b strings.Builder
	row := func(what, beside string) {
		mine, peer := a.median(what), a.median(beside)
		fmt.Fprintf(&b, "| %s | %.3f | %.2f × %s |\n", what, mine.Seconds(), float64(mine)/float64(peer), beside)
	}
	row("delete by prefix", "conntrack -D -s")
	row("delete by mark, read for protected flows", "conntrack -D -m")
	row("delete while another deletes, wall", "delete, wall")
	beyond := a.median("retime") - a.median("dump")
	fmt.Fprintf(&b, "| retime, the dump taken off | %.3f | %.2f µs a flow |\n", beyond.Seconds(), float64(beyond.Nanoseconds())/1000/float64(a.flows))
	t.Logf("%d flows, half of them selected\n\n| what | CPU s | beside |\n|---|---|---|\n%s", a.flows, b.String())
}

func (a *acting) median(what string) time.Duration {
	all := slices.Sorted(slices.Values(a.times[what]))
	if len(all) == 0 {
		a.t.Fatalf("%s was not measured", what)
	}
	return all[len(all)/2]
}

// fill makes the table: half of the flows have mark 7, half (of each mark) are from 10.0.0.0/24.
func (a *acting) fill() {
	a.t.Helper()
	if err := a.ns.Run(func() error { return exec.Command("conntrack", "-F").Run() }); err != nil {
		a.t.Skipf("the conntrack tool cannot empty the table: %v", err)
	}
	mix := lab.Mix{Established: 60, TimeWait: 15, SynSent: 10, Sources: 512, Timeout: 86400}
	for part := range 2 {
		mix.First, mix.Mark = part*(a.flows/2), uint32(7*part)
		lab.Fill(a.t, a.ns, a.flows/2, mix)
	}
}

func (a *acting) parse(text string) filter.Filter {
	f, err := filter.Parse(text)
	if err != nil {
		a.t.Fatal(err)
	}
	return f
}

// measure notes the CPU time of fn in the namespace.
func (a *acting) measure(what string, fn func() error) {
	a.t.Helper()
	start := cpu(a.t)
	if err := a.ns.Run(fn); err != nil {
		a.t.Fatal(what, err)
	}
	a.times[what] = append(a.times[what], cpu(a.t)-start)
}

func (a *acting) delete(kind, text, option, value string) {
	a.t.Helper()
	a.fill()
	safe, err := flows.Always(nil)
	if err != nil {
		a.t.Fatal(err)
	}
	var did flows.Counts
	a.measure("delete by "+kind, func() (err error) {
		did, err = flows.Delete(a.t.Context(), flows.Options{Filter: a.parse(text), Protect: safe})
		return err
	})
	if did.How != flows.OneByOne || did.Done == 0 || did.Done != did.Matched {
		a.t.Fatalf("%s: %+v", kind, did)
	}
	a.fill()
	cmd := exec.Command("conntrack", "-D", option, value)
	if err := a.ns.Run(cmd.Run); err != nil {
		a.t.Fatal(err)
	}
	peer := "conntrack -D " + option
	a.times[peer] = append(a.times[peer], cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
}

func (a *acting) retime() {
	a.fill()
	ten := uint32(600)
	o := flows.Options{Timeout: &ten}
	a.measure("dump", func() error {
		_, err := flows.Preview(a.t.Context(), o, true)
		return err
	})
	a.measure("retime", func() error {
		did, err := flows.Retime(a.t.Context(), o)
		if err == nil && int(did.Done) != a.flows/2*2 {
			err = fmt.Errorf("%+v", did)
		}
		return err
	})
}

// otherWriter compares the time of a deletion alone with that beside another writer that never rests.
func (a *acting) otherWriter() {
	for _, what := range []string{"delete, wall", "delete while another deletes, wall"} {
		a.fill()
		ctx, stop := context.WithCancel(a.t.Context())
		ended := make(chan error, 1)
		if what == "delete, wall" {
			ended <- nil
		} else {
			go func() { ended <- a.ns.Run(func() error { return makeAndDelete(ctx, 4*a.flows) }) }()
		}
		start := time.Now()
		if err := a.ns.Run(func() error {
			_, err := flows.Delete(a.t.Context(), flows.Options{Filter: a.parse("mark 7"), OneByOne: true})
			return err
		}); err != nil {
			a.t.Fatal(err)
		}
		a.times[what] = append(a.times[what], time.Since(start))
		stop()
		if err := <-ended; err != nil {
			a.t.Fatal(err)
		}
	}
}

// makeAndDelete makes flows and deletes them until the context ends.
func makeAndDelete(ctx context.Context, first int) error {
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	mix := lab.Mix{Established: 100, Sources: 512, First: first, Mark: 9}
	for ctx.Err() == nil {
		if _, err := c.Create(context.Background(), lab.Flows(1000, mix), ctnetlink.ChangeOptions{}); err != nil {
			return err
		}
		if _, err := c.Delete(context.Background(), lab.Flows(1000, mix), ctnetlink.ChangeOptions{}); err != nil {
			return err
		}
	}
	return c.Close()
}
