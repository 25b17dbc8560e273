package snapshot

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/rank"
)

func whole() Snapshot {
	n, yes := int64(65536), true
	return Snapshot{
		Schema: Schema, Taken: time.Unix(1700000000, 0).UTC(), Host: Host{Name: "web1", Kernel: "6.18.44"},
		Namespaces: []Namespace{{Name: "host", Inode: 4026531840, Tracking: &yes,
			Settings: map[string]Value{"max": {Key: "net.netfilter.nf_conntrack_max", Text: "65536", Int: &n}},
			Readings: []Reading{{Count: &n, Counters: map[string]uint64{"drop": 4294967290}}, {Counters: map[string]uint64{"drop": 4}}},
			Flows: &Flows{Source: "ctnetlink", Summary: rank.Summary{Total: 3,
				Source:       []rank.Row{{Key: "10.1.2.3", Count: 2}, {Key: "10.1.2.4", Count: 1}},
				SourcePrefix: []rank.Row{{Key: "10.1.2.0/24", Count: 3}}, Dest: []rank.Row{{Key: "2001:db8::1", Count: 3}}}}}},
		Log:      Log{Groups: []LogGroup{{Kind: LogTableFull, Lines: 1, Example: "web1 kernel: from 10.1.2.3 nf_conntrack: table full"}}},
		Files:    []File{{Path: "/etc/sysctl.conf", Content: []byte("# 10.1.2.3\nnet.netfilter.nf_conntrack_max=1\n")}},
		Programs: []Program{{Name: "kube-proxy", Args: []string{"--hostname-override=web1", "--bind-address=10.1.2.3"}}},
		Limits:   Limits{Ports: &Ports{Worst: []PortUse{{Src: "10.1.2.3", Dst: "[2001:db8::1]:443", Used: 9}}}},
	}
}

func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	var once, twice bytes.Buffer
	if err := Encode(&once, whole()); err != nil {
		t.Fatal(err)
	}
	s, err := Decode(once.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := Encode(&twice, s); err != nil || once.String() != twice.String() {
		t.Errorf("%v\n%s\n%s", err, once.String(), twice.String())
	}
	if !strings.HasPrefix(once.String(), "{\n \"schema\"") {
		t.Errorf("the schema is not first: %.40s", once.String())
	}
}

func TestDecodeNamesWhatIsWrong(t *testing.T) {
	for text, part := range map[string]string{
		``:                                 "ends in the middle",
		`{"schema":"ctkeeper.snapshot/1"`:  "offset",
		`{}`:                               "no schema",
		`{"schema":"ctkeeper.snapshot/9"}`: "reads ctkeeper.snapshot/1",
		`{"schema":"ctkeeper.plan/1"}`:     "no snapshot's",
		`{"schema":"ctkeeper.snapshot/1","nonsense":1}`:      "nonsense",
		`{"schema":"ctkeeper.snapshot/1","namespaces":7}`:    "namespaces",
		`{"schema":"ctkeeper.snapshot/1"} {"more":true}`:     "offset",
		`{"schema":"ctkeeper.snapshot/1","host":{"name":1}}`: "host.name",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want %q in it", text, err, part)
		}
	}
}

func TestRedactLeavesNoAddressAndKeepsPrefixes(t *testing.T) {
	r := NewRedactor([]byte("secret"))
	before := whole()
	after := r.Snapshot(before)
	var text bytes.Buffer
	if err := Encode(&text, after); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"10.1.2", "2001:db8", "web1"} {
		if strings.Contains(text.String(), secret) {
			t.Errorf("%q is still there:\n%s", secret, text.String())
		}
	}
	rows := after.Namespaces[0].Flows.Summary
	prefix, err := netip.ParsePrefix(rows.SourcePrefix[0].Key)
	if err != nil || !prefix.Contains(netip.MustParseAddr(rows.Source[0].Key)) || !prefix.Contains(netip.MustParseAddr(rows.Source[1].Key)) ||
		rows.Source[0].Key == rows.Source[1].Key {
		t.Errorf("prefix %v (%v), sources %v", prefix, err, rows.Source)
	}
	if before.Namespaces[0].Flows.Summary.Source[0].Key != "10.1.2.3" || string(before.Files[0].Content[:4]) != "# 10" {
		t.Error("the original was changed")
	}
	if a := netip.MustParseAddr("127.0.0.1"); r.Addr(a) != a {
		t.Error("loopback was replaced")
	}
}

func TestRiseOfACounterThatWrapped(t *testing.T) {
	s := whole()
	if rise, _, ok := s.Namespaces[0].Rise("drop"); !ok || rise != 10 {
		t.Errorf("rise %d, %v; want 10 over the wrap", rise, ok)
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := Encode(&b, whole()); err != nil {
		f.Fatal(err)
	}
	seeds := [][]byte{b.Bytes(), []byte(`{"schema":"ctkeeper.snapshot/1"}`), []byte(`{`), nil}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			return
		}
		var one, two bytes.Buffer
		if err := Encode(&one, s); err != nil {
			return // a time that JSON cannot hold
		}
		again, err := Decode(one.Bytes())
		if err != nil {
			t.Fatalf("what was encoded does not decode: %v", err)
		}
		if err := Encode(&two, again); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			t.Fatalf("not a fixed point: %v", err)
		}
		NewRedactor([]byte("k")).Snapshot(s)
	})
}
