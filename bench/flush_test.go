package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// flushing is a table that packets made, as a router's is: what a flush may take without being read.
type flushing struct {
	t     *testing.T
	wire  *lab.Wire
	ns    *lab.Namespace
	conn  *ctnetlink.Conn
	flows int
	// proofs are kept for a boot, as the program keeps them: the first deletion by a filter is the one that proves it.
	proofs *ctnetlink.Proofs
}

// zoneOfUDP is the zone of half of the flows.
const zoneOfUDP = 5

// TestFlush measures deletions that the kernel's own flush may finish, half of the table each, beside the conntrack
// tool's.
func TestFlush(t *testing.T) {
	lab.Need(t)
	n, rounds := 16000, 1
	if v, err := strconv.Atoi(os.Getenv("CTKEEPER_BENCH")); err == nil {
		n, rounds = v, 5
	}
	rows := chosen(t)
	room(t, n/2*3) // beside what is made there is what was just deleted, and not yet freed
	f := newFlushing(t, n)
	var b strings.Builder
	for _, c := range []struct {
		filter string
		tool   []string
	}{
		{"mark 7", []string{"-m", "7"}}, {fmt.Sprintf("zone %d", zoneOfUDP), []string{"-w", strconv.Itoa(zoneOfUDP)}},
		{"assured", []string{"-u", "ASSURED"}}, {"ipv6", []string{"-f", "ipv6"}}, {"udp", []string{"-p", "udp"}},
	} {
		if !rows.MatchString(c.filter) {
			continue
		}
		var ours, tools []time.Duration
		for range rounds {
			ours, tools = append(ours, f.delete(c.filter)), append(tools, f.tool(c.tool))
		}
		first := ours[0]
		slices.Sort(ours)
		slices.Sort(tools)
		mine, peer := ours[rounds/2], tools[rounds/2]
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %s | %.3f | %s | %s |\n", c.filter, first.Seconds(), mine.Seconds(), strings.Join(c.tool, " "), peer.Seconds(), share(first, peer), share(mine, peer))
	}
	t.Logf("%d flows, half of them selected, median of %d\n\n| filter | the first in a boot, with its proof, CPU s | median | `conntrack -D` | CPU s | ratio of the first | ratio |\n|---|---|---|---|---|---|---|\n%s", n, rounds, b.String())
}

func newFlushing(t *testing.T, n int) *flushing {
	t.Helper()
	from := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fd09::1/64")}}
	to := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd09::2/64")}}
	lab.Veth(t, from, to)
	if err := lab.Track(to.NS, lab.TrackOptions{Silent: true, UDPZone: zoneOfUDP}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"udp_timeout", "udp_timeout_stream", "tcp_timeout_syn_sent"} { // nothing ends while it is measured
		if err := to.NS.SetSysctl("net/netfilter/nf_conntrack_"+key, "86400"); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := lab.Dial(to.NS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	proofs := ctnetlink.KeepProofs(filepath.Join(t.TempDir(), "proofs.json"))
	return &flushing{t: t, wire: lab.NewWire(t, from, to), ns: to.NS, conn: conn, flows: n, proofs: proofs}
}

// opening begins flow k: a quarter of them each UDP and TCP over IPv4 and over IPv6.
func opening(k int) []byte {
	src, dst := netip.AddrPort{}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, 0, 2}), 53)
	port := uint16(1024 + k>>20)
	if k&1 == 0 {
		src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(128 + k>>16&15), byte(k >> 8), byte(k)}), port)
	} else {
		a := [16]byte{0xfd, 10}
		binary.BigEndian.PutUint32(a[12:], uint32(k))
		src, dst = netip.AddrPortFrom(netip.AddrFrom16(a), port), netip.AddrPortFrom(netip.MustParseAddr("fd09::2"), 53)
	}
	if k&2 == 0 {
		return lab.UDP(src, dst, []byte("q"))
	}
	return lab.TCP(src, dst, lab.Segment{Flags: lab.SYN, Seq: 1})
}

// fill makes what is not there of the table. Half of the flows, of every kind, get mark 7 and are assured.
func (f *flushing) fill() {
	f.t.Helper()
	const part, tries = 1 << 16, 5
	var marked []flow.Flow
	for try := 1; ; try++ { // the first packets may come before the address is ready
		for first := 0; first < f.flows; first += part {
			var packets [][]byte
			for k := first; k < min(first+part, f.flows); k++ {
				packets = append(packets, opening(k))
			}
			if _, err := f.wire.Send(packets...); err != nil {
				f.t.Fatal(err)
			}
		}
		total := 0
		if marked, total = f.unmarked(); total >= f.flows && total <= f.flows+10 { // some are the neighbours' own
			break
		} else if try == tries {
			f.t.Fatalf("%d flows of %d", total, f.flows)
		}
	}
	res, err := f.conn.Update(f.t.Context(), func(yield func(*flow.Flow) bool) {
		for i := range marked {
			if !yield(&marked[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{Fields: flow.HasMark | flow.HasStatus})
	if err != nil || int(res.Done) != len(marked) {
		f.t.Fatal(res, err)
	}
}

// unmarked are the flows that shall have the mark and do not, and how many flows there are.
func (f *flushing) unmarked() (list []flow.Flow, total int) {
	f.t.Helper()
	_, err := f.conn.Dump(f.t.Context(), ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
		total++
		if fl.Orig.Src.As16()[15]>>2&1 == 0 && fl.Mark == 0 {
			list = append(list, flow.Flow{
				Family: fl.Family, Orig: fl.Orig, Zone: fl.Zone, ZoneDir: fl.ZoneDir, Mark: 7, Status: fl.Status | flow.SeenReply | flow.Assured,
				Present: fl.Present&flow.HasZone | flow.HasMark | flow.HasStatus,
			})
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return list, total
}

// delete measures ours.
func (f *flushing) delete(text string) (took time.Duration) {
	f.t.Helper()
	f.fill()
	selected, err := filter.Parse(text)
	if err != nil {
		f.t.Fatal(err)
	}
	safe, err := flows.Always(nil)
	if err != nil {
		f.t.Fatal(err)
	}
	err = f.ns.Run(func() error {
		begin := cpu(f.t)
		did, err := flows.Delete(f.t.Context(), flows.Options{Filter: selected, Protect: safe, Proofs: f.proofs})
		took = cpu(f.t) - begin
		if err == nil && (did.How != flows.Flush || did.Done < uint64(f.flows/2) || did.Done > uint64(f.flows/2+10)) {
			err = fmt.Errorf("%+v", did)
		}
		return err
	})
	if err != nil {
		f.t.Fatal(text, err)
	}
	return took
}

func (f *flushing) tool(args []string) time.Duration {
	f.t.Helper()
	f.fill()
	cmd := exec.Command("conntrack", append([]string{"-D"}, args...)...)
	if err := f.ns.Run(cmd.Run); err != nil {
		f.t.Fatalf("conntrack -D %v: %v", args, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
