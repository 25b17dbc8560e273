package demand_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

var start = time.Unix(1.8e9, 0).UTC()

// conn is a recorded TCP connection to a port: established at once, closed after a time.
func conn(at time.Duration, port uint16, lasted time.Duration) flow.Record {
	r := flow.Record{Start: start.Add(at), End: start.Add(at + lasted + 2*time.Minute), Assured: true, Ended: flow.EndClosed, Timeout: 2 * time.Minute,
		Orig:   flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 1000, DstPort: port, Proto: flow.TCP},
		States: []flow.State{flow.TCPSynSent, flow.TCPSynRecv, flow.TCPEstablished, flow.TCPFinWait, flow.TCPLastAck, flow.TCPTimeWait},
		At:     []time.Duration{0, time.Second, 2 * time.Second, lasted, lasted, lasted}}
	r.Reply = flow.Tuple{Src: r.Orig.Dst, Dst: r.Orig.Src, SrcPort: port, DstPort: 1000, Proto: flow.TCP}
	return r
}

func find(d demand.Demand, s string, o demand.Outcome) *demand.Class {
	for i := range d.Classes {
		if d.Classes[i].Service.String() == s && d.Classes[i].Outcome == o {
			return &d.Classes[i]
		}
	}
	return nil
}

func TestClassesOfRecords(t *testing.T) {
	c := demand.NewCounter()
	for i := range 100 {
		r := conn(time.Duration(i)*time.Second, 443, 10*time.Second)
		c.Record(&r)
	}
	pool := conn(0, 5432, time.Hour)
	pool.Ended, pool.End, pool.States, pool.At = flow.EndOpen, time.Time{}, pool.States[:3], pool.At[:3]
	c.Record(&pool)
	syn := conn(0, 22, 0)
	syn.Ended, syn.Assured, syn.States, syn.At = flow.EndExpired, false, syn.States[:1], syn.At[:1]
	c.Record(&syn)
	d := c.Demand()
	web, db, scan := find(d, "tcp 443", demand.Closed), find(d, "tcp 5432", demand.Open), find(d, "tcp 22", demand.Unanswered)
	if web == nil || db == nil || scan == nil || d.Flows != 102 {
		t.Fatalf("%+v", d)
	}
	if web.Flows != 100 || math.Abs(web.Rate-100/d.Span().Seconds()) > 1e-9 || web.Handshake != 2 {
		t.Errorf("web: %+v over %s", web, d.Span())
	}
	if math.Abs(web.Lifetime.P50-10) > 0.5 || web.Idle.Longest != 8 || !web.Idle.Bound {
		t.Errorf("web: %+v, idle %+v", web.Lifetime, web.Idle)
	}
	if want := d.Span().Seconds() - 2; db.Idle.Longest != want {
		t.Errorf("an open pool may have been idle for %v s, not %v", want, db.Idle)
	}
	if scan.Idle != nil || d.Classes[0].Service.Port != 443 {
		t.Errorf("scan %+v, most of the table %+v", scan, d.Classes[0])
	}
}

const idlers = `
duration: 100s
tail: 400s
traffic:
- protocol: tcp
  rate: 2
  steady: true
  sources: 10.0.0.0/16
  destinations: 192.0.2.1
  port: 5432
  lasts: 120s
  shape: constant
  every: 40s
- protocol: tcp
  rate: 5
  steady: true
  sources: 10.1.0.0/16
  destinations: 192.0.2.1
  port: 22
  answer: "no"
- protocol: udp
  rate: 10
  steady: true
  sources: 10.2.0.0/16
  destinations: 192.0.2.53
  port: 53
`

// TestASampleStandsForAll: a quarter of the flows beside all of another service.
func TestASampleStandsForAll(t *testing.T) {
	c := demand.NewCounter()
	for i := range 100 {
		r := conn(time.Duration(i)*time.Second, 443, 10*time.Second)
		r.Sample = 0.25
		c.Record(&r)
		r = conn(time.Duration(i)*time.Second, 80, 10*time.Second)
		c.Record(&r)
	}
	d := c.Demand()
	if a, b := find(d, "tcp 443", demand.Closed), find(d, "tcp 80", demand.Closed); d.Flows != 500 || a.Flows != 400 || math.Abs(a.Rate/b.Rate-4) > 1e-9 || math.Abs(a.Share-0.8) > 1e-9 {
		t.Errorf("%+v", d)
	}
}

func TestClassesOfPackets(t *testing.T) {
	w, err := workload.Parse("idlers.yaml", []byte(idlers))
	if err != nil {
		t.Fatal(err)
	}
	c := demand.NewCounter()
	p := demand.NewPackets(c, demand.Timeouts{HalfOpen: time.Minute, Established: time.Hour, Closed: 10 * time.Second, UDP: 30 * time.Second, UDPStream: 2 * time.Minute, Other: 30 * time.Second})
	d := packet.NewDecoder(packet.Options{})
	g := w.Packets(start.UnixNano())
	for at, ip, ok := g.Next(); ok; at, ip, ok = g.Next() {
		var pk packet.Packet
		d.IP(at, ip, &pk)
		p.Packet(at, &pk)
	}
	p.Finish()
	got := c.Demand()
	pool, scan, dns := find(got, "tcp 5432", demand.Closed), find(got, "tcp 22", demand.Unanswered), find(got, "udp 53", demand.Silent)
	if pool == nil || scan == nil || dns == nil {
		t.Fatalf("%+v", got.Classes)
	}
	if pool.Flows < 190 || pool.Idle == nil || math.Abs(pool.Idle.Longest-40) > 1 || pool.Idle.Bound || pool.Handshake <= 0 {
		t.Errorf("pool %+v idle %+v", pool, pool.Idle)
	}
	if scan.Flows < 450 || scan.Idle != nil || scan.Handshake != 0 {
		t.Errorf("scan %+v", scan)
	}
	if dns.Flows < 900 {
		t.Errorf("dns %+v", dns)
	}
}

func TestManyServicesAreFolded(t *testing.T) {
	const maxClasses = 4096
	c := demand.NewCounter()
	for i := range 3 * maxClasses {
		c.Add(demand.Seen{Service: demand.Service{Proto: flow.TCP, Port: uint16(i)}, Outcome: demand.Unanswered, First: start, Last: start.Add(time.Second), In: time.Second})
	}
	d := c.Demand()
	if n := len(d.Classes); n != maxClasses+1 || !d.Classes[0].Others || d.Classes[0].Flows != 2*maxClasses {
		t.Errorf("%d classes, the first %+v", n, d.Classes[0])
	}
}

func TestPeak(t *testing.T) {
	if _, ok := demand.PeakOf(nil, time.Second); ok {
		t.Error("a peak of nothing")
	}
	few, _ := demand.PeakOf([]int{5, 9, 7}, time.Minute)
	if few.Highest != 9 || few.High != nil || few.Blocks != 3 || few.Block != 60 {
		t.Errorf("three blocks bound a quantile: %+v", few)
	}
	counts := make([]int, 750)
	for i := range counts {
		counts[i] = 1000 + i%10
		if i == 400 {
			counts[i] = 5000
		}
	}
	p, _ := demand.PeakOf(counts, time.Second)
	if p.Highest != 5000 || p.Level != 1009 || p.High == nil || *p.High != 5000 || p.Low == nil || *p.Low != 1009 || p.Block != 10 {
		t.Errorf("%+v low %v high %v", p, p.Low, p.High)
	}
}

// TestPeakCovers holds that the bounds hold the true quantile as often as they say.
func TestPeakCovers(t *testing.T) {
	x, held := uint64(1), 0
	const tries, n, top = 2000, 75, 1 << 20
	for range tries {
		v := make([]int, n)
		for i := range v {
			x += 0x9e3779b97f4a7c15
			z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			v[i] = int((z ^ z>>31) >> 44)
		}
		p, _ := demand.PeakOf(v, time.Second)
		if *p.Low <= p.Quantile*top && *p.High >= p.Quantile*top {
			held++
		}
	}
	if share := float64(held) / tries; share < 0.94 {
		t.Errorf("the bounds held in %.1f %% of tries", 100*share)
	}
}
