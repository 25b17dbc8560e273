package lab

import (
	"net/netip"
)

// Tracked joins two new namespaces by a wire into the second, which tracks what comes and answers nothing;
// its address is 10.9.0.2.
func Tracked(t TB) (*Wire, *Namespace) {
	t.Helper()
	a := &End{NS: NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}
	b := &End{NS: NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")}}
	Veth(t, a, b)
	if err := Track(b.NS, TrackOptions{Silent: true}); err != nil {
		t.Fatal(err)
	}
	return NewWire(t, a, b), b.NS
}

// Datagrams are n UDP packets for what [Tracked] makes, each of a flow of its own; first is the number of
// the first flow.
func Datagrams(first, n int) [][]byte {
	packets := make([][]byte, n)
	dst := netip.MustParseAddrPort("10.9.0.2:53")
	for i := range packets {
		k := first + i
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 128, byte(k >> 8), byte(k)}), uint16(1024+k>>16))
		packets[i] = UDP(src, dst, []byte("q"))
	}
	return packets
}
