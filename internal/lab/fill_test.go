package lab

import (
	"testing"

	"ctkeeper/internal/conntrack/flow"
)

func TestFlowsAreDifferentAndMixed(t *testing.T) {
	seen := map[flow.Tuple]bool{}
	established, v6 := 0, 0
	for fl := range Flows(100000, Mix{Established: 60, TimeWait: 15, SynSent: 10, IPv6: 10, Sources: 10000}) {
		if seen[fl.Orig] {
			t.Fatalf("twice: %v", fl.Orig)
		}
		seen[fl.Orig] = true
		if fl.State == flow.TCPEstablished {
			established++
		}
		if fl.Family == flow.IPv6 {
			v6++
		}
	}
	if established != 60000 || v6 != 10000 {
		t.Errorf("%d established, %d IPv6 of 100000", established, v6)
	}
}

func TestFillAndCount(t *testing.T) {
	ns := NewNamespace(t)
	if n := Fill(t, ns, 20000, DefaultMix); n != 20000 {
		t.Fatalf("made %d", n)
	}
	if got, err := ns.Sysctl("net/netfilter/nf_conntrack_count"); got != "20000" {
		t.Errorf("count is %s: %v", got, err)
	}
}
