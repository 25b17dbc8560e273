package replay

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

const second = int64(time.Second)

// segment is a TCP segment between client 10.0.0.x and 10.1.0.1:443, either way.
func segment(client uint16, reply bool, flags byte) []byte {
	b := make([]byte, 40)
	copy(b, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 1, 0, 1})
	binary.BigEndian.PutUint16(b[20:], client)
	binary.BigEndian.PutUint16(b[22:], 443)
	if reply {
		copy(b[12:], []byte{10, 1, 0, 1, 10, 0, 0, 1})
		binary.BigEndian.PutUint16(b[20:], 443)
		binary.BigEndian.PutUint16(b[22:], client)
	}
	b[32], b[33] = 5<<4, flags
	binary.BigEndian.PutUint16(b[34:], 1000)
	return packet.Repair(nil, b)
}

// feeder plays raw packets.
type feeder struct {
	p *Player
	d *packet.Decoder
}

func play(v ...func(*model.Settings)) feeder {
	var o Options
	for _, change := range append([]func(*model.Settings){func(*model.Settings) {}}, v...) {
		s := model.Defaults(model.Linux618())
		s.TCPBeLiberal = true
		change(&s)
		o.Variants = append(o.Variants, Variant{Profile: model.Linux618(), Settings: s})
	}
	return feeder{New(o), packet.NewDecoder(packet.Options{})}
}

func (f feeder) send(at int64, raw []byte) {
	var p packet.Packet
	f.d.IP(at, raw, &p)
	f.p.Packet(at, &p)
}

// connect makes an established connection.
func (f feeder) connect(at int64, client uint16) {
	f.send(at, segment(client, false, packet.SYN))
	f.send(at+1e6, segment(client, true, packet.SYN|packet.ACK))
	f.send(at+2e6, segment(client, false, packet.ACK))
}

func TestBroken(t *testing.T) {
	f := play(
		func(s *model.Settings) { s.Set("tcp_timeout_established", 600) },
		func(s *model.Settings) { s.Set("tcp_timeout_established", 600); s.TCPLoose = false },
	)
	for c := range uint16(10) {
		f.connect(int64(c)*second, c+1000)
	}
	hour := 3600 * second
	for c := range uint16(4) { // four go on after an hour of silence, one starts anew, one closes
		f.send(hour, segment(c+1000, c&1 == 0, packet.ACK|packet.PSH))
	}
	f.send(hour, segment(1004, false, packet.SYN))
	f.send(hour+second, segment(1005, true, packet.FIN|packet.ACK))
	res := f.p.Finish()
	https := Service{flow.TCP, 443}
	want := [][]BrokenService{{}, {{Service: https, Flows: 4, PickedUp: 4}}, {{Service: https, Flows: 4, Loose: 4}}}
	for i, r := range res {
		if d := cmp.Diff(want[i], r.Broken); d != "" {
			t.Errorf("variant %d: %s", i, d)
		}
	}
	if res[0].Peak != 10 || res[0].PeakHeld != 10 {
		t.Errorf("base: peak %d, held %d", res[0].Peak, res[0].PeakHeld)
	}
}

func TestFullTable(t *testing.T) {
	f := play(func(s *model.Settings) { s.Max, s.Buckets = 50, 64 })
	for c := range uint16(50) {
		f.connect(int64(c)*second/10, c+1001)
	}
	for c := range uint16(30) { // refused: all in the table are assured
		f.send(10*second+int64(c), segment(c+2000, false, packet.SYN))
	}
	f.send(20*second, segment(2000, false, packet.SYN)) // again
	res := f.p.Finish()[1]
	if res.Counters.Refused != 31 || res.RefusedFlows != 30 || res.Peak != 50 {
		t.Errorf("refused %d packets of %d flows, peak %d", res.Counters.Refused, res.RefusedFlows, res.Peak)
	}
	if p, _ := res.Pressure(); p != 1 {
		t.Errorf("pressure %v", p)
	}
	if want := 20*second - (49*second/10 + 2e6); math.Abs(float64(res.AtLimit)-float64(want)) > 3e6 {
		t.Errorf("at the limit for %v, want %v", res.AtLimit, time.Duration(want))
	}
	if len(res.RefusedSources) != 1 || res.RefusedSources[0].Count != 31 || res.RefusedServices[0].Key.Port != 443 {
		t.Errorf("%v %v", res.RefusedSources, res.RefusedServices)
	}
	sum := uint64(0)
	for _, b := range res.Curve {
		sum += b.Refused
	}
	if sum != 31 {
		t.Errorf("the curve holds %d refusals", sum)
	}
}

// TestTogetherAsAlone holds variants that run side by side in workers to the same variants alone.
func TestTogetherAsAlone(t *testing.T) {
	changes := []func(*model.Settings){}
	for i := range 9 {
		changes = append(changes, func(s *model.Settings) {
			s.Max, s.Buckets = int64(30+20*i), 64
			s.Set("tcp_timeout_established", int64(20+10*i))
		})
	}
	traffic := func(f feeder) []Result {
		r := rand.New(rand.NewPCG(3, 4))
		at := int64(0)
		for range 20000 {
			at += r.Int64N(second / 5)
			c := uint16(r.IntN(300))
			if r.IntN(3) == 0 {
				f.connect(at, c)
			} else {
				f.send(at, segment(c, r.IntN(2) == 0, packet.ACK))
			}
		}
		return f.p.Finish()
	}
	together := traffic(play(changes...))
	for i, c := range changes {
		alone := traffic(play(c))[1]
		if d := cmp.Diff(alone, together[i+1], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("variant %d: %s", i+1, d)
		}
		if alone.Counters.Refused+alone.Counters.EarlyDrop == 0 && i < 3 {
			t.Errorf("variant %d met no limit", i+1)
		}
	}
}

func TestIdleGapIsSeen(t *testing.T) {
	f := play()
	for c := range uint16(100) {
		f.send(0, segment(c, false, packet.SYN)) // SYN_SENT: 120 s
	}
	f.send(1e4*second, segment(1, false, packet.SYN))
	res := f.p.Finish()[0]
	if res.Count.P90 != 0 || res.Count.P99 != 100 {
		t.Errorf("over a gap of hours the table stood at %+v", res.Count)
	}
	if len(res.Curve) > maxBins || res.Curve[0].Count != 100 || res.Curve[len(res.Curve)/2].Count != 0 {
		t.Errorf("%d bins, first %+v", len(res.Curve), res.Curve[0])
	}
}

func TestNothingPlayed(t *testing.T) {
	if r := play().p.Finish()[0]; r.Peak != 0 || len(r.Curve) != 0 || r.ChainLongest != 0 {
		t.Errorf("%+v", r)
	}
}

func TestLevels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 1<<40).Draw(t, "n")
		i := levelOf(n)
		if top := levelTop(i); top < n || float64(top-n) > float64(n)/32 {
			t.Fatalf("%d lies in a bucket up to %d", n, top)
		}
		if n > 0 && levelTop(levelOf(n-1)) >= n && levelOf(n-1) != i {
			t.Fatalf("%d and %d: buckets out of order", n-1, n)
		}
	})
}

func TestTop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.IntRange(0, 20), 0, 300).Draw(t, "keys")
		tp, truth := newTop[int](5), map[int]uint64{}
		for _, k := range keys {
			tp.add(k)
			truth[k]++
		}
		for _, s := range tp.best(5, func(a, b int) int { return a - b }) {
			if s.Count > truth[s.Key] || s.Count+s.Error < truth[s.Key] {
				t.Fatalf("key %d: [%d,%d], true %d", s.Key, s.Count, s.Count+s.Error, truth[s.Key])
			}
		}
	})
}

func TestDistinct(t *testing.T) {
	for _, n := range []int{0, 1, 50, 3000, 200000} {
		r := newRefusals()
		for i := range n {
			var p packet.Packet
			p.Key, _, _ = (&packet.Tuple{Family: 4, Proto: 6, SPort: uint16(i), DPort: uint16(i >> 16)}).Canonical()
			p.Hash = p.Key.Hash(0)
			r.add(&p)
			r.add(&p)
		}
		if got := float64(r.distinct()); math.Abs(got-float64(n)) > 0.06*float64(n) {
			t.Errorf("%d flows counted as %v", n, got)
		}
	}
}
