package filter

import (
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// Disjoint reports whether it is certain from the two filters alone that no flow is selected by both.
func Disjoint(a, b Filter) bool {
	x, y := a.Exact(), b.Exact()
	both := x.StatusMask & y.StatusMask
	return differ(x.Family, y.Family) || differ(x.Proto, y.Proto) || differ(x.Zone, y.Zone) ||
		differ(x.Src, y.Src) || differ(x.Dst, y.Dst) || differ(x.SPort, y.SPort) || differ(x.DPort, y.DPort) ||
		x.Mark != nil && y.Mark != nil && (*x.Mark^*y.Mark)&x.MarkMask&y.MarkMask != 0 ||
		(x.Status^y.Status)&both != 0
}

func differ[T comparable](a, b *T) bool { return a != nil && b != nil && *a != *b }

// Loopback selects the flows with a loopback address on any side.
func Loopback() []Filter {
	var all []Filter
	for _, p := range [...]netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8), netip.PrefixFrom(netip.IPv6Loopback(), 128)} {
		all = append(all, addrOf(p))
	}
	return all
}

// Host selects the flows with an address on any side.
func Host(a netip.Addr) Filter { return addrOf(netip.PrefixFrom(a, a.BitLen())) }

func addrOf(p netip.Prefix) Filter {
	text := p.String()
	if p.IsSingleIP() {
		text = p.Addr().String()
	}
	return Filter{root: &addrTerm{anySide, p}, text: "addr " + text}
}

// OfLoopback reports whether a filter selects nothing but flows with a loopback address.
func (f Filter) OfLoopback() bool {
	t, ok := f.root.(*addrTerm)
	return ok && t.prefix.Addr().IsLoopback() && (t.prefix.Addr().Is6() && t.prefix.IsSingleIP() || t.prefix.Addr().Is4() && t.prefix.Bits() >= 8)
}

// familyOf is the family of an address.
func familyOf(a netip.Addr) flow.Family {
	if a.Is6() {
		return flow.IPv6
	}
	return flow.IPv4
}
