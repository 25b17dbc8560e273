package demand

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

func timers() *rank.Timeouts {
	return rank.NewTimeouts(map[string]int64{"tcp_timeout_established": 432000, "tcp_timeout_time_wait": 120, "tcp_timeout_syn_sent": 120,
		"tcp_timeout_syn_recv": 60, "tcp_timeout_close": 10, "udp_timeout": 30, "udp_timeout_stream": 120, "icmp_timeout": 30})
}

func shown(proto flow.Proto, state flow.State, status flow.Status, src uint16, port uint16, left uint32) *flow.Flow {
	fl := &flow.Flow{Family: flow.IPv4, Status: status, State: state, Timeout: left, Present: flow.HasTimeout | flow.HasStatus}
	fl.Orig = flow.Tuple{Src: netip.AddrFrom4([4]byte{10, 0, byte(src >> 8), byte(src)}), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 1000 + src, DstPort: port, Proto: proto}
	return fl
}

// TestTableTellsRates: flows that come at known rates, seen once.
func TestTableTellsRates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	tab := NewTable(timers(), 0)
	n := func(rate float64, stay uint32, add func(left uint32)) {
		for range int(rate * float64(stay)) {
			add(uint32(r.IntN(int(stay))))
		}
	}
	web := flow.Assured | flow.SeenReply
	n(20, 120, func(left uint32) {
		tab.Add(shown(flow.TCP, flow.TCPTimeWait, web, uint16(r.Uint32()), 443, left), false)
	})
	for range 600 { // 30 s each
		tab.Add(shown(flow.TCP, flow.TCPEstablished, web, uint16(r.Uint32()), 443, 432000-uint32(r.IntN(8))), false)
	}
	n(5, 120, func(left uint32) { tab.Add(shown(flow.TCP, flow.TCPSynSent, 0, uint16(r.Uint32()), 80, left), false) })
	n(40, 30, func(left uint32) { tab.Add(shown(flow.UDP, 0, flow.SeenReply, uint16(r.Uint32()), 53, left), false) })
	n(30, 120, func(left uint32) { tab.Add(shown(flow.UDP, 0, web, uint16(r.Uint32()), 4500, left), false) })
	for range 900 { // flows of UDP that go on
		tab.Add(shown(flow.UDP, 0, web, uint16(r.Uint32()), 4500, 120-uint32(r.IntN(3))), false)
	}
	tab.Add(shown(flow.GRE, 0, 0, 1, 0, 5), false)
	for _, want := range []struct {
		port    uint16
		manner  Manner
		rate    float64
		life    float64
		closing float64
	}{{443, Answered, 20, 30, 1}, {80, Ignored, 5, 0, 0}, {53, Answered, 40, 0, 0}, {4500, Answered, 30, 30, 0}} {
		found := false
		for _, s := range tab.Streams() {
			if s.Service.Port != want.port {
				continue
			}
			found = true
			if math.Abs(s.Rate-want.rate) > 0.15*want.rate+0.01 || s.Low > want.rate || s.High < want.rate || s.Manner != want.manner {
				t.Errorf("port %d: %s at %v in [%v, %v], want %s at %v", want.port, s.Manner, s.Rate, s.Low, s.High, want.manner, want.rate)
			}
			if got := s.Life.Seconds(); math.Abs(got-want.life) > 0.35*want.life || want.manner == Answered && want.port == 443 && s.Closing != want.closing {
				t.Errorf("port %d: life %v, closing %v, want %v and %v", want.port, got, s.Closing, want.life, want.closing)
			}
			if p := s.Sources; want.port == 443 && (p.Bits() != 16 || p.Addr() != netip.MustParseAddr("10.0.0.0")) {
				t.Errorf("sources %v", p)
			}
		}
		if !found {
			t.Errorf("no stream for port %d", want.port)
		}
	}
	if tab.Apart != 1 {
		t.Errorf("%d apart", tab.Apart)
	}
}

// TestTwoReadingsTellGrowth: flows that came between two readings, and none that ends.
func TestTwoReadingsTellGrowth(t *testing.T) {
	tab := NewTable(timers(), 10*time.Second)
	for i := range uint16(1000) {
		tab.Add(shown(flow.TCP, flow.TCPEstablished, flow.Assured|flow.SeenReply, i, 5432, 431999), i >= 900)
		tab.Add(shown(flow.TCP, flow.TCPEstablished, flow.Assured|flow.SeenReply, i, 22, 431000), false)
	}
	all := tab.Streams()
	if len(all) != 2 || all[1].Rate != 10 || all[1].Low < 7 || all[1].High > 13 || all[1].Life != Forever {
		t.Errorf("%+v", all)
	}
	if s := all[0]; s.Rate != 0 || s.High != 0.3 {
		t.Errorf("none came: %+v", s)
	}
}

// TestManyServicesAreFew: a scan of all ports is one stream.
func TestManyServicesAreFew(t *testing.T) {
	tab := NewTable(timers(), 0)
	for i := range uint16(5000) {
		tab.Add(shown(flow.TCP, flow.TCPSynSent, 0, 7, i+1, 60), false)
	}
	all := tab.Streams()
	if len(all) != maxStreams+1 {
		t.Fatalf("%d streams", len(all))
	}
	rest := all[maxStreams]
	if rest.Flows != 5000-maxStreams || len(rest.Ports) != maxPorts || math.Abs(rest.Rate-float64(rest.Flows)/120) > 1e-9 {
		t.Errorf("%+v", rest)
	}
}
