package model_test

import (
	"fmt"
	"net/netip"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// TestTranslatedFlows puts flows with a reply that is not the inverse into both tables, as translation makes them, and
// lets both directions talk, the ends that the other side does not know, and a flow whose answer would be another's tuple.
func TestTranslatedFlows(t *testing.T) {
	const n = 200
	real := netip.MustParseAddrPort("10.201.0.1:8080")
	var loaded []flow.Flow
	for i := range n {
		a, c := differ.Ends(i, false)
		proto := []flow.Proto{flow.UDP, flow.TCP}[i%2]
		f := flow.Flow{Family: flow.IPv4, Present: flow.HasReply | flow.HasStatus | flow.HasTimeout, Status: flow.Confirmed | flow.SeenReply | flow.Assured, Timeout: 1000,
			Orig:  flow.Tuple{Src: a.Addr(), Dst: c.Addr(), SrcPort: a.Port(), DstPort: c.Port(), Proto: proto},
			Reply: flow.Tuple{Src: real.Addr(), Dst: a.Addr(), SrcPort: real.Port(), DstPort: a.Port(), Proto: proto}}
		if proto == flow.TCP {
			const liberal = 2 | 8 // SACK_PERM and BE_LIBERAL, as Load makes flows whose windows nobody knows
			f.State, f.Present, f.TCP = flow.TCPEstablished, f.Present|flow.HasState|flow.HasProtoInfo, flow.TCPInfo{FlagsOrig: liberal, FlagsReply: liberal}
		}
		loaded = append(loaded, f)
	}
	b, _ := openBench(t, differ.Options{Loaded: loaded})
	say := func(from, to netip.AddrPort, proto flow.Proto, flags byte) []byte {
		talk := oracle.NewConversation(from, to, 1)
		if proto == flow.TCP {
			return talk.Append(nil, oracle.Segment{Flags: flags, Window: 5000, WScale: -1})
		}
		return talk.Append(nil, oracle.Datagram{Proto: 17, Len: 4})
	}
	seen := map[model.Result]int{}
	for step, ends := range [][2]func(a, c netip.AddrPort) netip.AddrPort{
		{first, second}, // as the client knows it
		{func(_, _ netip.AddrPort) netip.AddrPort { return real }, first}, // the answer, as the server sends it
		{first, func(_, _ netip.AddrPort) netip.AddrPort { return real }}, // past the translation: its answer's tuple is the flow's
		{second, first}, // from the address that is none's: likewise
		{func(_, _ netip.AddrPort) netip.AddrPort { return real }, second}, // a flow that has nothing to do with it
	} {
		packets := make([][]byte, n)
		for i := range packets {
			a, c := differ.Ends(i, false)
			flags := byte(oracle.ACK)
			if step >= 2 {
				flags = oracle.SYN
			}
			packets[i] = say(ends[0](a, c), ends[1](a, c), loaded[i].Orig.Proto, flags)
		}
		answers, err := b.Feed(packets)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			if a.Diff != "" {
				t.Errorf("step %d, flow %d (%s): %s", step, i, loaded[i].Orig.Proto, a.Diff)
			}
			seen[a.Verdict.Result]++
		}
	}
	bad, err := b.Compare(n)
	if err != nil || len(bad) > 0 {
		t.Error(bad, err)
	}
	if seen[model.Dropped] == 0 || seen[model.Established] != 2*n {
		t.Errorf("results %v", seen)
	}
}

func first(a, _ netip.AddrPort) netip.AddrPort  { return a }
func second(_, c netip.AddrPort) netip.AddrPort { return c }

// TestZones lets the same ends talk in two zones and in none: three flows, each by itself.
func TestZones(t *testing.T) {
	zones := map[byte]uint16{4: 7, 8: 65535}
	b, k := openBench(t, differ.Options{Zones: zones})
	for tos, zone := range zones {
		if err := k.Zone(tos, zone); err != nil {
			t.Fatal(err)
		}
	}
	const n = 100
	for step, sent := range []struct {
		reply bool
		tos   byte
		flags byte
	}{{false, 0, oracle.SYN}, {false, 4, oracle.SYN}, {true, 4, oracle.SYN | oracle.ACK}, {true, 8, oracle.SYN | oracle.ACK}, {false, 8, oracle.SYN}, {true, 0, oracle.RST | oracle.ACK}} {
		packets := make([][]byte, n)
		for i := range packets {
			a, c := differ.Ends(i, false)
			ip := oracle.NewConversation(a, c, 1).Append(nil, oracle.Segment{Reply: sent.reply, Flags: sent.flags, Window: 5000, WScale: -1, AckOff: 1})
			ip[1] = sent.tos
			packets[i] = packet.Repair(nil, ip)
		}
		answers, err := b.Feed(packets)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			if a.Diff != "" {
				t.Fatalf("step %d, lane %d: %s", step, i, a.Diff)
			}
		}
	}
	bad, err := b.Compare(n)
	if err != nil || len(bad) > 0 || b.Model.Count() != 2*n {
		t.Error(fmt.Sprint(bad), err, b.Model.Count())
	}
}
