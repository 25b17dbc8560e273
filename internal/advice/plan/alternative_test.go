package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/settings"
)

// traffic plays a described workload.
type traffic struct {
	w     workload.Workload
	plays int
}

func parse(t *testing.T, text string) *traffic {
	t.Helper()
	w, err := workload.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &traffic{w: w}
}

func (f *traffic) each(to func(at int64, p *packet.Packet)) {
	d := packet.NewDecoder(packet.Options{})
	g := f.w.Packets(1.8e18)
	for at, ip, ok := g.Next(); ok; at, ip, ok = g.Next() {
		var pk packet.Packet
		d.IP(at, ip, &pk)
		to(at, &pk)
	}
}

func (f *traffic) demand() demand.Demand {
	c := demand.NewCounter()
	w := demand.NewPackets(c, demand.Timeouts{HalfOpen: 2 * time.Minute, Established: 120 * time.Hour, Closed: 2 * time.Minute, UDP: 30 * time.Second, UDPStream: 2 * time.Minute, Other: 30 * time.Second})
	f.each(w.Packet)
	w.Finish()
	return c.Demand()
}

func (f *traffic) play(v []replay.Variant) (busy, silent []replay.Result, err error) {
	f.plays++
	p := replay.New(replay.Options{Variants: v})
	f.each(p.Packet)
	return p.Finish(), nil, nil
}

// shorten plays a part of it only.
func (f *traffic) shorten(by time.Duration) {
	f.w.Duration, f.w.Tail = f.w.Duration/by, f.w.Tail/by
	for i := range f.w.Classes {
		c := &f.w.Classes[i]
		c.From, c.Until = c.From/by, c.Until/by
	}
}

func commands(p *Policy) string {
	do, _ := p.NFT()
	return strings.Join(do, "\n")
}

// basis is a host of 6.18 with the kernel's timeouts and a max.
func basis(limit int64) Basis {
	s := model.Defaults(model.Linux618())
	s.Max, s.Buckets = limit, limit
	return Basis{Profile: model.Linux618(), Kernel: settings.Kernel{Version: settings.V(6, 18), HZ: 250}, Settings: s, Flow: 384, Budget: 1 << 30,
		Headroom: 0.3, Keepalive: keepaliveDefault}
}

func measure(t *testing.T, b Basis, f *traffic) *Measured {
	t.Helper()
	m, err := Measure(b, f.demand(), f.play)
	if err != nil {
		t.Fatal(err)
	}
	if f.plays < 2 || f.plays > 3+verifyTries {
		t.Errorf("the traffic was replayed %d times", f.plays)
	}
	if m.Chosen() == nil || m.Alternatives[0].Name != Present {
		t.Fatalf("nothing chosen: %+v", m.Alternatives)
	}
	return &m
}

func (m *Measured) row(name string) *Alternative {
	for i := range m.Alternatives {
		if m.Alternatives[i].Name == name {
			return &m.Alternatives[i]
		}
	}
	return nil
}

const class = `
- protocol: tcp
  rate: %R
  steady: true
  sources: 10.%N.0.0/16
  destinations: 192.0.2.1
  port: %P
`

// of describes traffic for ten minutes: each class is "rate port more; more".
func of(duration string, classes ...string) string {
	var b strings.Builder
	b.WriteString("duration: " + duration + "\ntail: 10s\ntraffic:")
	for i, c := range classes {
		f := strings.SplitN(c, " ", 3)
		r := strings.NewReplacer("%R", f[0], "%P", f[1], "%N", string(rune('1'+i)))
		b.WriteString(r.Replace(class))
		if len(f) > 2 {
			b.WriteString("  " + strings.ReplaceAll(f[2], "; ", "\n  ") + "\n")
		}
	}
	return b.String()
}

func TestRoomyTrafficChangesNothing(t *testing.T) {
	m := measure(t, basis(65536), parse(t, of("5m", "20 443 lasts: 5s; every: 1s")))
	if a := m.Chosen(); a.Name != Present || !a.Fits || a.Refused.High != 0 || a.Broken.High != 0 {
		t.Errorf("%+v", a)
	}
	if m.row(RaiseMax) != nil {
		t.Error("more room is offered where there is enough")
	}
	if m.Peak == nil || m.Peak.Highest < 2000 || m.Peak.Blocks != 75 {
		t.Errorf("peak %+v", m.Peak)
	}
}

func TestLeastMaxHoldsTheTraffic(t *testing.T) {
	f := parse(t, of("5m", "40 443 lasts: 5s; every: 1s"))
	m := measure(t, basis(2048), f)
	a := m.Chosen()
	if a.Name != RaiseMax || a.Refused.High != 0 || a.EarlyDrops.High != 0 || !a.Fits || a.Buckets != a.Max {
		t.Fatalf("%+v", a)
	}
	grown := float64(a.Peak.High) * 1.3
	if least := float64(a.Least); least < grown || least > grown*1.1+512 {
		t.Errorf("least max %d for a peak of %d", a.Least, a.Peak.High)
	}
	if a.Memory != uint64(a.Max)*(384+settings.BucketBytes) || a.Chain != 2 {
		t.Errorf("price: %+v", a)
	}
	if now := m.row(Present); now.Fits || now.Refused.High == 0 || now.Peak.High != 2048 {
		t.Errorf("as it is: %+v", now)
	}
	// The same traffic at 1.3 times the load, under what was planned.
	for i := range f.w.Classes {
		f.w.Classes[i].RateFrom *= 1.3
		f.w.Classes[i].RateTo *= 1.3
	}
	b := basis(2048)
	all, _, _ := f.play(b.variants([]Alternative{*a}, false))
	if r := all[0]; r.Counters.Refused != 0 || r.Counters.EarlyDrop != 0 || int64(r.Peak) > a.Max {
		t.Errorf("at 1.3 times the load: peak %d, refused %d under %d", r.Peak, r.Counters.Refused, a.Max)
	}
}

func TestBudgetTurnsToTimeouts(t *testing.T) {
	// A leak: connections that nobody closes, and some that are idle for ten minutes and go on.
	f := parse(t, of("12h", "0.2 5432 lasts: 5s; every: 2s; end: silence", "0.01 22 lasts: 1h; every: 10m"))
	b := basis(4096)
	b.Budget = 4096 * (384 + settings.BucketBytes)
	a := measure(t, b, f).Chosen()
	if a.Name != Established || a.Max != 4096 || a.Refused.High != 0 || a.Broken.High != 0 {
		t.Fatalf("%+v", a)
	}
	// The longest that fits: three tenths longer does not. Seen without a limit, as the least max is.
	v := a.Set[establishedName]
	longer := b.alternative(Established, map[string]int64{establishedName: v * 13 / 10})
	all, _, _ := f.play(b.variants([]Alternative{longer}, true))
	if least := b.least(uint64(all[0].Peak)); v < keepaliveDefault || v >= 432000/4 || least <= 4096 {
		t.Errorf("established = %d; %d needs %d of 4096", v, v*13/10, least)
	}
	b.Budget = 1 << 30
	if a := measure(t, b, parse(t, of("12h", "0.2 5432 lasts: 5s; every: 2s; end: silence"))).Chosen(); a.Name != RaiseMax {
		t.Errorf("with memory to spare: %+v", a)
	}
}

func TestFloodShortensHandshakes(t *testing.T) {
	m := measure(t, basis(16384), parse(t, of("6m", "10 443 lasts: 2s; every: 1s", "150 80 answer: \"no\"")))
	a := m.Chosen()
	if a.Name != HalfOpen || a.Refused.High != 0 || a.Broken.High != 0 || a.Set["tcp_timeout_syn_sent"] != 30 {
		t.Errorf("%+v", a)
	}
}

func TestTimeoutsAreNotUnderIdleGaps(t *testing.T) {
	d := demand.Demand{Classes: []demand.Class{{Service: demand.Service{Proto: flow.TCP, Port: 5432}, Idle: &demand.Idle{Longest: 20000}},
		{Service: demand.Service{Proto: flow.TCP, Port: 443}, Idle: &demand.Idle{Longest: 15000}, Handshake: 40}}}
	b := basis(65536)
	for _, a := range b.candidates(d) {
		if v, ok := a.Set[establishedName]; ok && v < 25000 {
			t.Errorf("%s sets established to %d", a.Name, v)
		}
		if v, ok := a.Set["tcp_timeout_syn_recv"]; ok && v < 50 {
			t.Errorf("%s sets syn_recv to %d", a.Name, v)
		}
	}
	d.Classes[0].Idle.Longest = 400000
	for _, a := range b.candidates(d) {
		if a.Name == Established {
			t.Errorf("an idle gap of nearly the timeout, and %+v", a)
		}
	}
}

func TestOneServiceGetsItsOwn(t *testing.T) {
	d := demand.Demand{Classes: []demand.Class{{Service: demand.Service{Proto: flow.TCP, Port: 5432}, Idle: &demand.Idle{Longest: 100000}, Share: 0.2},
		{Service: demand.Service{Proto: flow.TCP, Port: 443}, Idle: &demand.Idle{Longest: 60}, Share: 0.8, NAT: true}}}
	b := basis(65536)
	all := b.candidates(d)
	a := all[len(all)-1]
	if a.Name != PolicyOf || a.Set[establishedName] != keepaliveDefault || a.Policy.Set[establishedName] != 125000 || a.Policy.Service.Port != 5432 {
		t.Fatalf("%+v %+v", a, a.Policy)
	}
	if got := commands(a.Policy); !strings.Contains(got, "policy = { established : 125000 }") || !strings.Contains(got, "tcp dport 5432 ct timeout set") {
		t.Error(got)
	}
	d.Classes[0].Idle = nil
	d.Classes[1].NAT = false
	all = b.candidates(d)
	if a := all[len(all)-2]; a.Name != PolicyOf || a.Policy.Service.Port != 443 || a.Policy.Set["tcp_timeout_time_wait"] != 30 {
		t.Errorf("%+v %+v", a, a.Policy)
	}
	if a := all[len(all)-1]; a.Name != Untracked || !a.Policy.Notrack || a.Policy.Service.Port != 443 {
		t.Errorf("%+v", a)
	}
	udp := demand.Demand{Classes: []demand.Class{{Service: demand.Service{Proto: flow.UDP, Port: 53}, Share: 1, Idle: &demand.Idle{Longest: 11}}}}
	all = b.candidates(udp)
	if a := all[len(all)-2]; a.Policy.Set["udp_timeout"] != 14 || a.Policy.Set["udp_timeout_stream"] != 20 || a.Policy.values() != "unreplied : 14, replied : 20" {
		t.Errorf("%+v", a.Policy)
	}
}

// TestShapesGetRoom holds that what is planned for each shape of traffic refuses nothing, neither of it nor of other
// traffic of its kind at 1.3 times the load.
func TestShapesGetRoom(t *testing.T) {
	files, err := filepath.Glob("../../../bench/testdata/shapes/*.yaml")
	if err != nil || len(files) < 12 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := parse(t, string(text))
		f.shorten(5)
		m := measure(t, basis(512), f)
		if a := m.Chosen(); !a.Fits || a.Refused.High != 0 || a.extra(m.Alternatives) != 0 || a.Memory == 0 || int64(a.Peak.High) > a.Least {
			t.Errorf("%s: %+v", filepath.Base(file), a)
		}
		f.w.Seed += 1000
		for i := range f.w.Classes {
			f.w.Classes[i].RateFrom *= 1.3
			f.w.Classes[i].RateTo *= 1.3
		}
		b := basis(512)
		all, _, _ := f.play(b.variants([]Alternative{*m.Chosen()}, false))
		if r, a := all[0], m.Chosen(); r.Counters.Refused != 0 || r.Counters.EarlyDrop != 0 || int64(r.Peak) > a.Max {
			t.Errorf("%s at 1.3 times the load: peak %d, refused %d, evicted %d under %+v", filepath.Base(file), r.Peak, r.Counters.Refused, r.Counters.EarlyDrop, a)
		} else {
			t.Logf("%s: %s, max %d, peak %d, at 1.3 times the load %d", filepath.Base(file), a.Name, a.Max, a.Peak.High, r.Peak)
		}
	}
}

func TestMeasuredPlan(t *testing.T) {
	m := measure(t, basis(2048), parse(t, of("5m", "40 443 lasts: 5s; every: 1s")))
	s := server(1000, 2048, 800)
	p := mustMake(t, s, Options{Measured: m})
	a := m.Chosen()
	if p.text() != "buckets="+jsonOf(a.Buckets)+" max="+jsonOf(a.Max) || p.Steps[1].Reason.Code != "reason_measured_max" || kept(p, establishedName) != "keep_measured_established" {
		t.Errorf("steps %q", p.text())
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(text)
	if err != nil || back.Measured == nil || len(back.Measured.Alternatives) != len(m.Alternatives) || back.Measured.Chosen().Max != a.Max {
		t.Errorf("%v: %s", err, text)
	}
	if p.Notes[len(p.Notes)-1].Code != "note_measured_short" {
		t.Errorf("five minutes against five days: %+v", p.Notes)
	}
	// In a namespace that cannot set max, timeouts are what is left.
	b := basis(2048)
	b.Fixed = true
	for i := range m.Alternatives {
		m.Alternatives[i].Chosen = false
	}
	b.choose(m)
	if a := m.Chosen(); a.Max != 2048 || m.row(RaiseMax).Barred != "machine" {
		t.Errorf("%+v", a)
	}
}

// TestNothingFits: where no way gives enough room, what comes nearest is taken, not the present settings for being first.
func TestNothingFits(t *testing.T) {
	b := &Basis{}
	b.Settings.Max = 1000
	m := &Measured{Alternatives: []Alternative{
		{Name: Present, Max: 1000, Least: 3000}, {Name: Closing, Max: 1000, Least: 1300}, {Name: Established, Max: 1000, Least: 1100, Broken: Bounds{High: 5}},
	}}
	b.choose(m)
	if a := m.Chosen(); a == nil || a.Name != Closing {
		t.Errorf("%+v", a)
	}
}
