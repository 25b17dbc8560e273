package plan_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/oracle"
)

// sh runs a shown command as a person would, in a namespace.
func sh(t *testing.T, ns *lab.Namespace, command string) {
	t.Helper()
	ns.Do(func() {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	})
}

// talk opens a conversation to a port and returns what its flow's timeout is then; 0 without a flow.
func talk(t *testing.T, k *oracle.Kernel, proto flow.Proto, from, to string) (timeout uint32) {
	t.Helper()
	c := oracle.NewConversation(netip.MustParseAddrPort(from), netip.MustParseAddrPort(to), 7)
	packets := []oracle.Packet{oracle.Segment{Flags: oracle.SYN, Window: 5000, WScale: -1}, oracle.Segment{Reply: true, Flags: oracle.SYN | oracle.ACK, Window: 5000, WScale: -1},
		oracle.Segment{Flags: oracle.ACK, Window: 5000, WScale: -1}}
	if proto == flow.UDP {
		packets = []oracle.Packet{oracle.Datagram{Proto: 17}}
	}
	for _, p := range packets {
		if err := k.Feed([][]byte{c.Append(nil, p)}, make([]oracle.Report, 1)); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := lab.Dial(k.Namespace())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Dump(t.Context(), ctnetlink.DumpOptions{}, func(f *flow.Flow) error {
		if f.Orig.Src == c.A.Addr() && f.Orig.SrcPort == c.A.Port() && f.Orig.DstPort == c.B.Port() {
			timeout = f.Timeout
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return timeout
}

// TestPolicyOnTheKernel runs the commands that a plan shows and holds the kernel's timeouts to what they say: in
// both families, for that service alone, and nothing is left of them after the command that takes them back.
func TestPolicyOnTheKernel(t *testing.T) {
	lab.Need(t)
	for _, c := range []struct {
		name        string
		policy      plan.Policy
		proto       flow.Proto
		here, other uint32
	}{
		{"tcp", plan.Policy{Service: demand.Service{Proto: flow.TCP, Port: 5432}, Set: map[string]int64{"tcp_timeout_established": 9000}}, flow.TCP, 9000, 432000},
		{"every tcp timeout", plan.Policy{Service: demand.Service{Proto: flow.TCP, Port: 443}, Set: map[string]int64{"tcp_timeout_syn_sent": 30, "tcp_timeout_syn_recv": 30,
			"tcp_timeout_established": 8000, "tcp_timeout_fin_wait": 60, "tcp_timeout_close_wait": 60, "tcp_timeout_last_ack": 30, "tcp_timeout_time_wait": 30}}, flow.TCP, 8000, 432000},
		{"udp", plan.Policy{Service: demand.Service{Proto: flow.UDP, Port: 53}, Set: map[string]int64{"udp_timeout": 11, "udp_timeout_stream": 20}}, flow.UDP, 11, 30},
		{"untracked", plan.Policy{Service: demand.Service{Proto: flow.TCP, Port: 80}, Notrack: true}, flow.TCP, 0, 432000},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := oracle.Open("policy")
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := k.Close(); err != nil {
					t.Error(err)
				}
			}()
			do, undo := c.policy.NFT()
			for _, command := range do {
				sh(t, k.Namespace(), command)
			}
			port := strings.Fields(c.policy.Service.String())[1]
			near := func(got, want uint32) bool { return got <= want && got+2 >= want }
			for _, ends := range [][2]string{{"10.0.0.1:", "192.0.2.1:"}, {"[2001:db8::1]:", "[2001:db8::2]:"}} {
				if got := talk(t, k, c.proto, ends[0]+"1000", ends[1]+port); !near(got, c.here) {
					t.Errorf("%s: %d s, want %d", ends[1]+port, got, c.here)
				}
				if got := talk(t, k, c.proto, ends[0]+"1001", ends[1]+"9"); !near(got, c.other) {
					t.Errorf("%s9: %d s, want %d", ends[1], got, c.other)
				}
			}
			sh(t, k.Namespace(), undo)
			if got := talk(t, k, c.proto, "10.0.0.1:1002", "192.0.2.1:"+port); !near(got, c.other) {
				t.Errorf("after %q: %d s, want %d", undo, got, c.other)
			}
		})
	}
}
