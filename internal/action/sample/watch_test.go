package sample_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// plain prints a word and the flow's identity a line.
type plain struct{}

// identity tells flows apart: of 20,000 two have the same 32-bit number in one run of twenty.
func identity(fl *flow.Flow) string {
	return fmt.Sprintf("%d/%v:%d", fl.ID, fl.Orig.Src, fl.Orig.SrcPort)
}

func (plain) Event(b []byte, kind ctnetlink.EventKind, fl *flow.Flow, _ uint32) []byte {
	return fmt.Appendf(b, "%d %s\n", kind, identity(fl))
}
func (plain) Expect(b []byte, _ ctnetlink.EventKind, _ *flow.Expectation) []byte { return b }
func (plain) Lost(b []byte, _ sample.Counts) []byte                              { return append(b, "lost 0\n"...) }
func (plain) Sync(b []byte, fl *flow.Flow) []byte                                { return fmt.Appendf(b, "sync %s\n", identity(fl)) }
func (plain) Synced(b []byte, n uint64, _ bool) []byte                           { return fmt.Appendf(b, "synced %d\n", n) }

// replay makes the set of flows that somebody who reads the output believes in.
func replay(t *testing.T, out string) map[string]bool {
	t.Helper()
	flows := map[string]bool{}
	for line := range strings.Lines(out) {
		word, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "lost":
			clear(flows)
		case "1", "2", "sync":
			flows[id] = true
		case "4":
			delete(flows, id)
		case "synced":
		default:
			t.Fatalf("line %q", line)
		}
	}
	return flows
}

// send makes n flows of one packet.
func send(t *testing.T, w *lab.Wire, first, n int) {
	t.Helper()
	if sent, err := w.Send(lab.Datagrams(first, n)...); sent != n || err != nil {
		t.Fatal(sent, err)
	}
}

// started watches in the background until stop is called, which gives the counts.
func started(t *testing.T, ns *lab.Namespace, o sample.WatchOptions, out io.Writer) (stop func() sample.Counts) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	type end struct {
		counts sample.Counts
		err    error
	}
	ended, ready := make(chan end, 1), make(chan struct{})
	go func() {
		err := ns.Run(func() error {
			o.Ready = func() { close(ready) }
			c, err := sample.Watch(ctx, o, plain{}, out)
			ended <- end{c, err}
			return nil
		})
		if err != nil {
			ended <- end{err: err}
		}
	}()
	select {
	case <-ready:
	case e := <-ended:
		t.Fatal(e.err)
	}
	return func() sample.Counts {
		cancel()
		e := <-ended
		if e.err != nil {
			t.Fatal(e.err)
		}
		return e.counts
	}
}

// output can be read while it is written, and be held up.
type output struct {
	mu   sync.Mutex
	b    bytes.Buffer
	gate chan struct{} // nil, or closed when writing may go on
}

func (o *output) Write(p []byte) (int, error) {
	if o.gate != nil {
		<-o.gate
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) await(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(o.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q does not come", text)
}

// agree waits until who reads the output believes in the flows that the table has: it is read again as
// long as there were losses meanwhile.
func (o *output) agree(t *testing.T, want map[string]bool) {
	t.Helper()
	for range 300 {
		if maps.Equal(replay(t, o.String()), want) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// table is the identities of the flows that are there.
func table(t *testing.T, ns *lab.Namespace) map[string]bool {
	t.Helper()
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	flows := map[string]bool{}
	if _, err := c.Dump(t.Context(), ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		flows[identity(fl)] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return flows
}

// TestLossIsMadeGood lets the kernel's buffer overflow: every event is seen or lost, and whoever reads the
// output ends with the flows that the table has.
func TestLossIsMadeGood(t *testing.T) {
	w, ns := lab.Tracked(t)
	lab.Share(t)
	out := &output{}
	stop := started(t, ns, sample.WatchOptions{Kinds: ctnetlink.EventNew, Buffer: 4096}, out)
	const n = 20000
	for i := range 4 {
		send(t, w, i*n/4, n/4)
	}
	want := table(t, ns)
	out.agree(t, want)
	c := stop()
	if c.Seen+c.Lost != n || c.Lost == 0 || c.Synced == 0 || c.Written != c.Seen || c.Slow != 0 {
		t.Errorf("sent %d: %+v", n, c)
	}
	if have := replay(t, out.String()); !maps.Equal(have, want) || len(want) != n {
		t.Errorf("shown are %d flows, the table has %d", len(have), len(want))
	}
}

// TestChurnWithLossIsMadeGood makes and flushes flows while events are lost and the table is read.
func TestChurnWithLossIsMadeGood(t *testing.T) {
	w, ns := lab.Tracked(t)
	lab.Share(t)
	out := &output{}
	stop := started(t, ns, sample.WatchOptions{Buffer: 16384}, out)
	for i := range 12 {
		send(t, w, 2000*i, 2000)
		if i%3 == 1 {
			ns.Do(func() {
				if msg, err := exec.Command("conntrack", "-F").CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, msg)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
	}
	want := table(t, ns)
	out.agree(t, want)
	c := stop()
	if have := replay(t, out.String()); !maps.Equal(have, want) || len(want) == 0 || c.Lost == 0 || c.Synced == 0 {
		t.Errorf("shown are %d flows, the table has %d: %+v", len(have), len(want), c)
	}
}

// TestSlowReaderLosesCountedEvents holds the output up: events are still read from the kernel, those that
// found no room are counted, and when the reader goes on the table makes it good.
func TestSlowReaderLosesCountedEvents(t *testing.T) {
	w, ns := lab.Tracked(t)
	lab.Share(t)
	out := &output{gate: make(chan struct{})}
	stop := started(t, ns, sample.WatchOptions{Kinds: ctnetlink.EventNew, Buffer: 64 << 20, Queue: 8192}, out)
	const n = 5000
	send(t, w, 0, n)
	time.Sleep(300 * time.Millisecond)
	close(out.gate)
	want := table(t, ns)
	out.agree(t, want)
	c := stop()
	if c.Seen != n || c.Lost != 0 || c.Slow == 0 || c.Slow+c.Written != n || c.Synced == 0 || c.Stale {
		t.Errorf("%+v", c)
	}
	if have := replay(t, out.String()); !maps.Equal(have, want) {
		t.Errorf("shown are %d flows, the table has %d", len(have), len(want))
	}
}

// TestStuckReaderDoesNotHoldTheEndUp never lets the reader go on.
func TestStuckReaderDoesNotHoldTheEndUp(t *testing.T) {
	w, ns := lab.Tracked(t)
	out := &output{gate: make(chan struct{})}
	t.Cleanup(func() { close(out.gate) })
	stop := started(t, ns, sample.WatchOptions{}, out)
	send(t, w, 0, 10)
	time.Sleep(100 * time.Millisecond)
	if c := stop(); !c.Stuck || c.Seen != 10 || c.Slow != 10 || c.Written != 0 {
		t.Errorf("%+v", c)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWatchEnds(t *testing.T) {
	w, ns := lab.Tracked(t)
	f, err := filter.Parse("src 10.128.0.3")
	if err != nil {
		t.Fatal(err)
	}
	out := &output{}
	stop := started(t, ns, sample.WatchOptions{Filter: f}, out)
	send(t, w, 0, 10)
	out.await(t, "\n")
	if c := stop(); c.Seen != 10 || c.Filtered != 9 || c.Written != 1 || c.Stale {
		t.Errorf("%+v", c)
	}
	before := descriptors(t)
	if err := ns.Run(func() error {
		start := time.Now()
		_, err := sample.Watch(t.Context(), sample.WatchOptions{For: 50 * time.Millisecond}, plain{}, io.Discard)
		if took := time.Since(start); took > time.Second {
			t.Errorf("ends after %v", took)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	err = ns.Run(func() error {
		o := sample.WatchOptions{For: 20 * time.Second, Ready: func() { send(t, w, 100, 1) }}
		_, err := sample.Watch(t.Context(), o, plain{}, broken{})
		return err
	})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that is gone: %v", err)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors open, before %d", after, before)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
