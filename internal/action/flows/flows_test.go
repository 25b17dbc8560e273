package flows_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

func parse(t testing.TB, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// in runs fn in a namespace and fails on its error.
func in(t testing.TB, ns *lab.Namespace, fn func() error) {
	t.Helper()
	if err := ns.Run(fn); err != nil {
		t.Fatal(err)
	}
}

// table is what a namespace holds, by a text that names a flow whole.
func table(t testing.TB, ns *lab.Namespace) map[string]flow.Flow {
	t.Helper()
	out := map[string]flow.Flow{}
	in(t, ns, func() (err error) {
		c, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		_, err = c.Dump(t.Context(), ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
			out[fmt.Sprint(fl.Orig, fl.Zone, fl.ID)] = fl.Clone()
			return nil
		})
		return err
	})
	return out
}

// random fills a namespace with flows that differ in everything that a filter can ask for.
func random(t testing.TB, ns *lab.Namespace, n int, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	var all []*flow.Flow
	for i := range n {
		fl := &flow.Flow{Family: flow.IPv4, Present: flow.HasReply | flow.HasStatus | flow.HasTimeout | flow.HasMark | flow.HasZone, Timeout: uint32(100 + r.IntN(5000)),
			Mark: uint32(r.IntN(3)), Zone: uint16(r.IntN(3)), Status: flow.Confirmed | flow.SeenReply}
		src, dst := netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(i >> 8), byte(i)}), netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(3))})
		if r.IntN(4) == 0 {
			fl.Family = flow.IPv6
			src, dst = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%d", r.IntN(3)))
		}
		proto := []flow.Proto{flow.TCP, flow.UDP}[r.IntN(2)]
		fl.Orig = flow.Tuple{Src: src, Dst: dst, SrcPort: uint16(1024 + i), DstPort: []uint16{53, 80, 443}[r.IntN(3)], Proto: proto}
		fl.Reply = flow.Tuple{Src: dst, Dst: src, SrcPort: fl.Orig.DstPort, DstPort: fl.Orig.SrcPort, Proto: proto}
		if r.IntN(5) == 0 { // its replies go elsewhere
			fl.Reply.DstPort ^= 1
		}
		if proto == flow.TCP {
			fl.Present |= flow.HasState
			fl.State = []flow.State{flow.TCPSynSent, flow.TCPEstablished, flow.TCPTimeWait}[r.IntN(3)]
		}
		if r.IntN(2) == 0 {
			fl.Status |= flow.Assured
		}
		all = append(all, fl)
	}
	in(t, ns, func() (err error) {
		c, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		res, err := c.Create(t.Context(), slices.Values(all), ctnetlink.ChangeOptions{})
		if err == nil && res.Done < uint64(n)*9/10 {
			err = fmt.Errorf("only %+v", res)
		}
		return err
	})
}

// TestDeleteTakesWhatTheFilterSelects: over random tables, exactly the flows that the filter selects and no
// protection covers are gone.
func TestDeleteTakesWhatTheFilterSelects(t *testing.T) {
	lab.Share(t)
	for i, text := range []string{"zone 1", "mark 2", "tcp and state SYN_SENT", "src 10.1.0.0/16", "ipv6", "not assured and dport 53", "reply-dst 10.2.0.0/16", "zone 2 or mark 1/1", "udp and ipv6 and zone 0",
		"timeout > 1000", "src 10.0.0.0/8 and not (dport 80 or dport 443)"} {
		ns := lab.NewNamespace(t)
		random(t, ns, 1500, uint64(i))
		f, protect := parse(t, text), parse(t, "dst 192.0.2.1 and tcp")
		before := table(t, ns)
		var want []string
		protected := uint64(0)
		for k, fl := range before {
			switch {
			case !f.Match(&fl, nil):
				want = append(want, k)
			case protect.Match(&fl, nil):
				protected++
				want = append(want, k)
			}
		}
		var preview, did flows.Counts
		in(t, ns, func() (err error) {
			o := flows.Options{Filter: f, Protect: []filter.Filter{protect}}
			if preview, err = flows.Preview(t.Context(), o, false); err != nil {
				return err
			}
			did, err = flows.Delete(t.Context(), o)
			return err
		})
		left := slices.Sorted(maps.Keys(table(t, ns)))
		slices.Sort(want)
		if !slices.Equal(left, want) {
			t.Errorf("%s: %d flows are left, want %d", text, len(left), len(want))
		}
		gone := uint64(len(before) - len(want))
		if did.Done != gone || did.Gone != 0 || did.Refused != 0 || did.Protected != protected || preview.Planned() != gone || preview.Done != 0 || gone == 0 {
			t.Errorf("%s: %d went, counted %+v, preview %+v", text, gone, did, preview)
		}
	}
}

func TestRetime(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	random(t, ns, 2000, 99)
	present := map[string]int64{"tcp_timeout_established": 600, "tcp_timeout_syn_sent": 20, "tcp_timeout_time_wait": 3000, "udp_timeout": 30, "udp_timeout_stream": 120}
	before := table(t, ns)
	var did flows.Counts
	in(t, ns, func() (err error) {
		did, err = flows.Retime(t.Context(), flows.Options{Timeouts: rank.NewTimeouts(present)})
		return err
	})
	after := table(t, ns)
	timeouts, changed := rank.NewTimeouts(present), uint64(0)
	for k, fl := range after {
		was := before[k]
		want, ok := timeouts.Configured(&was)
		if !ok {
			t.Fatalf("no timeout for %v", was.State)
		}
		target := min(int64(was.Timeout), want)
		if int64(was.Timeout) > want {
			changed++
		}
		if d := target - int64(fl.Timeout); d < 0 || d > 5 {
			t.Errorf("%v had %d, due %d, has %d", fl.State, was.Timeout, target, fl.Timeout)
		}
		if fl.Mark != was.Mark || fl.Status != was.Status || fl.State != was.State {
			t.Errorf("more than the time changed: %+v, was %+v", fl, was)
		}
	}
	if len(after) != len(before) || did.Done < changed || did.Done > changed+50 || did.Done+did.Kept != did.Matched {
		t.Errorf("%d changed of %d, counted %+v", changed, len(before), did)
	}
	sec := uint32(4000)
	in(t, ns, func() (err error) { // back up, for those of TCP
		did, err = flows.Retime(t.Context(), flows.Options{Filter: parse(t, "tcp"), Timeout: &sec, Lengthen: true})
		return err
	})
	for _, fl := range table(t, ns) {
		if long := fl.Timeout > 3500; long != (fl.Proto() == flow.TCP) {
			t.Errorf("%v has %d", fl.Proto(), fl.Timeout)
		}
	}
}

// TestCountsUnderChurn: while another writer deletes the same flows, each is counted once: done here, or gone.
func TestCountsUnderChurn(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	made := lab.Fill(t, ns, 40000, lab.Mix{Established: 100})
	results := make(chan flows.Counts, 2)
	for range 2 {
		go func() {
			var c flows.Counts
			err := ns.Run(func() (err error) {
				c, err = flows.Delete(context.Background(), flows.Options{})
				return err
			})
			if err != nil {
				t.Error(err)
			}
			results <- c
		}()
	}
	a, b := <-results, <-results
	if a.Done+b.Done != uint64(made) || a.Refused+b.Refused != 0 || a.Done+a.Gone != a.Matched || b.Done+b.Gone != b.Matched {
		t.Errorf("%d flows: %+v and %+v", made, a, b)
	}
	if n := len(table(t, ns)); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestLimitAndCancel(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 2000, lab.Mix{Established: 100})
	begin := time.Now()
	var c flows.Counts
	in(t, ns, func() (err error) {
		ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer stop()
		c, err = flows.Delete(ctx, flows.Options{Limit: 400})
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("ended with %w", err)
		}
		return nil
	})
	if most := uint64(400*time.Since(begin).Seconds()) + 41; c.Done == 0 || c.Done > most {
		t.Errorf("%d in %v at 400 a second", c.Done, time.Since(begin))
	}
	if n := len(table(t, ns)); n != 2000-int(c.Done) {
		t.Errorf("%d are left, %d were counted", n, c.Done)
	}
}

func TestAlways(t *testing.T) {
	flowOf := func(src, dst string, port uint16) *flow.Flow {
		return &flow.Flow{Family: flow.IPv4, Present: flow.HasReply, Orig: flow.Tuple{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), DstPort: port, Proto: flow.TCP},
			Reply: flow.Tuple{Src: netip.MustParseAddr(dst), Dst: netip.MustParseAddr(src), SrcPort: port, Proto: flow.TCP}}
	}
	safe, err := flows.Always([]string{"198.51.100.7", "2001:db8::7", "198.51.100.7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fl   *flow.Flow
		want bool
	}{{flowOf("198.51.100.7", "192.0.2.1", 22), true}, {flowOf("192.0.2.1", "198.51.100.7", 514), true}, {flowOf("198.51.100.8", "192.0.2.1", 22), false},
		{flowOf("127.0.0.1", "127.0.0.53", 53), true}, {flowOf("::1", "::1", 80), true}, {flowOf("2001:db8::7", "2001:db8::1", 80), true}} {
		if got := slices.ContainsFunc(safe, func(f filter.Filter) bool { return f.Match(c.fl, nil) }); got != c.want {
			t.Errorf("%v: protected %v", c.fl.Orig, got)
		}
	}
	if _, err := flows.Always([]string{"nobody"}); err == nil {
		t.Error("a peer that is no address protects nothing, silently")
	}
}
