package packet

import "encoding/binary"

// Link is a capture's link type, by its LINKTYPE number (www.tcpdump.org/linktypes.html).
type Link uint16

// Link types that carry IP.
const (
	Null     Link = 0
	Ethernet Link = 1
	PPP      Link = 9
	Raw12    Link = 12 // LINKTYPE_RAW as some systems number it
	Raw14    Link = 14
	Raw      Link = 101
	CHDLC    Link = 104
	Loop     Link = 108
	SLL      Link = 113
	IPv4     Link = 228
	IPv6     Link = 229
	SLL2     Link = 276
)

// Known reports whether frames of the link type can be decoded.
func (l Link) Known() bool {
	switch l {
	case Null, Ethernet, PPP, Raw12, Raw14, Raw, CHDLC, Loop, SLL, IPv4, IPv6, SLL2:
		return true
	}
	return false
}

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
)

// Network returns the IP packet in a frame and how many VLAN tags lay before it; nil when there is none.
func Network(link Link, f []byte) (ip []byte, tags uint8) {
	switch link {
	case Ethernet:
		return tagged(f, 14)
	case SLL:
		return tagged(f, 16)
	case Raw, Raw12, Raw14, IPv4, IPv6:
		if len(f) > 0 && (f[0]>>4 == 4 || f[0]>>4 == 6) {
			return f, 0
		}
	case SLL2:
		if len(f) >= 20 && isIP(binary.BigEndian.Uint16(f)) {
			return f[20:], 0
		}
	case CHDLC:
		if len(f) >= 4 && isIP(binary.BigEndian.Uint16(f[2:])) {
			return f[4:], 0
		}
	case Null, Loop:
		return loopback(f), 0
	case PPP:
		return ppp(f), 0
	}
	return nil, 0
}

func isIP(ether uint16) bool { return ether == etherIPv4 || ether == etherIPv6 }

// isTag reports whether an ethertype is a VLAN tag's, of 802.1Q, 802.1ad or what came before it.
func isTag(ether uint16) bool { return ether == 0x8100 || ether == 0x88a8 || ether == 0x9100 }

// tagged skips a header of n bytes whose last two are an ethertype, and the VLAN tags behind it.
func tagged(f []byte, n int) ([]byte, uint8) {
	if len(f) < n {
		return nil, 0
	}
	ether, f := binary.BigEndian.Uint16(f[n-2:]), f[n:]
	var tags uint8
	for isTag(ether) && len(f) >= 4 {
		ether, f = binary.BigEndian.Uint16(f[2:]), f[4:]
		tags++
	}
	if !isIP(ether) {
		return nil, tags
	}
	return f, tags
}

// loopback reads BSD's address family, in the byte order of whoever captured; IPv6 has three numbers.
func loopback(f []byte) []byte {
	if len(f) < 4 {
		return nil
	}
	af := binary.LittleEndian.Uint32(f)
	if af > 0xffff {
		af = binary.BigEndian.Uint32(f)
	}
	switch af {
	case 2, 10, 24, 28, 30:
		return f[4:]
	}
	return nil
}

func ppp(f []byte) []byte {
	if len(f) >= 2 && f[0] == 0xff && f[1] == 3 {
		f = f[2:]
	}
	if len(f) < 2 {
		return nil
	}
	if f[0] == 0x21 || f[0] == 0x57 { // protocol field compressed to a byte
		return f[1:]
	}
	if p := binary.BigEndian.Uint16(f); p == 0x21 || p == 0x57 {
		return f[2:]
	}
	return nil
}
