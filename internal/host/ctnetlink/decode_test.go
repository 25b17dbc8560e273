package ctnetlink

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
)

var sameFlow = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
	cmpopts.EquateEmpty(),
}

func genAddr(t *rapid.T, fam flow.Family) netip.Addr {
	n := 4
	if fam == flow.IPv6 {
		n = 16
	}
	a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "addr"))
	return a
}

func genTuple(t *rapid.T, fam flow.Family, p flow.Proto) flow.Tuple {
	tu := flow.Tuple{Src: genAddr(t, fam), Dst: genAddr(t, fam), Proto: p}
	switch {
	case p == flow.ICMP || p == flow.ICMPv6:
		tu.ICMPID = rapid.Uint16().Draw(t, "id")
		tu.ICMPType, tu.ICMPCode = rapid.Byte().Draw(t, "type"), rapid.Byte().Draw(t, "code")
	case p.HasPorts() || p == flow.GRE:
		tu.SrcPort, tu.DstPort = rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "dport")
	}
	return tu
}

func genSeqAdj(t *rapid.T) flow.SeqAdj {
	return flow.SeqAdj{CorrectionPos: rapid.Uint32().Draw(t, "pos"), OffsetBefore: rapid.Uint32().Draw(t, "before"), OffsetAfter: 7}
}

func genTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "set") {
		return time.Unix(0, rapid.Int64Range(1, math.MaxInt64).Draw(t, "ns")).UTC()
	}
	return time.Time{}
}

func genFlow(t *rapid.T) flow.Flow {
	fam := rapid.SampledFrom([]flow.Family{flow.IPv4, flow.IPv6}).Draw(t, "family")
	p := flow.Proto(rapid.SampledFrom([]int{1, 6, 17, 33, 47, 58, 132, 136, 89}).Draw(t, "proto"))
	u32 := func() uint32 { return rapid.Uint32().Draw(t, "u32") }
	has := flow.Fields(u32()) & flow.AllFields &^ flow.HasUnknown
	fl := flow.Flow{Family: fam, Orig: genTuple(t, fam, p)}
	fill := map[flow.Fields]func(){
		flow.HasReply:     func() { fl.Reply = genTuple(t, fam, p) },
		flow.HasStatus:    func() { fl.Status = flow.Status(u32()) },
		flow.HasTimeout:   func() { fl.Timeout = u32() },
		flow.HasMark:      func() { fl.Mark = u32() },
		flow.HasID:        func() { fl.ID = u32() },
		flow.HasUse:       func() { fl.Use = u32() },
		flow.HasCounters:  func() { fl.OrigCount = flow.Counters{Packets: uint64(u32()) << 20, Bytes: uint64(u32())} },
		flow.HasTimestamp: func() { fl.Start, fl.Stop = genTime(t), genTime(t) },
		flow.HasEventTime: func() { fl.EventTime = genTime(t) },
		flow.HasHelper:    func() { fl.Helper = rapid.StringMatching(`[a-z0-9-]{1,15}`).Draw(t, "helper") },
		flow.HasSecCtx:    func() { fl.SecCtx = rapid.StringMatching(`[a-z_:]{1,40}`).Draw(t, "secctx") },
		flow.HasLabels:    func() { fl.Labels = rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "labels") },
		flow.HasMaster:    func() { fl.Master = genTuple(t, fam, flow.TCP) },
		flow.HasSeqAdj:    func() { fl.OrigSeqAdj, fl.ReplySeqAdj = genSeqAdj(t), genSeqAdj(t) },
		flow.HasSynproxy:  func() { fl.SynproxyISN, fl.SynproxyITS, fl.SynproxyTSO = u32(), u32(), u32() },
		flow.HasZone: func() {
			fl.Zone = uint16(u32())
			dirs := []flow.ZoneDir{flow.ZoneBoth, flow.ZoneOrig, flow.ZoneReply}
			if has&flow.HasReply == 0 {
				dirs = dirs[:2]
			}
			fl.ZoneDir = rapid.SampledFrom(dirs).Draw(t, "dir")
		},
	}
	if infoNestOf(p) == 0 {
		has &^= flow.HasState | flow.HasProtoInfo
	}
	if p == flow.DCCP {
		has &^= flow.HasProtoInfo
	}
	if has&flow.HasState != 0 {
		fl.State = flow.MakeState(p, rapid.Byte().Draw(t, "state"))
	}
	if has&flow.HasProtoInfo != 0 && p == flow.TCP {
		fl.TCP = flow.TCPInfo{WScaleOrig: 1, WScaleReply: 2, FlagsOrig: 3, FlagsReply: rapid.Byte().Draw(t, "flags")}
	}
	if has&flow.HasProtoInfo != 0 && p == flow.SCTP {
		fl.SCTP = flow.SCTPInfo{VTagOrig: u32(), VTagReply: u32()}
	}
	for f, set := range fill {
		if has&f != 0 {
			set()
		}
	}
	if has&flow.HasTimestamp != 0 && fl.Start.IsZero() {
		fl.Start = time.Unix(1, 0).UTC()
	}
	fl.Present = has
	return fl
}

func TestDecodeEncodeIdentity(t *testing.T) {
	d := decoder{want: flow.AllFields}
	rapid.Check(t, func(t *rapid.T) {
		want := genFlow(t)
		var got flow.Flow
		b := appendFlow(nil, &want, flow.AllFields)
		if err := d.decode(b, uint8(want.Family), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameFlow); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestLayoutsAreTaken: the second of two flows of a kind that has a layout is not walked, and what is taken in at once
// is what the walk gives, whatever is wanted, whatever came before and however the message is damaged.
func TestLayoutsAreTaken(t *testing.T) {
	wants := []flow.Fields{flow.AllFields, flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasZone, flow.HasReply | flow.HasProtoInfo, 0}
	rapid.Check(t, func(t *rapid.T) {
		d := decoder{want: rapid.SampledFrom(wants).Draw(t, "want")}
		var got flow.Flow
		for range 4 {
			fl := genFlow(t)
			b := appendFlow(nil, &fl, flow.AllFields)
			agree(t, &d, b, uint8(fl.Family), &got)
			agree(t, &d, b, uint8(fl.Family), &got)
			if l := d.layouts.of(len(b)); l.missed == 1 && hasLayout(&fl, d.want) && !l.fits(b, d.want) {
				t.Fatalf("walked: %+v", fl)
			}
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "changed")
			agree(t, &d, b, uint8(fl.Family), &got)
		}
	})
}

// hasLayout reports whether nothing is wanted of a flow that no layout has.
func hasLayout(fl *flow.Flow, want flow.Fields) bool {
	for typ := range uint16(attrTimestampEvent + 1) {
		if fl.Present&want&rarePart(typ) != 0 {
			return false
		}
	}
	tcp := fl.Present&(flow.HasState|flow.HasProtoInfo) == flow.HasState|flow.HasProtoInfo && fl.Proto() == flow.TCP
	return fl.Proto().HasPorts() && (fl.Present&flow.HasReply == 0 || fl.Reply.Proto.HasPorts()) && fl.ZoneDir == flow.ZoneBoth &&
		(tcp || fl.Present&(flow.HasState|flow.HasProtoInfo) == 0 || want&(flow.HasState|flow.HasProtoInfo) == 0)
}

type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

// agree decodes a message into a flow that was used before, and as a decoder that knows no layout does.
func agree(t failing, d *decoder, b []byte, family uint8, got *flow.Flow) {
	t.Helper()
	var want flow.Flow
	fresh := decoder{want: d.want}
	walked, err := fresh.walk(b, family, &want), d.decode(b, family, got)
	if (walked == nil) != (err == nil) {
		t.Fatalf("%x: %v, walked %v", b, err, walked)
	}
	if err != nil || reflect.DeepEqual(withoutEmpty(want), withoutEmpty(*got)) {
		return
	}
	if diff := cmp.Diff(want, *got, sameFlow); diff != "" { // slow, and tells what differs
		t.Fatalf("%x: (- walked, + got) %s", b, diff)
	}
}

// withoutEmpty is a flow whose empty buffers are none.
func withoutEmpty(fl flow.Flow) flow.Flow {
	if len(fl.Labels) == 0 {
		fl.Labels = nil
	}
	if len(fl.UnknownAttrs) == 0 {
		fl.UnknownAttrs = nil
	}
	return fl
}

func TestUnknownAttributesAreKept(t *testing.T) {
	fl := flow.Flow{Family: flow.IPv4, Orig: flow.Tuple{Src: netip.MustParseAddr("1.2.3.4"), Dst: netip.MustParseAddr("5.6.7.8"), Proto: flow.TCP}}
	b := appendFlow(nil, &fl, flow.AllFields)
	b = put(b, 99, 1, 2, 3)
	b, outer := openNest(b, attrProtoInfo)
	b, inner := openNest(b, infoTCP)
	b = put(b, 77, 9)
	b = closeNest(closeNest(b, inner), outer)
	d := decoder{want: flow.AllFields}
	var got, again flow.Flow
	if err := d.decode(b, 2, &got); err != nil {
		t.Fatal(err)
	}
	if !got.Has(flow.HasUnknown) || !bytes.Contains(got.UnknownAttrs, []byte{1, 2, 3}) || !bytes.Contains(got.UnknownAttrs, []byte{9, 0, 0, 0}) {
		t.Fatalf("unknown attributes: %x", got.UnknownAttrs)
	}
	if err := d.decode(appendFlow(nil, &got, flow.AllFields), 2, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again, sameFlow); diff != "" {
		t.Error(diff)
	}
}

// seeds are messages of every kind, and ways in which one may be cut or wrong.
func seeds() [][]byte {
	full := appendFlow(nil, &flow.Flow{
		Present: flow.AllFields &^ flow.HasUnknown, State: flow.TCPEstablished, Zone: 3, ZoneDir: flow.ZoneOrig, Helper: "ftp", SecCtx: "s", Labels: make([]byte, 16),
		Orig:  flow.Tuple{Src: netip.MustParseAddr("1.2.3.4"), Dst: netip.MustParseAddr("5.6.7.8"), Proto: flow.TCP, SrcPort: 1, DstPort: 2},
		Reply: flow.Tuple{Src: netip.MustParseAddr("::1"), Dst: netip.MustParseAddr("::2"), Proto: flow.ICMPv6, ICMPType: 129},
	}, flow.AllFields)
	return [][]byte{full, full[:len(full)-1], full[:9], {}, {1}, {4, 0, 1, 0}, {3, 0, 1, 0}, {255, 255, 1, 128}, put(nil, attrTimestamp, 12, 0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8)}
}

func FuzzDecode(f *testing.F) {
	if len(seeds()) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds() {
		f.Add(s, uint8(2))
	}
	f.Add(appendTuple(nil, attrTupleOrig, &flow.Tuple{Src: netip.MustParseAddr("::1"), Dst: netip.MustParseAddr("::2"), Proto: flow.UDP}, &flow.Flow{}, 0, flow.ZoneOrig)[attrLen:], uint8(10))
	f.Add(appendProtoInfo(nil, &flow.Flow{State: flow.TCPClose}, flow.HasState|flow.HasProtoInfo)[attrLen:], uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, family uint8) {
		d := decoder{want: flow.AllFields}
		var fl, again flow.Flow
		shortcuts(t, b, family)
		if d.decode(b, family, &fl) != nil {
			return
		}
		if len(fl.UnknownAttrs) > 16<<10 || len(fl.Labels) > 16<<10 {
			return // does not fit beside the rest in what a netlink length holds
		}
		if err := d.decode(appendFlow(nil, &fl, flow.AllFields), family, &again); err != nil {
			t.Fatalf("decoded %x, encoded it does not decode: %v", b, err)
		}
		compare(t, &fl, &again)
	})
}

// shortcuts checks that what is taken in at once is what the walk over the attributes gives: of the message again, with
// less wanted, and with a byte changed here and there.
func shortcuts(t *testing.T, b []byte, family uint8) {
	t.Helper()
	b = bytes.Clone(b)
	var fl flow.Flow
	for _, want := range []flow.Fields{flow.AllFields, flow.HasStatus | flow.HasState | flow.HasTimeout} {
		d := decoder{want: want}
		agree(t, &d, b, family, &fl)
		agree(t, &d, b, family, &fl)
		for at := 0; at < len(b); at += 1 + len(b)/32 {
			b[at] ^= 1 << (at % 8)
			agree(t, &d, b, family, &fl)
			b[at] ^= 1 << (at % 8)
		}
	}
}

// compare checks what an encoded flow must keep. What the kernel never sends together (two families in
// one tuple, ports of an ICMP flow, two zones) may get lost, but nothing may appear.
func compare(t *testing.T, a, b *flow.Flow) {
	t.Helper()
	if a.Status != b.Status || a.Timeout != b.Timeout || a.Mark != b.Mark || a.ID != b.ID || a.Use != b.Use ||
		a.OrigCount != b.OrigCount || a.ReplyCount != b.ReplyCount || a.Orig.Proto != b.Orig.Proto || a.Helper != b.Helper ||
		!bytes.Equal(a.Labels, b.Labels) || b.Present&^a.Present != 0 {
		t.Fatalf("changed:\n%+v\n%+v", a, b)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	d := decoder{want: flow.AllFields}
	b := seeds()[0]
	var fl flow.Flow
	if n := testing.AllocsPerRun(100, func() { _ = d.decode(b, 2, &fl) }); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	fl := flow.Flow{
		Present: flow.HasReply | flow.HasStatus | flow.HasTimeout | flow.HasState | flow.HasProtoInfo | flow.HasMark | flow.HasID | flow.HasUse, State: flow.TCPEstablished,
		Orig:  flow.Tuple{Src: netip.MustParseAddr("1.2.3.4"), Dst: netip.MustParseAddr("5.6.7.8"), Proto: flow.TCP, SrcPort: 1, DstPort: 2},
		Reply: flow.Tuple{Src: netip.MustParseAddr("5.6.7.8"), Dst: netip.MustParseAddr("1.2.3.4"), Proto: flow.TCP, SrcPort: 1, DstPort: 2},
	}
	msg := appendFlow(nil, &fl, flow.AllFields)
	for name, want := range map[string]flow.Fields{"all": flow.AllFields, "ranked": flow.HasStatus | flow.HasState | flow.HasTimeout} {
		b.Run(name, func(b *testing.B) {
			d := decoder{want: want}
			b.ReportAllocs()
			for b.Loop() {
				if err := d.decode(msg, 2, &fl); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
