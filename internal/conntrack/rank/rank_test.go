package rank

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
)

func tcp(src, dst string, state flow.State, status flow.Status, left uint32) *flow.Flow {
	return &flow.Flow{
		Present: flow.HasStatus | flow.HasState | flow.HasTimeout, State: state, Status: status, Timeout: left,
		Orig: flow.Tuple{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), DstPort: 443, Proto: flow.TCP},
	}
}

func TestSummary(t *testing.T) {
	r := New(Options{Timeouts: NewTimeouts(map[string]int64{"tcp_timeout_established": 432000, "tcp_timeout_syn_sent": 120, "udp_timeout": 30})})
	answered := flow.SeenReply | flow.Assured
	r.Add(tcp("10.0.0.1", "192.0.2.1", flow.TCPEstablished, answered, 432000-7200))
	r.Add(tcp("10.0.0.1", "192.0.2.1", flow.TCPEstablished, answered, 299))
	r.Add(tcp("10.0.0.2", "192.0.2.1", flow.TCPTimeWait, answered|flow.SrcNAT, 100))
	r.Add(tcp("2001:db8::1", "2001:db8::2", flow.TCPSynSent, 0, 110))
	ping := flow.Flow{Zone: 5, Orig: flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.9"), Proto: flow.ICMP}}
	r.Add(&ping)
	s := r.Summary()
	if s.Total != 5 || s.Assured != 3 || s.Closing != 1 || s.NAT != 1 || s.Pinned() != 2 || s.Unassured() != 2 || len(s.Sketched) != 0 {
		t.Errorf("%+v", s)
	}
	want := []Row{{Key: "10.0.0.1", Count: 3, Assured: 2, HalfOpen: 1}, {Key: "2001:db8::1", Count: 1, HalfOpen: 1}, {Key: "10.0.0.2", Count: 1, Assured: 1}}
	if diff := cmp.Diff(want, s.Source); diff != "" {
		t.Error(diff)
	}
	for name, got := range map[string]string{"10.0.0.0/24": s.SourcePrefix[0].Key, "192.0.2.0/24": s.DestPrefix[0].Key, "tcp/443": s.DestPort[0].Key, "icmp": s.DestPort[1].Key, "0": s.Zone[0].Key, "5": s.Zone[1].Key} {
		if got != name {
			t.Errorf("key is %q, want %q", got, name)
		}
	}
	est := s.Classes[0]
	if est.State != "ESTABLISHED" || est.Count != 2 || est.Idle.Max != 7200 || est.Idle.Unknown != 1 || est.Idle.Over(3600) != 1 || est.Remaining.Max != 432000-7200 {
		t.Errorf("%+v idle %+v", est, est.Idle)
	}
	r.Reset()
	if s := r.Summary(); s.Total != 0 || len(s.Source) != 0 || len(s.Classes) != 0 {
		t.Errorf("after Reset: %+v", s)
	}
}

func TestIdleIsOnlyToldWhereItCanBe(t *testing.T) {
	tm := NewTimeouts(map[string]int64{
		"tcp_timeout_established": 3600, "tcp_timeout_close_wait": 60, "udp_timeout": 30, "udp_timeout_stream": 120,
		"gre_timeout": 30, "gre_timeout_stream": 180, "generic_timeout": 600, "tcp_timeout_unacknowledged": 400,
	})
	of := func(p flow.Proto, st flow.State, status flow.Status, left uint32) *flow.Flow {
		return &flow.Flow{Present: flow.HasTimeout, Orig: flow.Tuple{Proto: p}, State: st, Status: status, Timeout: left}
	}
	for i, c := range []struct {
		fl    *flow.Flow
		idle  int64
		known bool
	}{
		{of(flow.TCP, flow.TCPEstablished, flow.Assured, 3000), 600, true},
		{of(flow.TCP, flow.TCPEstablished, flow.Assured, 400), 0, false},  // perhaps unacknowledged
		{of(flow.TCP, flow.TCPEstablished, flow.Assured, 3601), 0, false}, // set before the setting changed
		{of(flow.TCP, flow.TCPCloseWait, flow.Assured, 10), 50, true},
		{of(flow.TCP, flow.TCPSynSent2, 0, 10), 0, false}, // no setting
		{of(flow.UDP, 0, flow.SeenReply, 10), 20, true},
		{of(flow.UDP, 0, flow.SeenReply|flow.Assured, 10), 110, true},
		{of(flow.UDP, 0, flow.NATClash, 1), 0, false},
		{of(flow.GRE, 0, flow.SeenReply, 100), 80, true},
		{of(89, 0, 0, 100), 500, true},
		{of(flow.TCP, flow.TCPEstablished, flow.Offload, 3000), 0, false},
		{&flow.Flow{Orig: flow.Tuple{Proto: flow.UDP}}, 0, false},
		{of(flow.ICMP, 0, 0, 5), 0, false}, // setting not known
	} {
		if idle, known := tm.Idle(c.fl); idle != c.idle || known != c.known {
			t.Errorf("case %d: %d, %v", i, idle, known)
		}
	}
}

// TestSketchAgainstAMap holds the counts against a plain map: exact while they fit, and within the
// stated error beyond.
func TestSketchAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		s, true_ := newSketch[key](limit, key.hash, key.compare), map[key]uint32{}
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(0, 99), 0, 600).Draw(t, "keys") {
			if n > 50 {
				n %= 7 // some keys are heavy
			}
			true_[key{n, n}]++
			s.add(key{n, n}, 0)
		}
		s.settle()
		if s.exact() != (len(true_) <= limit) {
			t.Fatalf("exact is %v with %d keys of %d", s.exact(), len(true_), limit)
		}
		total := uint64(0)
		for i := range s.entries {
			e := &s.entries[i]
			if got := true_[e.key]; got > e.count || got < e.count-s.errorOf(int32(i)) {
				t.Fatalf("%v: %d, true %d, error %d", e.key, e.count, got, s.errorOf(int32(i)))
			}
			if s.find(e.key, uint32(s.hash(e.key, &s.seed))) != i {
				t.Fatalf("%v is not where the index says", e.key)
			}
			total += uint64(e.count)
		}
		want := uint64(0)
		for _, n := range true_ {
			want += uint64(n)
		}
		if total != want {
			t.Fatalf("counts add up to %d of %d", total, want)
		}
		// Who has more than total/limit flows is among the entries.
		for k, n := range true_ {
			if uint64(n)*uint64(limit) > want && !has(s, k) {
				t.Fatalf("%v with %d of %d is missing", k, n, want)
			}
		}
	})
}

func has(s *sketch[key], k key) bool {
	for i := range s.entries {
		if s.entries[i].key == k {
			return true
		}
	}
	return false
}

func random(n int) []*flow.Flow {
	flows := make([]*flow.Flow, n)
	for i := range flows {
		a := rand.Uint32() % 65536
		flows[i] = tcp(netip.AddrFrom4([4]byte{10, byte(a >> 16), byte(a >> 8), byte(a)}).String(), "192.0.2.1", flow.TCPEstablished, flow.Assured, 4000)
	}
	return flows
}

func TestAddDoesNotAllocate(t *testing.T) {
	flows := random(1000)
	r := New(Options{Timeouts: NewTimeouts(map[string]int64{"tcp_timeout_established": 432000}), Limit: 500})
	for _, fl := range flows {
		r.Add(fl)
	}
	i := 0
	if n := testing.AllocsPerRun(5000, func() { r.Add(flows[i%len(flows)]); i++ }); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	flows := random(1 << 17)
	timeouts := NewTimeouts(map[string]int64{"tcp_timeout_established": 432000})
	for name, keys := range map[string][]Key{"src": {Src}, "all": nil} {
		b.Run(name, func(b *testing.B) {
			r := New(Options{Keys: keys, Timeouts: timeouts})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Add(flows[i&(1<<17-1)])
				i++
			}
		})
	}
}
