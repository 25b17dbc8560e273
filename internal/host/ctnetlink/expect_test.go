package ctnetlink

import (
	"net/netip"
	"testing"

	"ctkeeper/internal/conntrack/flow"
)

func TestDecodeExpectation(t *testing.T) {
	master := flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), SrcPort: 1000, DstPort: 21, Proto: flow.TCP}
	want := master
	want.DstPort = 20
	tuple := func(b []byte, typ uint16, tu *flow.Tuple) []byte {
		b, start := openNest(b, typ)
		return closeNest(appendTupleParts(b, tu), start)
	}
	b := tuple(nil, expMaster, &master)
	b = tuple(b, expTuple, &want)
	b = put32(put32(b, expTimeout, 299), expFlags, uint32(flow.ExpectPermanent))
	b = putString(b, expHelper, "ftp")
	b, nat := openNest(b, expNAT)
	b = closeNest(tuple(put32(b, 1, 1), 2, &master), nat)
	b = put(b, 60, 1, 2, 3)
	d := decoder{want: flow.AllFields}
	var e flow.Expectation
	if err := d.expectation(b, 2, &e); err != nil {
		t.Fatal(err)
	}
	if e.Master != master || e.Tuple != want || e.Timeout != 299 || e.Helper != "ftp" || e.Flags != flow.ExpectPermanent || !e.NAT || e.NATDir != 1 || e.NATTuple != master || len(e.Unknown) != 8 {
		t.Errorf("%+v", e)
	}
	for n := range b {
		_ = d.expectation(b[:n], 2, &e) // no panic wherever it is cut
	}
}
