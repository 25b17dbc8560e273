package replay_test

import (
	"testing"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/rank"
)

const goesOn = `
duration: 400s
seed: 3
traffic:
- {name: web, protocol: tcp, rate: 60, sources: 10.0.0.0/20, destinations: 192.0.2.1, port: 443, lasts: 15s, every: 3s}
- {name: dns, protocol: udp, rate: 90, sources: 10.0.0.0/20, destinations: 192.0.2.53, port: 53}
- {name: vpn, protocol: udp, rate: 2, sources: 10.1.0.0/20, destinations: 192.0.2.7, port: 4500, lasts: 60s, every: 5s}
- {name: scan, protocol: tcp, rate: 10, answer: "no", sources: 10.2.0.0/20, destinations: 192.0.2.0/24, port: [22, 23]}
- {name: half, protocol: tcp, rate: 10, answer: half, sources: 10.3.0.0/16, destinations: 192.0.2.1, port: 25}
- {name: gone, protocol: tcp, rate: 5, sources: 10.4.0.0/16, destinations: 192.0.2.1, port: 8080, lasts: 20s, every: 2s, end: silence}
`

// source yields packets.
type source interface {
	Next() (at int64, ip []byte, ok bool)
}

func feed(t *testing.T, p *replay.Player, g source, from, until int64) {
	t.Helper()
	d := packet.NewDecoder(packet.Options{})
	for at, ip, ok := g.Next(); ok && at < until; at, ip, ok = g.Next() {
		var pk packet.Packet
		if d.IP(at, ip, &pk); at >= from {
			p.Packet(at, &pk)
		}
	}
	p.Pass(until)
}

// TestTableGoesOn carries a table forward from one reading, and compares with what really came.
func TestTableGoesOn(t *testing.T) {
	w, err := workload.Parse("w.yaml", []byte(goesOn))
	if err != nil {
		t.Fatal(err)
	}
	const second = int64(time.Second)
	set := model.Defaults(model.Linux618())
	set.Set("tcp_timeout_established", 90) // so that what falls silent is seen to end within the test
	variant := []replay.Variant{{Profile: model.Linux618(), Settings: set}}
	const start, cut, end = 1000 * second, 1250 * second, 1400 * second

	truth := replay.New(replay.Options{Variants: variant})
	feed(t, truth, w.Packets(start), 0, cut)
	byName := map[string]int64{}
	for _, name := range model.Names() {
		byName[name], _ = set.Get(name)
	}
	timers := rank.NewTimeouts(byName)
	table := demand.NewTable(timers, 0)
	var flows []flow.Flow
	truth.Model(0).Flows(cut, func(fl *flow.Flow) bool {
		table.Add(fl, false)
		flows = append(flows, fl.Clone())
		return true
	})
	feed(t, truth, w.Packets(start), cut, end)
	want := truth.Finish()[0]

	var got [2]replay.Result
	for i, b := range []workload.Between{workload.Silent, workload.Busy} {
		f := workload.NewForward(table.Streams(), time.Duration(end-cut), b)
		p := replay.New(replay.Options{Variants: variant})
		p.Pass(cut)
		for j := range flows {
			idle, _ := timers.Idle(&flows[j])
			f.Goes(&flows[j], time.Duration(idle)*time.Second)
			p.Load(replay.LoadedOf(&flows[j], cut))
		}
		feed(t, p, f.Packets(cut), 0, end)
		got[i] = p.Finish()[0]
	}
	low, high := got[0], got[1]
	t.Logf("%d flows at the cut; then a peak of %d, foretold %d to %d; left %d, foretold %d to %d", len(flows), want.Peak, low.Peak, high.Peak, want.Live, low.Live, high.Live)
	if float64(low.Live) > 1.02*float64(want.Live) || float64(high.Live) < 0.98*float64(want.Live) || float64(high.Live) > 1.15*float64(low.Live) {
		t.Errorf("%d flows are left, foretold %d to %d", want.Live, low.Live, high.Live)
	}
	if low.Counters.New < want.Counters.New/4 || float64(high.Peak) < 0.95*float64(want.Peak) {
		t.Errorf("peak %d, foretold %d to %d", want.Peak, low.Peak, high.Peak)
	}
}

// TestLowMaxKeepsWhatIsThere: a max under the count takes no flow away, and lets none in.
func TestLowMaxKeepsWhatIsThere(t *testing.T) {
	set := model.Defaults(model.Linux618())
	set.Max = 10
	p := replay.New(replay.Options{Variants: []replay.Variant{{Profile: model.Linux618(), Settings: set}}})
	p.Pass(1)
	for i := range uint16(30) {
		p.Load(replay.Loaded{Orig: packet.Tuple{Src: [16]byte{10}, Dst: [16]byte{11}, SPort: 1000 + i, DPort: 80, Proto: 6, Family: 4},
			Reply: packet.Tuple{Src: [16]byte{11}, Dst: [16]byte{10}, SPort: 80, DPort: 1000 + i, Proto: 6, Family: 4}, State: flow.TCPEstablished,
			Status: flow.Assured | flow.SeenReply | flow.Confirmed, Deadline: 1e15})
	}
	p.Pass(1e9)
	if r := p.Finish()[0]; r.Peak != 30 || r.Settings.Max != 10 || r.AtLimit == 0 || len(r.Curve) == 0 {
		t.Errorf("peak %d, max %d, at the limit for %v", r.Peak, r.Settings.Max, r.AtLimit)
	}
}
