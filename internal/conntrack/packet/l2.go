package packet

import (
	"encoding/binary"
	"strconv"
)

// linkNames are libpcap's names of link types without the prefix DLT_, as far as a capture is likely to
// have them.
func linkName(link Link) string {
	switch link {
	case 105:
		return "IEEE802_11"
	case 127:
		return "RADIOTAP"
	}
	return strconv.Itoa(int(link))
}

// AppendLayer2 appends what a trace says about the link layer: the VLAN tags that were taken off an IP
// packet ("vlan:10.20"), what a frame held instead of one ("ethertype:0x0806", "ppp:0xc021", "af:16",
// "linktype:105"), "short-l2" for a frame too short to tell, or nothing.
func AppendLayer2(dst []byte, link Link, f []byte) []byte {
	switch link {
	case Ethernet:
		return appendEther(dst, f, 14)
	case SLL:
		return appendEther(dst, f, 16)
	case SLL2:
		if len(f) < 20 {
			return append(dst, "short-l2"...)
		}
		return appendEtherType(dst, binary.BigEndian.Uint16(f))
	case CHDLC:
		if len(f) < 4 {
			return appendEtherType(dst, 0)
		}
		return appendEtherType(dst, binary.BigEndian.Uint16(f[2:]))
	case Raw, Raw12, Raw14, IPv4, IPv6:
		if ip, _ := Network(link, f); ip == nil {
			return append(dst, "not-ip"...)
		}
		return dst
	case Null, Loop:
		return appendFamily(dst, f)
	case PPP:
		return appendPPP(dst, f)
	}
	return append(append(dst, "linktype:"...), linkName(link)...)
}

func appendEther(dst, f []byte, n int) []byte {
	if len(f) < n {
		return append(dst, "short-l2"...)
	}
	ether, f := binary.BigEndian.Uint16(f[n-2:]), f[n:]
	from, separator := len(dst), "vlan:"
	for isTag(ether) && len(f) >= 4 {
		dst = strconv.AppendInt(append(dst, separator...), int64(binary.BigEndian.Uint16(f)&0xfff), 10)
		ether, f, separator = binary.BigEndian.Uint16(f[2:]), f[4:], "."
	}
	if isIP(ether) {
		return dst
	}
	return appendEtherType(dst[:from], ether)
}

func appendEtherType(dst []byte, ether uint16) []byte {
	if isIP(ether) {
		return dst
	}
	return appendHex(append(dst, "ethertype:0x"...), ether, 4)
}

func appendHex(dst []byte, v uint16, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[v>>(4*i)&15])
	}
	return dst
}

func appendFamily(dst, f []byte) []byte {
	if len(f) < 4 {
		return append(dst, "short-l2"...)
	}
	if loopback(f) != nil {
		return dst
	}
	af := binary.LittleEndian.Uint32(f)
	if af > 0xffff {
		af = binary.BigEndian.Uint32(f)
	}
	return strconv.AppendUint(append(dst, "af:"...), uint64(af), 10)
}

func appendPPP(dst, f []byte) []byte {
	if ppp(f) != nil {
		return dst
	}
	if len(f) >= 2 && f[0] == 0xff && f[1] == 3 {
		f = f[2:]
	}
	if len(f) < 2 {
		return append(dst, "short-l2"...)
	}
	dst = append(dst, "ppp:0x"...)
	if f[0]&1 != 0 {
		return appendHex(dst, uint16(f[0]), 2)
	}
	return appendHex(dst, binary.BigEndian.Uint16(f), 4)
}
