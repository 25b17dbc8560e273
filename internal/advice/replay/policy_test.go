package replay

import (
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

func TestPolicies(t *testing.T) {
	base := model.Defaults(model.Linux618())
	base.TCPBeLiberal = true
	short := base
	if err := short.Set("tcp_timeout_established", 60); err != nil {
		t.Fatal(err)
	}
	variant := func(p ...Policy) Variant {
		return Variant{Profile: model.Linux618(), Settings: base, Policies: p}
	}
	f := feeder{New(Options{Variants: []Variant{
		variant(),
		variant(Policy{Proto: flow.TCP, Port: 443, Settings: short}),
		variant(Policy{Proto: flow.TCP, Port: 80, Settings: short}),
		variant(Policy{Proto: flow.TCP, Port: 443, Notrack: true}),
	}}), packet.NewDecoder(packet.Options{})}
	for c := range uint16(10) {
		f.connect(int64(c)*second, c+1000)
	}
	f.send(int64(time.Hour), segment(1000, true, packet.ACK|packet.PSH))
	all := f.p.Finish()
	for i, want := range []struct {
		live   int
		broken uint64
	}{{10, 0}, {1, 1}, {10, 0}, {0, 0}} {
		broken, _ := all[i].BrokenFlows()
		if all[i].Live != want.live || broken != want.broken {
			t.Errorf("variant %d: %d live, %d broken, not %+v", i, all[i].Live, broken, want)
		}
		if s := all[i].Settings; s != base {
			t.Errorf("variant %d ends with other settings", i)
		}
	}
}
