package plan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// server is a host with the defaults of a 6.18 kernel and count flows of so many established ones.
func server(count, max int64, established uint64) snapshot.Snapshot {
	values := map[string]snapshot.Value{}
	k := settings.Kernel{Version: settings.V(6, 18), HZ: 250}
	for _, s := range settings.All() {
		v, ok := s.Default(k, 16<<30)
		if !ok || s.Keys[0].Family == settings.Parameter {
			continue
		}
		if s.Name == "max" || s.Name == "buckets" {
			v = max
		}
		values[s.Name] = snapshot.Value{Key: s.Keys[0].Name, Int: &v, Mode: 0o644}
	}
	sum := rank.Summary{Total: uint64(count), Assured: established}
	idle := &rank.IdleHistogram{Max: 100}
	idle.Buckets[3] = established
	sum.Classes = append(sum.Classes, rank.Class{Proto: "tcp", State: "ESTABLISHED", Count: established, Assured: established, Idle: idle})
	at := time.Unix(1700000000, 0).UTC()
	return snapshot.Snapshot{
		Schema: snapshot.Schema, Taken: at,
		Host:   snapshot.Host{Name: "web1", Kernel: "6.18.44", HZ: 250, MemTotal: 16 << 30, Uptime: 10 * day, Slab: &snapshot.Slab{ObjectSize: 256}},
		Module: snapshot.Module{State: snapshot.ModuleBuiltIn, Modern: true},
		Namespaces: []snapshot.Namespace{{Name: "host", Present: true, Initial: true, Settings: values,
			Readings: []snapshot.Reading{{At: at, Count: &count, Counters: map[string]uint64{}}},
			Flows:    &snapshot.Flows{Source: "ctnetlink", Consistent: true, Summary: sum}}},
	}
}

func mustMake(t *testing.T, s snapshot.Snapshot, o Options) Plan {
	t.Helper()
	p, err := Make(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p Plan) text() string {
	var parts []string
	for _, st := range p.Steps {
		parts = append(parts, strings.TrimSpace(strings.Join([]string{st.Setting, jsonOf(st.To)}, "=")))
	}
	return strings.Join(parts, " ")
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func kept(p Plan, name string) string {
	for _, k := range p.Kept {
		if k.Setting == name {
			return k.Why.Code
		}
	}
	return ""
}

func TestRoomyHostKeepsItsSize(t *testing.T) {
	p := mustMake(t, server(1000, 262144, 800), Options{})
	if p.text() != "tcp_timeout_established=86400" || kept(p, "max") != "keep_max_roomy" || p.Steps[0].Reason.Code != "reason_established" {
		t.Errorf("steps %q, max kept because %q", p.text(), kept(p, "max"))
	}
	if *p.Steps[0].Flows != 800 || p.Notes[0].Code != "note_timers" {
		t.Errorf("the flows that keep their timers are not said: %+v", p)
	}
}

func TestFullTableOfLegitimateFlowsGetsRoom(t *testing.T) {
	p := mustMake(t, server(65536, 65536, 60000), Options{})
	if p.text() != "buckets=131072 max=131072 tcp_timeout_established=86400" {
		t.Errorf("steps %q", p.text())
	}
	if st := p.Steps[1]; st.Memory != 65536*384 || st.Reason.Code != "reason_max_full" {
		t.Errorf("max: %+v", st)
	}
	if p.Memory.Before != 65536*(384+8) || p.Memory.After != 131072*(384+8) || p.Memory.Source != "/proc/slabinfo" {
		t.Errorf("memory: %+v", p.Memory)
	}
}

func TestBudgetBoundsMax(t *testing.T) {
	p := mustMake(t, server(65536, 65536, 60000), Options{Budget: 80000 * 392})
	if !strings.Contains(p.text(), "max=79872") || p.Steps[1].Reason.Code != "reason_max_budget" {
		t.Errorf("steps %q", p.text())
	}
	p = mustMake(t, server(65536, 65536, 60000), Options{Budget: 1 << 20})
	if strings.Contains(p.text(), "max=") || kept(p, "max") != "keep_max_budget" {
		t.Errorf("steps %q, kept %q", p.text(), kept(p, "max"))
	}
}

func TestFloodLowersHalfOpenTimeoutsAndNotMax(t *testing.T) {
	s := server(65000, 65536, 5000)
	classes := &s.Namespaces[0].Flows.Summary.Classes
	*classes = append(*classes, rank.Class{Proto: "tcp", State: "SYN_RECV", Count: 58000})
	p := mustMake(t, s, Options{})
	if p.text() != "tcp_timeout_syn_recv=30 tcp_timeout_established=86400" || kept(p, "max") != "keep_max_flood" {
		t.Errorf("steps %q, kept %q", p.text(), kept(p, "max"))
	}
}

func TestEstablishedIsLeftWhereIdleFlowsMayLive(t *testing.T) {
	s := server(1000, 262144, 800)
	idle := s.Namespaces[0].Flows.Summary.Classes[0].Idle
	idle.Buckets[len(rank.IdleBounds)-2] = 7 // idle for over a day
	p := mustMake(t, s, Options{})
	if p.text() != "" || kept(p, "tcp_timeout_established") != "keep_established_idle" || p.Notes[0].Code != "note_nothing" {
		t.Errorf("steps %q, kept %q", p.text(), kept(p, "tcp_timeout_established"))
	}
	s = server(60000, 65536, 50000)
	s.Namespaces[0].Flows.Summary.Classes[0].Idle.Buckets[len(rank.IdleBounds)-2] = 7
	p = mustMake(t, s, Options{})
	if st := p.Steps[len(p.Steps)-1]; st.Setting != "tcp_timeout_established" || len(st.Breaks) != 1 {
		t.Errorf("on a tight table: %q", p.text())
	}
	s = server(1000, 262144, 800)
	s.Host.Uptime = 3600
	if p = mustMake(t, s, Options{}); kept(p, "tcp_timeout_established") != "keep_established_young" {
		t.Errorf("up for an hour: %q", kept(p, "tcp_timeout_established"))
	}
	s.Namespaces[0].Flows = nil
	if p = mustMake(t, s, Options{}); kept(p, "tcp_timeout_established") != "keep_established_unknown" {
		t.Errorf("table not read: %q", kept(p, "tcp_timeout_established"))
	}
}

func TestEstablishedNeverGoesBelowKeepalive(t *testing.T) {
	s := server(1000, 262144, 800)
	time, probes, interval := int64(100000), int64(9), int64(75)
	s.Host.KeepaliveTime, s.Host.KeepaliveProbes, s.Host.KeepaliveInterval = &time, &probes, &interval
	if p := mustMake(t, s, Options{}); p.text() != "tcp_timeout_established=100675" {
		t.Errorf("steps %q", p.text())
	}
}

func TestWishes(t *testing.T) {
	s := server(1000, 262144, 800)
	p := mustMake(t, s, Options{Only: true, Wishes: []Wish{{"net.netfilter.nf_conntrack_max", 500000}, {"tcp_timeout_established", 60}}})
	if p.text() != "max=500000 tcp_timeout_established=60" {
		t.Errorf("steps %q", p.text())
	}
	if b := p.Steps[1].Breaks; len(b) != 1 || b[0].Code != "breaks_keepalive" {
		t.Errorf("60 s breaks %+v", b)
	}
	for _, c := range []struct {
		w    Wish
		part string
	}{
		{Wish{"max", 10}, "holds 1000 flows"}, {Wish{"max", 0}, "out of range: 1 to"}, {Wish{"tcp_timeout_close", -1}, "out of range: 1 to 2147483"},
		{Wish{"count", 1}, "only be read"}, {Wish{"nonsense", 1}, "no such setting"}, {Wish{"dccp_loose", 1}, "no such setting"}, {Wish{"tcp_loose", 2}, "0 to 1"},
	} {
		_, err := Make(s, Options{Wishes: []Wish{c.w}})
		var wish *WishError
		if !errors.As(err, &wish) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%v: %v, want %q", c.w, err, c.part)
		}
	}
	if p := mustMake(t, s, Options{Only: true, Force: true, Wishes: []Wish{{"max", 512}, {"buckets", 512}}}); p.text() != "max=512 buckets=512" {
		t.Errorf("shrinking sets max first: %q", p.text())
	}
	s.Namespaces[0].Initial = false
	if _, err := Make(s, Options{Wishes: []Wish{{"max", 300000}}}); err == nil {
		t.Error("max was planned from a namespace that cannot write it")
	}
}

func TestMachineValuesFromAnotherNamespace(t *testing.T) {
	s := server(65536, 65536, 60000)
	s.Namespaces[0].Initial, s.Namespaces[0].Present, s.Namespaces[0].Path = false, false, "/run/netns/web"
	if p := mustMake(t, s, Options{}); strings.Contains(p.text(), "max=") || kept(p, "max") != "keep_machine" {
		t.Errorf("in a container: %q, kept %q", p.text(), kept(p, "max"))
	}
	yes := true
	s.Source.InitNetns = &yes
	p := mustMake(t, s, Options{})
	if !strings.Contains(p.text(), "max=131072") || p.Path != "/run/netns/web" {
		t.Errorf("from the host: %q", p.text())
	}
}

func TestNoConntrack(t *testing.T) {
	s := server(0, 1, 0)
	s.Module.State = snapshot.ModuleAbsent
	if _, err := Make(s, Options{}); !errors.Is(err, ErrNoConntrack) {
		t.Errorf("absent: %v", err)
	}
	s.Module.State, s.Namespaces = "", nil
	if _, err := Make(s, Options{}); !errors.Is(err, ErrNoSettings) {
		t.Errorf("nothing read: %v", err)
	}
}

func TestSysctlLines(t *testing.T) {
	p := mustMake(t, server(65536, 65536, 60000), Options{})
	want := "net.netfilter.nf_conntrack_buckets = 131072\nnet.netfilter.nf_conntrack_max = 131072\nnet.netfilter.nf_conntrack_tcp_timeout_established = 86400\n"
	if p.Sysctl() != want {
		t.Errorf("%s", p.Sysctl())
	}
}

func FuzzDecode(f *testing.F) {
	p, err := Make(server(65536, 65536, 60000), Options{})
	if err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{[]byte(jsonOf(p)), []byte(`{"schema":"ctkeeper.plan/1","steps":[]}`), []byte("{"), nil}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		for _, st := range p.Steps {
			if !strings.HasPrefix(st.Path, "/proc/sys/net/") && !strings.HasPrefix(st.Path, "/sys/module/nf_conntrack/parameters/") {
				t.Fatalf("a plan writes %s", st.Path)
			}
		}
		if again, err := Decode([]byte(jsonOf(p))); err != nil || jsonOf(again) != jsonOf(p) {
			t.Fatalf("not a fixed point: %v", err)
		}
	})
}
