package lab

import (
	"encoding/binary"
	"net/netip"
)

// Protocol numbers and ICMP types that the packets below carry.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	echoV4      = 8
	echoV6      = 128
)

// TCP flags for [TCP].
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Segment is what a TCP packet carries beside its addresses.
type Segment struct {
	Flags    byte
	Seq, Ack uint32
	Window   uint16 // 0 means 65535
	Payload  []byte
}

// TCP makes an IP packet with a TCP segment; both addresses must be of one family.
func TCP(src, dst netip.AddrPort, s Segment) []byte {
	h := make([]byte, 20, 20+len(s.Payload))
	binary.BigEndian.PutUint16(h[0:], src.Port())
	binary.BigEndian.PutUint16(h[2:], dst.Port())
	binary.BigEndian.PutUint32(h[4:], s.Seq)
	binary.BigEndian.PutUint32(h[8:], s.Ack)
	h[12], h[13] = 5<<4, s.Flags
	if s.Window == 0 {
		s.Window = 65535
	}
	binary.BigEndian.PutUint16(h[14:], s.Window)
	return wrap(src.Addr(), dst.Addr(), protoTCP, 16, append(h, s.Payload...))
}

// UDP makes an IP packet with a UDP datagram.
func UDP(src, dst netip.AddrPort, payload []byte) []byte {
	h := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(h[0:], src.Port())
	binary.BigEndian.PutUint16(h[2:], dst.Port())
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(payload)))
	return wrap(src.Addr(), dst.Addr(), protoUDP, 6, append(h, payload...))
}

// Ping makes an ICMP or ICMPv6 echo request.
func Ping(src, dst netip.Addr, id, seq uint16) []byte {
	h := make([]byte, 8)
	proto := byte(protoICMP)
	h[0] = echoV4
	if src.Is6() {
		proto, h[0] = protoICMPv6, echoV6
	}
	binary.BigEndian.PutUint16(h[4:], id)
	binary.BigEndian.PutUint16(h[6:], seq)
	return wrap(src, dst, proto, 2, h)
}

// wrap puts an IP header before a transport packet and its checksum at offset at.
func wrap(src, dst netip.Addr, proto byte, at int, body []byte) []byte {
	sum := uint32(proto) + uint32(len(body))
	if proto == protoICMP {
		sum = 0
	} else {
		sum = add(add(sum, src.AsSlice()), dst.AsSlice())
	}
	binary.BigEndian.PutUint16(body[at:], fold(add(sum, body)))
	if src.Is6() {
		h := make([]byte, 40, 40+len(body))
		h[0], h[6], h[7] = 6<<4, proto, 64
		binary.BigEndian.PutUint16(h[4:], uint16(len(body)))
		copy(h[8:], src.AsSlice())
		copy(h[24:], dst.AsSlice())
		return append(h, body...)
	}
	h := make([]byte, 20, 20+len(body))
	h[0], h[8], h[9] = 4<<4|5, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(body)))
	copy(h[12:], src.AsSlice())
	copy(h[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(h[10:], fold(add(0, h)))
	return append(h, body...)
}

func add(sum uint32, b []byte) uint32 {
	for len(b) > 1 {
		sum += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum == 0xffff {
		return 0xffff // a UDP checksum of 0 would mean none
	}
	return ^uint16(sum)
}
