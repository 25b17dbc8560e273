package oracle

import (
	"encoding/binary"
	"net/netip"
)

// Packet is one packet of a sequence, independent of the tuple that it will run on.
type Packet interface {
	// String is a short form that a test can print and [Parse] reads.
	String() string
	append(dst []byte, c *Conversation) []byte
}

// Conversation turns the packets of one sequence into bytes between two ends.
type Conversation struct {
	A, B netip.AddrPort // initiator and responder
	ends [2]end
}

// end is what one end has sent, as an honest stack would keep it.
type end struct {
	next uint32 // the next sequence number it will send
	vtag uint32 // the SCTP verification tag that it chose
}

// NewConversation starts a conversation; its initial sequence numbers and tags follow from seed.
func NewConversation(a, b netip.AddrPort, seed uint32) *Conversation {
	return &Conversation{A: a, B: b, ends: [2]end{
		{next: seed*2654435761 + 1, vtag: seed | 1},
		{next: seed*2246822519 + 77, vtag: ^seed | 2},
	}}
}

// Append appends a packet's bytes to dst and moves the conversation on.
func (c *Conversation) Append(dst []byte, p Packet) []byte { return p.append(dst, c) }

func (c *Conversation) sides(reply bool) (from, to netip.AddrPort, me, peer *end) {
	if reply {
		return c.B, c.A, &c.ends[1], &c.ends[0]
	}
	return c.A, c.B, &c.ends[0], &c.ends[1]
}

// appendIP appends an IP header for a payload of n bytes.
func appendIP(dst []byte, from, to netip.Addr, proto byte, n int) []byte {
	if from.Is6() {
		dst = append(dst, 6<<4, 0, 0, 0)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
		dst = append(dst, proto, 64)
		dst = append(dst, from.AsSlice()...)
		return append(dst, to.AsSlice()...)
	}
	at := len(dst)
	dst = append(dst, 4<<4|5, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(20+n))
	dst = append(dst, 0, 0, 0x40, 0, 64, proto, 0, 0)
	dst = append(dst, from.AsSlice()...)
	dst = append(dst, to.AsSlice()...)
	binary.BigEndian.PutUint16(dst[at+10:], checksum(dst[at:], 0))
	return dst
}

func pseudo(from, to netip.Addr, proto byte, n int) uint32 {
	return add(add(uint32(proto)+uint32(n), from.AsSlice()), to.AsSlice())
}

func add(sum uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

func checksum(b []byte, sum uint32) uint16 {
	for sum = add(sum, b); sum > 0xffff; {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
