package collect_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/lab"
)

// live takes a snapshot of one laboratory namespace.
func live(t *testing.T, ns *lab.Namespace, o collect.Options) snapshot.Namespace {
	t.Helper()
	o.Namespaces, o.NoLog = ns.Name, true
	if o.Interval == 0 {
		o.Interval = time.Millisecond
	}
	s, err := collect.Live(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Namespaces) != 1 || s.Namespaces[0].Inode != ns.Inode {
		t.Fatalf("namespaces: %+v", s.Namespaces)
	}
	return s.Namespaces[0]
}

func TestLiveTellsWhatIsInANamespace(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 2000, lab.Mix{})
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_tcp_timeout_established", "777"); err != nil {
		t.Fatal(err)
	}
	seen := 0
	n := live(t, ns, collect.Options{Flow: func(name string, f *flow.Flow) error {
		seen++
		if text := f.AppendJSON(nil); !json.Valid(text) {
			t.Errorf("not JSON: %s", text)
		}
		return nil
	}})
	if c, ok := n.Count(); !ok || c != 2000 || seen != 2000 {
		t.Errorf("count %d, flows seen %d", c, seen)
	}
	if n.Initial || n.Tracking == nil || !*n.Tracking {
		t.Errorf("initial %v, tracking %v", n.Initial, n.Tracking)
	}
	if v, ok := n.Setting("tcp_timeout_established"); !ok || v != 777 {
		t.Errorf("established %d: read in the wrong namespace?", v)
	}
	if m := n.Settings["max"]; m.Mode&0o222 != 0 {
		t.Errorf("max looks writable in a namespace: %o", m.Mode)
	}
	if n.Flows == nil || n.Flows.Source != "ctnetlink" || !n.Flows.Consistent || n.Flows.Summary.Total != 2000 || len(n.Readings) != 2 {
		t.Errorf("flows %+v, %d readings", n.Flows, len(n.Readings))
	}
	if inserted, ok := n.Counter("insert"); !ok || inserted != 2000 {
		t.Errorf("insert counts %d", inserted)
	}
}

func TestLiveWithAllThatTrackLeavesTheOthersOut(t *testing.T) {
	idle, busy := lab.NewNamespace(t), lab.NewNamespace(t)
	lab.Fill(t, busy, 10, lab.Mix{})
	s, err := collect.Live(context.Background(), collect.Options{Tracking: true, NoLog: true, NoFlows: true, Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range s.Namespaces {
		names = append(names, n.Name)
	}
	all := strings.Join(names, " ")
	if !strings.Contains(all, busy.Name) || strings.Contains(all, idle.Name) || !s.Namespaces[0].Present {
		t.Errorf("namespaces %s; busy %s, idle %s", all, busy.Name, idle.Name)
	}
}

func TestLiveStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := collect.Live(ctx, collect.Options{}); err == nil {
		t.Error("a cancelled collection gave a snapshot")
	}
	if _, err := collect.Live(context.Background(), collect.Options{Namespaces: "no-such-namespace"}); err == nil {
		t.Error("a namespace that is not there gave a snapshot")
	}
}
