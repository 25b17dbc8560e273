package workload

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

const mixed = `
duration: 60s
tail: 10s
seed: 7
traffic:
- name: web
  protocol: tcp
  rate: 20
  sources: 10.0.0.0/16
  destinations: 192.0.2.1
  port: [80, 443]
  lasts: 5s
  every: 1s
  question_bytes: 300
  reply_bytes: 1200
- name: dns
  protocol: udp
  rate: {from: 10, to: 30}
  sources: 2001:db8::/64
  destinations: 2001:db8:1::53
  port: 53
- name: ping
  protocol: icmp
  rate: 1
  steady: true
  sources: 10.1.0.0/24
  destinations: 192.0.2.0/24
- name: flood
  protocol: tcp
  answer: "no"
  rate: 100
  from: 20s
  until: 30s
  sources: 0.0.0.0/0
  destinations: 192.0.2.1
  port: 80
`

func parse(t *testing.T, text string) *Workload {
	t.Helper()
	w, err := Parse("w.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &w
}

// TestPacketsAreWhole decodes every packet with its checksums, and holds order and determinism.
func TestPacketsAreWhole(t *testing.T) {
	w := parse(t, mixed)
	a, b := w.Packets(1e18), w.Packets(1e18)
	d := packet.NewDecoder(packet.Options{Checksums: true})
	set := model.Defaults(model.Linux618())
	m := model.New(model.Config{Settings: &set})
	last, n := int64(0), 0
	for {
		at, ip, ok := a.Next()
		at2, ip2, ok2 := b.Next()
		if at != at2 || !bytes.Equal(ip, ip2) || ok != ok2 {
			t.Fatalf("packet %d: not the same twice", n)
		}
		if !ok {
			break
		}
		if at < last {
			t.Fatalf("packet %d: back in time", n)
		}
		last = at
		n++
		var p packet.Packet
		d.IP(at, ip, &p)
		if p.Kind != packet.Tracked || p.Fault != packet.NoFault || p.BadSum {
			t.Fatalf("packet %d: kind %d, fault %d, bad sum %v", n, p.Kind, p.Fault, p.BadSum)
		}
		if v := m.Step(at, &p); v.Result == model.Invalid {
			t.Fatalf("packet %d: invalid: %v", n, v.Reason)
		}
	}
	if span := time.Duration(last - 1e18); span < 50*time.Second || span > 70*time.Second {
		t.Errorf("the last packet came after %v", span)
	}
	want := 20.0*60 + 20*60 + 60 + 100*10
	if got := float64(m.Counters().New); math.Abs(got-want) > 5*math.Sqrt(want) {
		t.Errorf("%v flows, want about %v", got, want)
	}
	states := map[flow.State]int{}
	m.Flows(last, func(f *flow.Flow) bool { states[f.State]++; return true })
	if states[flow.TCPTimeWait] < 500 || states[flow.TCPSynSent] < 800 || states[flow.NoState] < 300 {
		t.Errorf("states at the end: %v", states)
	}
}

func TestLifetimes(t *testing.T) {
	for _, shape := range []Shape{Constant, Exponential, Pareto} {
		g := (&Workload{}).Packets(0)
		sum := time.Duration(0)
		for range 200000 {
			sum += g.lifetime(&Class{Lasts: time.Minute, Shape: shape})
		}
		if mean := (sum / 200000).Seconds(); mean < 50 || mean > 70 {
			t.Errorf("%s: mean %v s, want 60", shape, mean)
		}
	}
}

func TestFaultsNameTheLine(t *testing.T) {
	base := "duration: 60s\ntraffic:\n- {protocol: tcp%s, sources: 10.0.0.0/8, destinations: 192.0.2.1, port: 80}\n"
	for change, want := range map[string]string{
		", nosuch: 1":                     "field nosuch not found",
		", rate: fast":                    "cannot unmarshal",
		", rate: 1, answer: maybe":        `answer is "maybe", not one of yes, no, refuse, half`,
		", rate: 1, every: 5":             `"5" is no duration`,
		", rate: 1, from: 70s":            "from 1m10s is not before until 1m0s",
		", rate: 1, question_bytes: 9000": "between 0 and 1400",
		", rate: {from: 1, too: 2}":       `rate has no key "too"`,
	} {
		_, err := Parse("w.yaml", []byte(fmt.Sprintf(base, change)))
		if err == nil || !strings.Contains(err.Error(), "3: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
	for text, want := range map[string]string{
		"": "the file is empty", "duration: 1s": "traffic is missing", "traffic: []": "duration is missing",
		"duration: 1s\nspeed: 3": "line 2: field speed not found", "duration: 1s\ntraffic:\n- {}": "w.yaml:3: ",
		"\t": "w.yaml: ",
	} {
		if _, err := Parse("w.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(mixed))
	f.Add([]byte("duration: 1s\ntraffic:\n- {protocol: udp, rate: 5, sources: 0.0.0.0/0, destinations: ::1, port: [1]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := Parse("w.yaml", text)
		if err != nil {
			return
		}
		g := w.Packets(0)
		for range 200 {
			if _, _, ok := g.Next(); !ok {
				return
			}
		}
	})
}
