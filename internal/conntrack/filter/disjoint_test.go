package filter

import (
	"testing"

	"ctkeeper/internal/conntrack/flow"
)

func TestDisjoint(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"ipv6", "addr 127.0.0.0/8", true}, {"ipv4", "addr 127.0.0.0/8", false}, {"ipv4", "addr ::1", true}, {"udp", "addr ::1", false},
		{"mark 7", "mark 8", true}, {"mark 7", "mark 4/6", true}, {"mark 7", "mark 1/1", false}, {"mark 7", "mark 7 and tcp", false},
		{"zone 1", "zone 2", true}, {"zone 1", "mark 2", false}, {"udp", "tcp and dport 22", true}, {"assured", "not assured", true}, {"unreplied", "assured", false},
		{"src 10.0.0.1", "src 10.0.0.2", true}, {"src 10.0.0.1", "dst 10.0.0.2", false}, {"tcp and dport 80", "tcp and dport 22", true},
		{"tcp", "udp or dport 22", false}, {"", "mark 1", false}, {"mark 1", "", false}, {"not mark 1", "mark 1", false},
	} {
		a, b := parsed(t, c.a), parsed(t, c.b)
		if got := Disjoint(a, b); got != c.want || got != Disjoint(b, a) {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func parsed(t *testing.T, text string) Filter {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOfLoopback(t *testing.T) {
	for text, want := range map[string]bool{
		"addr 127.0.0.0/8": true, "addr ::1": true, "src 127.0.0.1": true, "addr 127.0.0.0/7": false, "addr ::/0": false,
		"addr 127.0.0.0/8 and tcp": false, "addr 127.0.0.1 or addr 10.0.0.1": false, "": false, "tcp": false,
	} {
		if f := parsed(t, text); f.OfLoopback() != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
	for _, f := range Loopback() {
		if again := parsed(t, f.String()); !f.OfLoopback() || !again.OfLoopback() {
			t.Errorf("%q", f)
		}
		if f.Rejects(&flow.Flow{}, nil) == f.Match(&flow.Flow{}, nil) {
			t.Errorf("%q does not know a flow without addresses", f)
		}
	}
}
