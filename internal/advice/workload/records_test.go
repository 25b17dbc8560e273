package workload

import (
	"net/netip"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// connection is a recorded TCP flow of that life, ended by its timer.
func connection(port uint16, start, life time.Duration) flow.Record {
	base := time.Unix(1.8e9, 0).UTC()
	r := flow.Record{Start: base.Add(start), Family: flow.IPv4, Assured: true, Timeout: 120 * time.Second, Ended: flow.EndClosed,
		Orig:   flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: port, DstPort: 443, Proto: flow.TCP},
		States: []flow.State{flow.TCPSynSent, flow.TCPSynRecv, flow.TCPEstablished, flow.TCPFinWait, flow.TCPLastAck, flow.TCPTimeWait},
		At:     []time.Duration{0, 1e6, 2e6, life, life + 1e6, life + 2e6}}
	r.Reply = flow.Tuple{Src: r.Orig.Dst, Dst: r.Orig.Src, SrcPort: 443, DstPort: port, Proto: flow.TCP}
	r.End = r.Start.Add(life + 120*time.Second)
	return r
}

// play runs records through the model and returns how many flows were made, and how they went.
func play(t *testing.T, all []flow.Record, b Between, established int64) (c model.Counters, forgotten int) {
	t.Helper()
	set := model.Defaults(model.Linux618())
	if err := set.Set("tcp_timeout_established", established); err != nil {
		t.Fatal(err)
	}
	m := model.New(model.Config{Settings: &set, Ended: func(e model.End) {
		if e.Why == model.Expired && e.State == flow.TCPEstablished {
			forgotten++
		}
	}})
	g := FromRecords(all, b, 10*time.Second)
	d := packet.NewDecoder(packet.Options{Checksums: true})
	last := int64(0)
	for {
		at, ip, ok := g.Next()
		if !ok {
			break
		}
		if at < last {
			t.Fatal("back in time")
		}
		last = at
		var p packet.Packet
		d.IP(at, ip, &p)
		if p.Kind != packet.Tracked || p.BadSum {
			t.Fatalf("kind %d, bad sum %v", p.Kind, p.BadSum)
		}
		// The FIN of a forgotten flow belongs to none.
		if v := m.Step(at, &p); v.Result == model.Invalid && b == Busy {
			t.Fatalf("invalid: %v", v.Reason)
		}
	}
	return m.Counters(), forgotten
}

// TestRecordsGiveBounds: an hour of a connection under a timeout of ten minutes is forgotten if it was silent,
// and is not if it was busy; nobody can tell which from a record.
func TestRecordsGiveBounds(t *testing.T) {
	all := []flow.Record{connection(2000, time.Hour, time.Hour), connection(1000, 0, time.Second), connection(3000, 0, 5*time.Minute)}
	if c, forgotten := play(t, all, Silent, 600); forgotten != 1 || c.New < 4 {
		t.Errorf("silent: %d forgotten, %d flows", forgotten, c.New)
	}
	if c, forgotten := play(t, all, Busy, 600); forgotten != 0 || c.New != 3 {
		t.Errorf("busy: %d forgotten, %d flows", forgotten, c.New)
	}
}

func TestRecordsOfEveryKind(t *testing.T) {
	base := time.Unix(1.8e9, 0).UTC()
	udp := flow.Record{Start: base, End: base.Add(150 * time.Second), Timeout: 120 * time.Second, Ended: flow.EndExpired, Assured: true, Family: flow.IPv6,
		Orig: flow.Tuple{Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), SrcPort: 5, DstPort: 53, Proto: flow.UDP}}
	ping := flow.Record{Start: base, Ended: flow.EndOpen, Family: flow.IPv4,
		Orig: flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), ICMPID: 7, ICMPType: 8, Proto: flow.ICMP}}
	odd := ping
	odd.Orig.Proto = 99
	middle := connection(9, 0, time.Minute)
	middle.States, middle.At, middle.Ended = nil, nil, flow.EndEvicted
	if c, _ := play(t, []flow.Record{udp, ping, odd, middle}, Busy, 600); c.New != 3 {
		t.Errorf("%d flows", c.New)
	}
	if c, _ := play(t, nil, Busy, 600); c.New != 0 {
		t.Error("flows from nothing")
	}
}

// TestSampleStandsForAll: of every tenth flow come ten, between different ends.
func TestSampleStandsForAll(t *testing.T) {
	var all []flow.Record
	for i := range 2000 {
		r := connection(uint16(1024+i*30%60000), time.Duration(i)*100*time.Millisecond, time.Second)
		r.Orig.Src = netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 7})
		if i%2 == 0 {
			r.Sample = 0.08
		}
		all = append(all, r)
	}
	c, _ := play(t, all, Silent, 600)
	if want := 1000 + 1000/0.08; float64(c.New) < 0.98*want || float64(c.New) > 1.02*want {
		t.Errorf("%d flows, want about %v", c.New, want)
	}
}
