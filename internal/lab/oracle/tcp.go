package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Segment is one TCP packet of a sequence. Its numbers are relative to what an honest peer would send,
// so that a sequence means the same on any tuple: 0 and 0 are exactly in order.
type Segment struct {
	Reply   bool  // sent by the responder
	Flags   byte  // TCP header flags, as in the header's byte
	SeqOff  int32 // added to the sender's next sequence number
	AckOff  int32 // added to the peer's next sequence number
	Window  uint16
	Len     uint16 // payload bytes
	WScale  int8   // window scale option, when SYN is set and it is not negative
	SACKOK  bool   // SACK-permitted option
	SACKOff int32  // a SACK block ending this far beyond the acknowledgement, when not 0
	BadSum  bool   // a broken TCP checksum
}

// TCP flags, as in the header.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// String is the segment in a short form that a test can print and a reader can understand.
func (s Segment) String() string {
	var b strings.Builder
	b.WriteString(arrow(s.Reply))
	for i, c := range flagLetters {
		if s.Flags&(1<<i) != 0 {
			b.WriteRune(c)
		}
	}
	for _, f := range []struct {
		name string
		v    int64
	}{{"seq", int64(s.SeqOff)}, {"ack", int64(s.AckOff)}, {"len", int64(s.Len)}, {"sack", int64(s.SACKOff)}} {
		if f.v != 0 {
			fmt.Fprintf(&b, " %s=%d", f.name, f.v)
		}
	}
	fmt.Fprintf(&b, " win=%d", s.Window)
	if s.WScale >= 0 && s.Flags&SYN != 0 {
		fmt.Fprintf(&b, " wscale=%d", s.WScale)
	}
	if s.SACKOK {
		b.WriteString(" sackok")
	}
	if s.BadSum {
		b.WriteString(" badsum")
	}
	return b.String()
}

// append appends the segment's packet to dst. What it sends advances its sender, unless it is out of order.
func (s Segment) append(dst []byte, c *Conversation) []byte {
	from, to, me, peer := c.sides(s.Reply)
	seq := me.next + uint32(s.SeqOff)
	var ack uint32
	if s.Flags&ACK != 0 {
		ack = peer.next + uint32(s.AckOff)
	}
	if s.SeqOff == 0 {
		me.next = seq + uint32(s.Len)
		if s.Flags&(SYN|FIN) != 0 && s.Flags&RST == 0 {
			me.next++
		}
	}
	return appendTCP(dst, from, to, s, seq, ack)
}

func appendTCP(dst []byte, from, to netip.AddrPort, s Segment, seq, ack uint32) []byte {
	options := s.options(ack)
	head := 20 + len(options)
	dst = appendIP(dst, from.Addr(), to.Addr(), 6, head+int(s.Len))
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, from.Port())
	dst = binary.BigEndian.AppendUint16(dst, to.Port())
	dst = binary.BigEndian.AppendUint32(dst, seq)
	dst = binary.BigEndian.AppendUint32(dst, ack)
	dst = append(dst, byte(head/4)<<4, s.Flags)
	dst = binary.BigEndian.AppendUint16(dst, s.Window)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, options...)
	dst = append(dst, make([]byte, s.Len)...)
	sum := checksum(dst[at:], pseudo(from.Addr(), to.Addr(), 6, len(dst)-at))
	if s.BadSum {
		sum ^= 0x5555
	}
	binary.BigEndian.PutUint16(dst[at+16:], sum)
	return dst
}

// options are the segment's TCP options, padded to words.
func (s Segment) options(ack uint32) []byte {
	var o []byte
	if s.WScale >= 0 && s.Flags&SYN != 0 {
		o = append(o, 3, 3, byte(s.WScale))
	}
	if s.SACKOK {
		o = append(o, 4, 2)
	}
	if s.SACKOff != 0 {
		o = append(o, 5, 10)
		o = binary.BigEndian.AppendUint32(o, ack+uint32(s.SACKOff)-1)
		o = binary.BigEndian.AppendUint32(o, ack+uint32(s.SACKOff))
	}
	for len(o)%4 != 0 {
		o = append(o, 1)
	}
	return o
}
