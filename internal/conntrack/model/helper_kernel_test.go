package model_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/oracle"
)

// attach gives the kernel's side the same helpers, by rules.
func (b *bench) attach(helpers []model.Helper) {
	b.t.Helper()
	if len(helpers) == 0 {
		return
	}
	var objects, rules strings.Builder
	for _, h := range helpers {
		b.port = h.Port
		family := ""
		if h.Kind == model.PPTP {
			family = "l3proto ip;"
		}
		fmt.Fprintf(&objects, "ct helper h_%s { type \"%s\" protocol tcp; %s }\n", h.Kind, h.Kind, family)
		fmt.Fprintf(&rules, "tcp dport %d ct helper set \"h_%s\"\n", h.Port, h.Kind)
	}
	script := fmt.Sprintf("table inet ctk_helper {\n%schain pre { type filter hook prerouting priority -145;\n%s}\n}\n", &objects, &rules)
	err := b.k.Namespace().Run(func() error {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		b.k.Close()
		if os.Getenv("CI") == "true" {
			b.t.Fatal(err)
		}
		b.t.Skip("no connection tracking helpers:", err)
	}
}

// expectCounters are the kernel's expect_new, expect_create and expect_delete, of all processors.
func (b *bench) expectCounters() (c [3]uint64) {
	b.t.Helper()
	var text []byte
	err := b.k.Namespace().Run(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/stat/nf_conntrack")
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	names := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		for i, f := range strings.Fields(line) {
			var v uint64
			if _, err := fmt.Sscanf(f, "%x", &v); err != nil {
				b.t.Fatal(err)
			}
			switch names[i] {
			case "expect_new":
				c[0] += v
			case "expect_create":
				c[1] += v
			case "expect_delete":
				c[2] += v
			}
		}
	}
	return c
}

func (b *bench) compareExpectCounters(bad map[int]string) {
	b.t.Helper()
	s := b.m.Counters()
	ours := [3]uint64{s.ExpectNew, s.ExpectCreate, s.ExpectDelete}
	if kernel := b.expectCounters(); len(bad) == 0 && kernel != ours {
		b.t.Errorf("expect_new, create, delete: %v, kernel %v", ours, kernel)
	}
	if ours[1] > 0 {
		b.t.Logf("expect_new, create, delete: %v", ours)
	}
}

// opened begins a random sequence with a handshake, so that the helper reads what follows.
func opened(alphabet []oracle.Packet, begin ...oracle.Packet) func(r *rand.Rand, n int) []oracle.Packet {
	syn := oracle.Segment{Flags: oracle.SYN, Window: 65535, WScale: 2}
	answer := syn
	answer.Flags, answer.Reply = oracle.SYN|oracle.ACK, true
	return func(r *rand.Rand, n int) []oracle.Packet {
		s := append([]oracle.Packet{syn, answer, oracle.Segment{Flags: oracle.ACK, Window: 65535, WScale: -1}}, begin...)
		return append(s, oracle.Random(r, alphabet, n)...)
	}
}

func said(reply bool, text string) oracle.Packet {
	return oracle.Line{Segment: oracle.Segment{Reply: reply, Flags: oracle.ACK | oracle.PSH, Window: 65535, WScale: -1}, Text: text}
}

func TestRandomFTP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "ipv4", true: "ipv6"}[v6], func(t *testing.T) {
			check(t, nil, 2000, v6, random(number("CTK_SEQUENCES", 4000), 14, opened(oracle.FTPAlphabet(), said(true, "220 hi\r\n"), said(false, "NOOP\r\n")),
				uint64(number("CTK_SEED", 1))), model.Helper{Kind: model.FTP, Port: 21})
		})
	}
}

func TestRandomPPTP(t *testing.T) {
	start := []oracle.Packet{oracle.Control(false, 1, ""), oracle.Control(true, 2, "\x01\x00\x01")}
	calls := append(slices.Clone(start), oracle.Control(false, 7, "\x00\x01"), oracle.Control(true, 8, "\x00\x09\x00\x01\x01"))
	for name, begin := range map[string][]oracle.Packet{"session": start, "call": calls} {
		t.Run(name, func(t *testing.T) {
			check(t, nil, 1000, false, random(number("CTK_SEQUENCES", 4000), 20, opened(oracle.PPTPAlphabet(), begin...),
				uint64(number("CTK_SEED", 1))), model.Helper{Kind: model.PPTP, Port: 1723})
		})
	}
}

// TestExpectationsReachTheirLimit lets more control connections expect a flow than the machine's expect_max
// allows: the command that would expect one more is dropped, by the kernel and by the model.
func TestExpectationsReachTheirLimit(t *testing.T) {
	b := openBench(t, nil, model.Helper{Kind: model.FTP, Port: 21})
	defer b.close()
	set := b.m.Settings()
	limit := int64(number("CTK_EXPECT_MAX", readNumber(t, "/proc/sys/net/netfilter/nf_conntrack_expect_max")))
	if limit > 20000 {
		t.Skip("nf_conntrack_expect_max is", limit, "here: too many to reach")
	}
	set.ExpectMax = limit
	b.m.Change(set)
	n := int(limit) + 50
	sequences := make([][]oracle.Packet, n)
	for i := range sequences {
		sequences[i] = append(opened(nil, said(true, "220 hi\r\n"), said(true, "229 (|||6001|)\r\n"))(nil, 0), oracle.Opening{From: 3000, To: 6001})
	}
	for i, diff := range b.run(sequences, false) {
		t.Errorf("connection %d: %s", i, diff)
		break
	}
	c := b.m.Counters()
	b.compareExpectCounters(nil)
	if c.ExpectCreate != uint64(limit) {
		t.Errorf("%d expectations made, expect_max is %d", c.ExpectCreate, limit)
	}
}

func readNumber(t *testing.T, path string) (n int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMasterCountsWhileItsFlowLives: the kernel frees, and so counts, a flow no earlier than those that it
// expected, though a new flow may have taken its place.
func TestMasterCountsWhileItsFlowLives(t *testing.T) {
	b := openBench(t, nil, model.Helper{Kind: model.FTP, Port: 21})
	defer b.close()
	data := oracle.Opening{From: 3000, To: 6001}
	end := data
	end.Flags = oracle.RST
	syn := oracle.Segment{Flags: oracle.SYN, Window: 65535, WScale: -1}
	reset := oracle.Segment{Flags: oracle.RST, Window: 65535, WScale: -1}
	s := append(opened(nil, said(true, "220 hi\r\n"), said(true, "229 (|||6001|)\r\n"))(nil, 0), data, reset, syn, end)
	want := []int{1, 1, 1, 1, 1, 2, 2, 3, 1}
	a, c := ends(0, false)
	talk := oracle.NewConversation(a, netip.AddrPortFrom(c.Addr(), b.port), 1)
	var p packet.Packet
	for i := range s {
		reports, ip := make([]oracle.Report, 1), talk.Append(nil, s[i])
		if err := b.k.Feed([][]byte{ip}, reports); err != nil {
			t.Fatal(err)
		}
		b.d.IP(b.now(), ip, &p)
		if diff := compareReport(b.m.Step(b.now(), &p), reports[0]); diff != "" {
			t.Errorf("packet %d: %s", i+1, diff)
		}
		st, err := b.conn.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for patience := 0; int(*st.Count) != want[i] && patience < 50; patience++ { // the kernel frees after a grace period
			time.Sleep(10 * time.Millisecond)
			if st, err = b.conn.Stats(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if int(*st.Count) != want[i] || b.m.Count() != want[i] {
			t.Errorf("after packet %d: count %d, kernel %d, want %d", i+1, b.m.Count(), *st.Count, want[i])
		}
	}
	b.compareExpectCounters(nil)
}
