package model_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

func TestRandomFTP(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "ipv4", true: "ipv6"}[v6], func(t *testing.T) {
			check(t, differ.Options{V6: v6, Helpers: ftp}, 2000, differ.Random(number("CTK_SEQUENCES", 4000), 14,
				differ.FTP(), seed()))
		})
	}
}

func TestRandomPPTP(t *testing.T) {
	for name, call := range map[string]bool{"session": false, "call": true} {
		t.Run(name, func(t *testing.T) {
			check(t, differ.Options{Helpers: []model.Helper{{Kind: model.PPTP, Port: 1723}}}, 1000,
				differ.Random(number("CTK_SEQUENCES", 4000), 20, differ.PPTP(call), seed()))
		})
	}
}

// TestExpectationsReachTheirLimit lets more control connections expect a flow than the machine's expect_max
// allows: the command that would expect one more is dropped, by the kernel and by the model.
func TestExpectationsReachTheirLimit(t *testing.T) {
	b, _ := openBench(t, differ.Options{Helpers: ftp})
	limit := int64(number("CTK_EXPECT_MAX", readNumber(t, "/proc/sys/net/netfilter/nf_conntrack_expect_max")))
	if limit > 20000 {
		t.Skip("nf_conntrack_expect_max is", limit, "here: too many to reach")
	}
	set := b.Model.Settings()
	set.ExpectMax = limit
	b.Model.Change(set)
	n := int(limit) + 50
	sequences := make([][]oracle.Packet, n)
	for i := range sequences {
		sequences[i] = append(differ.Opened(nil, differ.Said(true, "220 hi\r\n"), differ.Said(true, "229 (|||6001|)\r\n"))(nil, 0), oracle.Opening{From: 3000, To: 6001})
	}
	bad, err := b.Run(sequences)
	if err != nil {
		t.Fatal(err)
	}
	for i, diff := range bad {
		t.Errorf("connection %d: %s", i, diff)
		break
	}
	c := b.Model.Counters()
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
	b, _ := openBench(t, differ.Options{Helpers: ftp})
	data := oracle.Opening{From: 3000, To: 6001}
	end := data
	end.Flags = oracle.RST
	syn := oracle.Segment{Flags: oracle.SYN, Window: 65535, WScale: -1}
	reset := oracle.Segment{Flags: oracle.RST, Window: 65535, WScale: -1}
	s := append(differ.Opened(nil, differ.Said(true, "220 hi\r\n"), differ.Said(true, "229 (|||6001|)\r\n"))(nil, 0), data, reset, syn, end)
	want := []int{1, 1, 1, 1, 1, 2, 2, 3, 1}
	a, c := differ.Ends(0, false)
	talk := oracle.NewConversation(a, netip.AddrPortFrom(c.Addr(), 21), 1)
	for i := range s {
		answers, err := b.Feed([][]byte{talk.Append(nil, s[i])})
		if err != nil || answers[0].Diff != "" {
			t.Fatalf("packet %d: %s (%v)", i+1, answers[0].Diff, err)
		}
		count := 0
		for patience := 0; patience < 50; patience++ { // the kernel frees after a grace period
			if count, err = b.Kernel.Count(); err != nil {
				t.Fatal(err)
			}
			if count == want[i] {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if count != want[i] || b.Model.Count() != want[i] {
			t.Errorf("after packet %d: count %d, kernel %d, want %d", i+1, b.Model.Count(), count, want[i])
		}
	}
}

var ftp = []model.Helper{{Kind: model.FTP, Port: 21}}
