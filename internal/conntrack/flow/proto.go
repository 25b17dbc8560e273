package flow

import "strconv"

// Proto is an IP protocol number.
type Proto uint8

// The protocols that conntrack knows by name.
const (
	ICMP    Proto = 1
	TCP     Proto = 6
	UDP     Proto = 17
	DCCP    Proto = 33
	GRE     Proto = 47
	ICMPv6  Proto = 58
	SCTP    Proto = 132
	UDPLite Proto = 136
)

// String is the kernel's name for the protocol in /proc/net/nf_conntrack, or its number.
func (p Proto) String() string {
	if s := p.known(); s != "" {
		return s
	}
	return strconv.Itoa(int(p))
}

func (p Proto) known() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case DCCP:
		return "dccp"
	case GRE:
		return "gre"
	case ICMPv6:
		return "icmpv6"
	case SCTP:
		return "sctp"
	case UDPLite:
		return "udplite"
	}
	return ""
}

// Name is the protocol's name as /proc/net/nf_conntrack writes it: "unknown" for one that has none.
func (p Proto) Name() string {
	if s := p.known(); s != "" {
		return s
	}
	return "unknown"
}

// HasPorts reports whether tuples of this protocol carry ports.
func (p Proto) HasPorts() bool {
	return p == TCP || p == UDP || p == UDPLite || p == SCTP || p == DCCP
}

// ParseProto returns the protocol of a name ("tcp", "ipv6-icmp") or number.
func ParseProto(name string) (Proto, bool) {
	if name == "ipv6-icmp" || name == "icmp6" {
		return ICMPv6, true
	}
	for _, p := range [...]Proto{ICMP, TCP, UDP, DCCP, GRE, ICMPv6, SCTP, UDPLite} {
		if p.String() == name {
			return p, true
		}
	}
	n, err := strconv.ParseUint(name, 10, 8)
	return Proto(n), err == nil
}
