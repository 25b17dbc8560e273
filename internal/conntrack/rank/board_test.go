package rank

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

var testTimeouts = NewTimeouts(map[string]int64{
	"tcp_timeout_established": 432000, "tcp_timeout_syn_sent": 120, "tcp_timeout_time_wait": 120,
	"udp_timeout": 30, "udp_timeout_stream": 120, "generic_timeout": 600, "icmp_timeout": 30,
})

// anyFlow draws flows from a small world, so that keys meet.
func anyFlow(t *rapid.T) *flow.Flow {
	fl := &flow.Flow{Present: flow.HasStatus | flow.HasTimeout | flow.HasMark | flow.HasZone, Family: flow.IPv4}
	protos := []flow.Proto{flow.TCP, flow.UDP, flow.ICMP, 89}
	fl.Orig.Proto = rapid.SampledFrom(protos).Draw(t, "proto")
	a, b := rapid.ByteRange(0, 3).Draw(t, "src"), rapid.ByteRange(0, 3).Draw(t, "dst")
	fl.Orig.Src, fl.Orig.Dst = netip.AddrFrom4([4]byte{10, a >> 1, a, 1}), netip.AddrFrom4([4]byte{192, 0, b, 1})
	if rapid.Bool().Draw(t, "ipv6") {
		fl.Family = flow.IPv6
		fl.Orig.Src = netip.AddrFrom16([16]byte{0x20, 1, 7: a, 15: b})
		fl.Orig.Dst = netip.AddrFrom16([16]byte{0x20, 2, 7: b, 15: a})
	}
	if fl.Proto().HasPorts() {
		fl.Orig.SrcPort, fl.Orig.DstPort = rapid.Uint16Range(0, 2).Draw(t, "sport"), rapid.Uint16Range(0, 2).Draw(t, "dport")
	}
	if fl.Proto() == flow.TCP {
		fl.Present |= flow.HasState
		fl.State = rapid.SampledFrom([]flow.State{flow.TCPSynSent, flow.TCPEstablished, flow.TCPTimeWait}).Draw(t, "state")
	}
	fl.Status = rapid.SampledFrom([]flow.Status{0, flow.SeenReply, flow.SeenReply | flow.Assured, flow.SrcNAT | flow.Confirmed}).Draw(t, "status")
	fl.Timeout = rapid.SampledFrom([]uint32{0, 10, 11, 100, 4000, 432000, 500000}).Draw(t, "timeout")
	fl.Mark, fl.Zone = rapid.Uint32Range(0, 2).Draw(t, "mark"), rapid.Uint16Range(0, 1).Draw(t, "zone")
	return fl
}

var someKeys = []string{
	"src", "dst", "src/24", "dst/16", "dst/56", "src/8/128", "sport", "dport", "proto", "state", "zone", "mark", "status", "idle", "remaining", "service",
}

// TestBoardAgainstAMap counts the flows of each row again with a plain map, and with the filter that the
// row says selects them.
func TestBoardAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(someKeys).Draw(t, "first")
		if second := rapid.SampledFrom(someKeys).Draw(t, "second"); second != text && rapid.Bool().Draw(t, "two") {
			text += "," + second
		}
		by, err := ParseBy(text)
		if err != nil {
			t.Fatal(err)
		}
		flows := rapid.SliceOfN(rapid.Custom(anyFlow), 0, 60).Draw(t, "flows")
		limit := rapid.SampledFrom([]int{0, 3}).Draw(t, "limit")
		b := NewBoard(BoardOptions{By: by, Limit: limit, Timeouts: testTimeouts})
		for _, fl := range flows {
			b.Add(fl)
		}
		r := b.Ranking(0)
		if r.Total.Count != uint64(len(flows)) {
			t.Fatalf("%d of %d flows", r.Total.Count, len(flows))
		}
		checkRows(t, r, flows)
	})
}

// checkRows holds each row against the flows that its filter selects.
func checkRows(t *rapid.T, r Ranking, flows []*flow.Flow) {
	sum, left := uint64(0), len(flows)
	for _, row := range r.Rows {
		sum += row.Count
		if row.Where == "" {
			if !strings.Contains(strings.Join(row.Keys, " "), unknownText) {
				t.Fatalf("%q cannot be selected", row.Keys)
			}
			left -= int(row.Count - row.Error)
			continue
		}
		f, err := filter.Parse(row.Where)
		if err != nil {
			t.Fatalf("%q: %v", row.Where, err)
		}
		want := brute(flows, f)
		left -= int(want.Count)
		if want.Count > row.Count || want.Count+row.Error < row.Count {
			t.Fatalf("%q has %d flows (error %d), %d match", row.Where, row.Count, row.Error, want.Count)
		}
		want.Keys, want.Where, want.Error = row.Keys, row.Where, row.Error
		if row.Error == 0 && fmt.Sprint(want) != fmt.Sprint(row) {
			t.Fatalf("row %+v, flows %+v", row, want)
		}
	}
	if sum != uint64(len(flows)) || r.Exact && left != 0 {
		t.Fatalf("rows add up to %d of %d flows; %d are in no row", sum, len(flows), left)
	}
}

// brute counts without the package's means.
func brute(flows []*flow.Flow, f filter.Filter) Place {
	var p Place
	for _, fl := range flows {
		if !f.Match(fl, testTimeouts.Idle) {
			continue
		}
		p.Count++
		if fl.Assured() {
			p.Assured++
			if fl.Closing() {
				p.Closing++
			}
		}
		if fl.Status&flow.SeenReply == 0 || fl.State == flow.TCPSynSent {
			p.HalfOpen++
		}
		if idle, known := testTimeouts.Idle(fl); !known {
			p.IdleUnknown++
		} else if idle > 3600 {
			p.IdleLong++
		}
	}
	return p
}

func TestMissingIsNoLargerThanSaid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by, _ := ParseBy("sport")
		b, counts := NewBoard(BoardOptions{By: by, Limit: rapid.IntRange(1, 8).Draw(t, "limit")}), map[string]uint64{}
		for _, n := range rapid.SliceOfN(rapid.Uint16Range(0, 30), 0, 300).Draw(t, "ports") {
			fl := flow.Flow{Orig: flow.Tuple{Proto: flow.UDP, SrcPort: n % (n/2 + 1)}}
			counts[fmt.Sprint("udp/", fl.Orig.SrcPort)]++
			b.Add(&fl)
		}
		r := b.Ranking(0)
		for _, row := range r.Rows {
			delete(counts, row.Keys[0])
		}
		for k, n := range counts {
			if n > r.Missing || r.Exact {
				t.Fatalf("%s with %d flows is in no row; missing says %d, exact %v", k, n, r.Missing, r.Exact)
			}
		}
	})
}

func TestParseBy(t *testing.T) {
	for in, want := range map[string]string{
		"src": "src", " SRC , dport": "src,dport", "src/24,dst": "src/24,dst", "dst/64": "dst/24", "dst/56": "dst/56", "src/16": "src/16",
		"src/24/64": "src/24", "src/16/48": "src/16/48", "src/24/8": "src/24/8", "source,protocol": "src,proto", "service,state": "service,state",
	} {
		by, err := ParseBy(in)
		if err != nil || by.String() != want {
			t.Errorf("%q gives %q, %v; want %q", in, by, err, want)
			continue
		}
		if again, err := ParseBy(by.String()); err != nil || again != by {
			t.Errorf("%q reads back as %q, %v", by, again, err)
		}
	}
	for in, want := range map[string]string{
		"": "a key is missing", "src,": "a key is missing", "scr": `no key "scr"; perhaps src`, "dprot": "perhaps dport", "stat": "perhaps stat",
		"a,b,c": "3 keys", "src,src": "twice", "dport/24": "only src and dst", "src/x": "prefix length", "src/129": "prefix length", "src/64/64": "prefix length", "src/24/129": "IPv6",
	} {
		if _, err := ParseBy(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestBoardAddDoesNotAllocate(t *testing.T) {
	flows := random(1000)
	for _, text := range []string{"src", "src,service", "idle,status"} {
		by, _ := ParseBy(text)
		b := NewBoard(BoardOptions{By: by, Timeouts: testTimeouts, Limit: 500})
		for _, fl := range flows {
			b.Add(fl)
		}
		i := 0
		if n := testing.AllocsPerRun(5000, func() { b.Add(flows[i%len(flows)]); i++ }); n != 0 {
			t.Errorf("%s: %v allocations a flow", text, n)
		}
	}
}

func FuzzParseBy(f *testing.F) {
	for _, s := range []string{"src", "src/24,dport", "dst/64", "src/16/48,service", "x,,/", "src//", "zone/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if by, err := ParseBy(s); err == nil {
			if again, err := ParseBy(by.String()); err != nil || again != by {
				t.Errorf("%q reads back as %v, %v", by, again, err)
			}
		}
	})
}

func BenchmarkBoard(b *testing.B) {
	flows := random(1 << 17)
	for name, limit := range map[string]int{"src": 0, "src,dport": 0, "src, four times as many as are counted": 16384} {
		b.Run(name, func(b *testing.B) {
			by, _ := ParseBy(strings.TrimSuffix(name, ", four times as many as are counted"))
			r := NewBoard(BoardOptions{By: by, Timeouts: testTimeouts, Limit: limit})
			i := 0
			for b.Loop() {
				r.Add(flows[i&(1<<17-1)])
				i++
			}
		})
	}
}
