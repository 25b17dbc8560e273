package ctnetlink_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

func dial(t testing.TB, ns *lab.Namespace) *ctnetlink.Conn {
	t.Helper()
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func dump(t testing.TB, c *ctnetlink.Conn, o ctnetlink.DumpOptions, fn func(*flow.Flow) error) ctnetlink.DumpResult {
	t.Helper()
	if fn == nil {
		fn = func(*flow.Flow) error { return nil }
	}
	res, err := c.Dump(t.Context(), o, fn)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestDumpGivesEveryFlowOnce(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Share(t) // nobody resizes
	const n = 50000
	lab.Fill(t, ns, n, lab.DefaultMix)
	want := map[flow.Tuple]flow.Flow{}
	for fl := range lab.Flows(n, lab.DefaultMix) {
		want[fl.Orig] = fl.Clone()
	}
	c := dial(t, ns)
	res := dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		w, ok := want[fl.Orig]
		delete(want, fl.Orig)
		if !ok || w.State != fl.State || w.Status != fl.Status || w.Reply != fl.Reply || w.Family != fl.Family || fl.Timeout > w.Timeout {
			return fmt.Errorf("not as made:\n%+v\n%+v", w, fl)
		}
		return nil
	})
	if len(want) != 0 || res.Flows != n || !res.Consistent || res.Count == nil || *res.Count != n {
		t.Errorf("%d missing; %+v", len(want), res)
	}
}

func TestDumpFilters(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 20000, lab.DefaultMix)
	lab.Fill(t, ns, 1000, lab.Mix{Established: 100, IPv6: 50, Zone: 7, Mark: 0x21, First: 100000})
	c := dial(t, ns)
	var all []flow.Flow
	dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error { all = append(all, fl.Clone()); return nil })
	for _, text := range []string{
		"ipv6", "assured", "not assured", "zone 7", "mark 0x20/0x20", "ipv4 and proto udp", "src 10.0.0.50", "src 2001:db8::64",
		"ipv6 and proto tcp", "src 10.0.0.0/16 and state SYN_SENT", "ipv4 and proto tcp and dport 80 and dst 192.0.2.1", "not src 10.0.0.0/8", "proto tcp or mark 33",
		"ipv6 and zone 7 and assured",
	} {
		f, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		want := uint64(0)
		for i := range all {
			if f.Match(&all[i], nil) {
				want++
			}
		}
		for _, user := range []bool{false, true} {
			res := dump(t, c, ctnetlink.DumpOptions{Filter: f, InUser: user, Fields: flow.HasID}, nil)
			// Every kernel selects by family; what it leaves out is never sent.
			if whole := uint64(len(all)); text == "ipv6" && (res.Received == whole) != user {
				t.Errorf("%s (in user space: %v): the kernel sent %d of %d", text, user, res.Received, whole)
			}
			if res.Flows != want || want == 0 {
				t.Errorf("%s (in user space: %v): %d flows, want %d", text, user, res.Flows, want)
			}
		}
	}
}

func TestDumpCanBeLeftAndUsedAgain(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 20000, lab.DefaultMix)
	c := dial(t, ns)
	before := descriptors(t)
	stop := errors.New("enough")
	for range 5 {
		if _, err := c.Dump(t.Context(), ctnetlink.DumpOptions{}, func(*flow.Flow) error { return stop }); !errors.Is(err, stop) {
			t.Fatalf("error is %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := c.Dump(ctx, ctnetlink.DumpOptions{}, func(*flow.Flow) error {
			if n++; n == 1000 {
				cancel()
			}
			return nil
		})
		cancel()
		if !errors.Is(err, context.Canceled) || n >= 20000 {
			t.Fatalf("after %d flows: %v", n, err)
		}
	}
	if res := dump(t, c, ctnetlink.DumpOptions{}, nil); res.Flows != 20000 {
		t.Errorf("after being left: %+v", res)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Stats(t.Context()); !errors.Is(err, ctnetlink.ErrClosed) {
		t.Errorf("after Close: %v", err)
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

func TestChurnLosesNoStableFlow(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Share(t)
	const n = 20000
	lab.Fill(t, ns, n, lab.DefaultMix)
	c, other := dial(t, ns), dial(t, ns)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		mix := lab.DefaultMix
		mix.First = 1000000
		for ctx.Err() == nil {
			if _, err := other.Create(context.Background(), lab.Flows(2000, mix), ctnetlink.ChangeOptions{}); err != nil {
				done <- err
				return
			}
			if _, err := other.Delete(context.Background(), lab.Flows(2000, mix), ctnetlink.ChangeOptions{}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	stable := map[flow.Tuple]int{}
	for fl := range lab.Flows(n, lab.DefaultMix) {
		stable[fl.Orig] = 0
	}
	res := dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		if k, ok := stable[fl.Orig]; ok {
			stable[fl.Orig] = k + 1
		}
		return nil
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for tu, k := range stable {
		if k != 1 && res.Consistent {
			t.Fatalf("%v seen %d times, and the dump says it is consistent", tu, k)
		}
	}
}

func TestBatchesMatchErrorsToFlows(t *testing.T) {
	ns := lab.NewNamespace(t)
	c := dial(t, ns)
	lab.Fill(t, ns, 500, lab.DefaultMix)
	var failed []uint64
	res, err := c.Create(t.Context(), lab.Flows(1000, lab.DefaultMix), ctnetlink.ChangeOptions{Batch: 64, OnError: func(n uint64, fl *flow.Flow, err error) {
		i := uint64(0)
		for want := range lab.Flows(1000, lab.DefaultMix) {
			if i == n && want.Orig != fl.Orig {
				t.Errorf("error %d names %v, not %v", n, fl.Orig, want.Orig)
			}
			i++
		}
		failed = append(failed, n)
	}})
	if err != nil || res.Sent != 1000 || res.Done != 500 || res.Exists != 500 || res.Failed != 0 {
		t.Errorf("create: %+v, %v", res, err)
	}
	if len(failed) != 500 || !slices.IsSorted(failed) || failed[499] != 499 {
		t.Errorf("errors for %d flows", len(failed))
	}
	timeout := flow.Flow{}
	res, err = c.Update(t.Context(), func(yield func(*flow.Flow) bool) {
		for fl := range lab.Flows(1200, lab.DefaultMix) {
			timeout = fl.Clone()
			timeout.Timeout = 77
			if !yield(&timeout) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{Fields: flow.HasTimeout})
	if err != nil || res.Done != 1000 || res.Gone != 200 {
		t.Errorf("update: %+v, %v", res, err)
	}
	dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		if fl.Timeout > 77 || fl.Timeout < 60 {
			return fmt.Errorf("timeout is %d", fl.Timeout)
		}
		return nil
	})
	res, err = c.Delete(t.Context(), lab.Flows(1200, lab.DefaultMix), ctnetlink.ChangeOptions{})
	if err != nil || res.Done != 1000 || res.Gone != 200 {
		t.Errorf("delete: %+v, %v", res, err)
	}
	if st, err := c.Stats(t.Context()); err != nil || *st.Count != 0 {
		t.Errorf("left: %+v, %v", st, err)
	}
}

func TestStatsAndCounters(t *testing.T) {
	ns := lab.NewNamespace(t)
	c := dial(t, ns)
	lab.Fill(t, ns, 100, lab.DefaultMix)
	st, err := c.Stats(t.Context())
	if err != nil || st.Count == nil || *st.Count != 100 {
		t.Fatalf("%+v, %v", st, err)
	}
	if limit, err := ns.Sysctl(lab.Max); st.Max != nil && fmt.Sprint(*st.Max) != limit {
		t.Errorf("max is %d, sysctl says %s, %v", *st.Max, limit, err)
	}
	cpus, err := c.CPUStats(t.Context())
	if err != nil || len(cpus) == 0 {
		t.Fatalf("%v, %v", cpus, err)
	}
	if sum := ctnetlink.Sum(cpus); sum["insert"] != 100 {
		t.Errorf("counters: %v", sum)
	}
	if _, ok := cpus[0].Counters["drop"]; !ok {
		t.Errorf("no drop in %v", cpus[0])
	}
	if _, err := c.ExpectCPUStats(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Expectations(t.Context(), func(e *flow.Expectation) error { return fmt.Errorf("%+v", e) }); err != nil {
		t.Error(err)
	}
	for _, table := range []ctnetlink.Table{ctnetlink.TableDying, ctnetlink.TableUnconfirmed} {
		if res := dump(t, c, ctnetlink.DumpOptions{Table: table}, nil); res.Flows != 0 {
			t.Errorf("table %d: %+v", table, res)
		}
	}
}

func TestPacketsMadeFlows(t *testing.T) {
	a := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}
	b := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")}}
	lab.Veth(t, a, b)
	if err := lab.Track(b.NS, lab.TrackOptions{Silent: true}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"acct", "timestamp"} {
		if err := b.NS.SetSysctl("net/netfilter/nf_conntrack_"+key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	src, dst := netip.MustParseAddrPort("198.51.100.1:1000"), netip.MustParseAddrPort("10.9.0.2:80")
	w := lab.NewWire(t, a, b)
	if _, err := w.Send(lab.TCP(src, dst, lab.Segment{Flags: lab.SYN, Seq: 5}), lab.Ping(src.Addr(), dst.Addr(), 3, 1)); err != nil {
		t.Fatal(err)
	}
	c := dial(t, b.NS)
	var got []flow.Flow
	for range 200 {
		got = got[:0]
		dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error { got = append(got, fl.Clone()); return nil })
		if len(got) == 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(got) != 2 {
		t.Fatalf("%d flows", len(got))
	}
	for _, fl := range got {
		if !fl.Has(flow.HasCounters|flow.HasTimestamp|flow.HasID) || fl.OrigCount.Packets != 1 || time.Since(fl.Start).Abs() > time.Minute || len(fl.UnknownAttrs) != 0 {
			t.Errorf("%+v", fl)
		}
		if fl.Proto() == flow.TCP && (fl.State != flow.TCPSynSent || fl.Orig.DstPort != 80) || fl.Proto() == flow.ICMP && (fl.Orig.ICMPID != 3 || fl.Orig.ICMPType != 8 || fl.Reply.ICMPType != 0) {
			t.Errorf("%+v", fl)
		}
	}
}

func BenchmarkDump(b *testing.B) {
	ns := lab.NewNamespace(b)
	for have, n := range map[int]int{0: 10000} {
		lab.Fill(b, ns, n-have, lab.DefaultMix)
		c := dial(b, ns)
		b.Run(fmt.Sprintf("flows=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			flows := uint64(0)
			for b.Loop() {
				flows += dump(b, c, ctnetlink.DumpOptions{}, nil).Flows
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(flows), "ns/flow")
		})
	}
}

func TestErrorsSayWhatIsMissing(t *testing.T) {
	err := error(&ctnetlink.Error{Op: "dump", Errno: 1})
	if !errors.Is(err, ctnetlink.ErrPermission) || !strings.Contains(err.Error(), "dump") {
		t.Error(err)
	}
}
