package model_test

import (
	"math"
	"path/filepath"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// TestFullTable compares counts: which flows early drop finds hangs on the kernel's hash seed, so its
// answer must lie within four standard deviations (and two packets) of the model's over many seeds.
func TestFullTable(t *testing.T) {
	for _, path := range answers(t, "tablefull") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a := readAnswer(t, path)
			var drops, early []float64
			for seed := range uint64(12) {
				r := newRun(t, a)
				s := r.m.Settings()
				r.m = model.New(model.Config{Settings: &s, Seed: seed, Flows: 300000})
				r.seed = seed
				r.each(func(_ int, now int64, p *packet.Packet) { r.m.Step(now, p) })
				c := r.m.Counters()
				drops, early = append(drops, float64(c.Drop)), append(early, float64(c.EarlyDrop))
			}
			within(t, "drop", float64(a.Stat["drop"]), drops)
			within(t, "early_drop", float64(a.Stat["early_drop"]), early)
		})
	}
}

func within(t *testing.T, what string, kernel float64, ours []float64) {
	t.Helper()
	var sum, square float64
	for _, v := range ours {
		sum += v
		square += v * v
	}
	mean := sum / float64(len(ours))
	sigma := math.Sqrt(max(square/float64(len(ours))-mean*mean, 0))
	t.Logf("%s: kernel %.0f, model %.1f ± %.1f over %d seeds", what, kernel, mean, sigma, len(ours))
	if math.Abs(kernel-mean) > 4*sigma+2 {
		t.Errorf("%s: kernel %.0f, model %.1f ± %.1f", what, kernel, mean, sigma)
	}
}

// fullTable is a table of so many flows, a share of them not assured.
func fullTable(t testing.TB, seed uint64, limit, buckets int64, unassured float64) *model.Model {
	t.Helper()
	s := model.Defaults(model.Linux618())
	s.Max, s.Buckets = limit, buckets
	m := model.New(model.Config{Settings: &s, Seed: seed, Flows: int(limit)})
	every := int(1 / unassured)
	for i := range int(limit) {
		status := flow.Confirmed | flow.SeenReply | flow.Assured
		if i%every == 0 {
			status = flow.Confirmed
		}
		o, p := udpTuple(i)
		if !m.Load(o, p, status, flow.NoState, 1, 1e18) {
			t.Fatalf("flow %d was refused", i)
		}
	}
	return m
}

func udpTuple(i int) (o, p packet.Tuple) {
	o = packet.Tuple{Proto: 17, Family: 4, SPort: uint16(i), DPort: 53, Src: [16]byte{10, byte(i >> 24), byte(i >> 16), 1}, Dst: [16]byte{10, 200, 0, 1}}
	p = packet.Tuple{Proto: 17, Family: 4, SPort: 53, DPort: uint16(i), Src: o.Dst, Dst: o.Src}
	return o, p
}

// udp4 appends a UDP packet from a numbered source; its checksum is 0, which means none.
func udp4(b []byte, i int) []byte {
	b = append(b, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 172, byte(i>>24), byte(i>>16), 1, 10, 200, 0, 2, byte(i>>8), byte(i), 0, 53, 0, 8, 0, 0)
	var sum uint32
	for j := 0; j < 20; j += 2 {
		sum += uint32(b[j])<<8 | uint32(b[j+1])
	}
	sum = sum>>16 + sum&0xffff
	sum = ^(sum>>16 + sum)
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}

// TestRefusalRate holds refusals against what eight buckets of so many flows predict: the chance that all
// of them are without an unassured flow is exp(-16 U / B), each flow being in two chains.
func TestRefusalRate(t *testing.T) {
	const limit, buckets, share, tries = 32768, 32768, 1.0 / 16, 1500
	refused, n := 0.0, 0.0
	var p packet.Packet
	for seed := range uint64(8) {
		d := packet.NewDecoder(packet.Options{Seed: seed})
		m := fullTable(t, seed, limit, buckets, share)
		for i := range tries / 8 {
			d.IP(2, udp4(nil, i), &p)
			if m.Step(2, &p).Result == model.Refused {
				refused++
			}
			n++
		}
		if m.Count() > limit {
			t.Errorf("count %d over the limit", m.Count())
		}
	}
	want := math.Exp(-16 * share * limit / buckets)
	sigma := math.Sqrt(want * (1 - want) / n)
	t.Logf("refused %.3f of %.0f, expected %.3f ± %.3f", refused/n, n, want, sigma)
	if math.Abs(refused/n-want) > 4*sigma {
		t.Errorf("refused %.3f, expected %.3f ± %.3f", refused/n, want, sigma)
	}
}

func TestNoLimit(t *testing.T) {
	s := model.Defaults(model.Linux618())
	s.Max = 0
	m := model.New(model.Config{Settings: &s})
	var p packet.Packet
	d := packet.NewDecoder(packet.Options{})
	for i := range 1000 {
		d.IP(1, udp4(nil, i), &p)
		if v := m.Step(1, &p); v.Result != model.NewFlow {
			t.Fatalf("packet %d: %s", i, v.Result)
		}
	}
}

// TestLogRate: ten lines, then none until five seconds later, when the number of those missed comes first.
func TestLogRate(t *testing.T) {
	s := model.Defaults(model.Linux618())
	s.Max = 1
	var lines []string
	m := model.New(model.Config{Settings: &s, Netns: 7, Logged: func(_ int64, l string) { lines = append(lines, l) }})
	o, q := udpTuple(0)
	m.Load(o, q, flow.Confirmed|flow.Assured, flow.NoState, 0, 1e18)
	var p packet.Packet
	d := packet.NewDecoder(packet.Options{})
	for i := range 100 {
		d.IP(1, udp4(nil, i), &p)
		m.Step(1, &p)
	}
	if len(lines) != 10 || lines[0] != "nf_conntrack: nf_conntrack: table full in netns 7, dropping packet" {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	m.Step(6e9, &p)
	if len(lines) != 12 || lines[10] != "net_ratelimit: 90 callbacks suppressed" {
		t.Errorf("%d lines: %q", len(lines), lines[10:])
	}
}

// TestExpiredFlowsCount: a flow whose time is up stays in the count until the collector comes, and is
// neither found nor listed meanwhile.
func TestExpiredFlowsCount(t *testing.T) {
	m := model.New(model.Config{})
	var p packet.Packet
	d := packet.NewDecoder(packet.Options{})
	for i := range 50 {
		d.IP(1e9, udp4(nil, i), &p)
		m.Step(1e9, &p)
	}
	var none packet.Packet
	m.Step(3e9, &none) // the first pass: nothing is due
	m.Step(33e9, &none)
	if m.Count() != 50 || m.Live(33e9) != 0 {
		t.Errorf("count %d live %d, want 50 and 0", m.Count(), m.Live(33e9))
	}
	d.IP(33e9, udp4(nil, 3), &p)
	if v := m.Step(33e9, &p); v.Result != model.NewFlow || m.Count() != 50 {
		t.Errorf("%s, count %d: an expired flow was found", v.Result, m.Count())
	}
	m.Step(200e9, &none)
	if m.Count() != 0 {
		t.Errorf("count %d after a pass", m.Count())
	}
}

// TestLookupsReap: each lookup takes out what expired in its chain, so that of E expired flows, each in two
// chains of B, exp(-2 L / B) are left after L lookups.
func TestLookupsReap(t *testing.T) {
	const expired, lookups, buckets = 20000, 20000, 1 << 17
	for seed := range uint64(4) {
		s := model.Defaults(model.Linux618())
		s.Buckets = buckets
		m := model.New(model.Config{Settings: &s, Seed: seed, GCPhase: 1e12})
		for i := range expired {
			o, p := udpTuple(i)
			m.Load(o, p, flow.Confirmed, flow.NoState, 1, 1e9)
		}
		d := packet.NewDecoder(packet.Options{Seed: seed})
		var p packet.Packet
		for i := range lookups {
			d.IP(2e9, udp4(nil, i), &p)
			m.Step(2e9, &p)
		}
		left := math.Exp(-2.0 * lookups / buckets)
		want, sigma := expired*left, math.Sqrt(expired*left*(1-left))
		if got := float64(m.Count() - lookups); math.Abs(got-want) > 5*sigma {
			t.Errorf("seed %d: %.0f of %d expired flows are left, expected %.0f ± %.0f", seed, got, expired, want, sigma)
		}
	}
}

// TestCollectorTakesClosing: after a refusal the collector takes what is not assured, or closing, while
// the count is over 95 % of the limit.
func TestCollectorTakesClosing(t *testing.T) {
	s := model.Defaults(model.Linux618())
	s.Max = 200
	m := model.New(model.Config{Settings: &s})
	for i := range 200 {
		o, q := udpTuple(i)
		o.Proto, q.Proto = 6, 6
		m.Load(o, q, flow.Confirmed|flow.SeenReply|flow.Assured, flow.TCPTimeWait, 1, 1e18)
	}
	var p, none packet.Packet
	m.Step(1, &none)
	packet.NewDecoder(packet.Options{}).IP(2, udp4(nil, 1), &p)
	if v := m.Step(2, &p); v.Result != model.Refused {
		t.Fatalf("%s", v.Result)
	}
	m.Step(3e9, &none)
	if m.Count() != 190 || m.Counters().GCDropped != 10 {
		t.Errorf("count %d, %d collected: want 190 and 10", m.Count(), m.Counters().GCDropped)
	}
}
