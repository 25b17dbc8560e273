package packet

import "encoding/binary"

// Repair appends to dst an IP packet mended as if it had been captured whole on the wire: cut bytes are
// zeros again, and the checksums of the IPv4 header, TCP, UDP, SCTP, ICMP and ICMPv6 are right. Fragments
// keep their transport checksum, and so does UDP over IPv4 that was sent without one.
func Repair(dst, ip []byte) []byte {
	from := len(dst)
	dst = append(dst, ip...)
	if len(ip) < 20 {
		return dst
	}
	switch ip[0] >> 4 {
	case 4:
		return repair4(dst, from)
	case 6:
		return repair6(dst, from)
	}
	return dst
}

// pad fills the packet that starts at from up to total bytes.
func pad(dst []byte, from, total int) []byte {
	if total > maxDatagram {
		return dst
	}
	for len(dst)-from < total {
		dst = append(dst, 0)
	}
	return dst
}

func repair4(dst []byte, from int) []byte {
	head, total := int(dst[from]&15)*4, int(binary.BigEndian.Uint16(dst[from+2:]))
	dst = pad(dst, from, total)
	ip := dst[from:]
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], finish(sum(ip[:min(head, len(ip))], 0)))
	if binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || head > len(ip) {
		return dst
	}
	end := len(ip)
	if total > head {
		end = min(total, end)
	}
	mend(ip[head:end], ip[9], true, sum(ip[12:20], 0))
	return dst
}

func repair6(dst []byte, from int) []byte {
	if len(dst)-from < 40 {
		return dst
	}
	total := 40 + int(binary.BigEndian.Uint16(dst[from+4:]))
	next, at, fragment := chain(dst[from:])
	dst = pad(dst, from, total)
	if fragment {
		return dst
	}
	ip := dst[from:]
	end := len(ip)
	if total > at {
		end = min(total, end)
	}
	if at <= end {
		mend(ip[at:end], next, false, sum(ip[8:40], 0))
	}
	return dst
}

// chain walks the extension headers that the capture holds.
func chain(ip []byte) (next uint8, at int, fragment bool) {
	next, at = ip[6], 40
	for isExtension(next) && next != protoNone && at+8 <= len(ip) {
		n := (int(ip[at+1]) + 1) * 8
		switch next {
		case protoFrag:
			fragment, n = true, 8
		case protoAH:
			n = (int(ip[at+1]) + 2) * 4
		}
		next, at = ip[at], at+n
	}
	return next, at, fragment
}

// mend writes the transport checksum; addresses is the sum of both addresses.
func mend(seg []byte, proto uint8, v4 bool, addresses uint64) {
	if proto == protoSCTP && len(seg) >= 12 {
		var zero [4]byte
		binary.LittleEndian.PutUint32(seg[8:], sctpSum(seg, zero[:]))
		return
	}
	at, ok := checksumAt(proto)
	if !ok || len(seg) < at+2 || proto == protoUDP && v4 && seg[6]|seg[7] == 0 {
		return
	}
	seg[at], seg[at+1] = 0, 0
	s := addresses + uint64(proto) + uint64(len(seg))
	if proto == protoICMP {
		s = 0
	}
	c := finish(sum(seg, s))
	if proto == protoUDP && c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(seg[at:], c)
}

// checksumAt is where a transport header holds its checksum.
func checksumAt(proto uint8) (int, bool) {
	switch proto {
	case protoTCP:
		return 16, true
	case protoUDP:
		return 6, true
	case protoICMP, protoICMPv6:
		return 2, true
	}
	return 0, false
}
