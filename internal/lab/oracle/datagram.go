package oracle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// Datagram is a packet of a protocol without sequence numbers: UDP, UDPLite, ICMP, ICMPv6 or any other.
type Datagram struct {
	Reply      bool
	Proto      byte
	Type, Code byte   // ICMP
	Len        uint16 // payload bytes
	BadSum     bool
	BadLen     bool // UDP: a length field beyond the packet
}

// String is the datagram in short.
func (d Datagram) String() string {
	s := fmt.Sprintf("%sproto=%d", arrow(d.Reply), d.Proto)
	if d.Proto == 1 || d.Proto == 58 {
		s += fmt.Sprintf(" type=%d code=%d", d.Type, d.Code)
	}
	if d.Len != 0 {
		s += fmt.Sprintf(" len=%d", d.Len)
	}
	if d.BadSum {
		s += " badsum"
	}
	if d.BadLen {
		s += " badlen"
	}
	return s
}

func arrow(reply bool) string {
	if reply {
		return "<"
	}
	return ">"
}

func (d Datagram) append(dst []byte, c *Conversation) []byte {
	from, to, _, _ := c.sides(d.Reply)
	head := map[byte]int{1: 8, 58: 8, 17: 8, 136: 8}[d.Proto]
	n := head + int(d.Len)
	dst = appendIP(dst, from.Addr(), to.Addr(), d.Proto, n)
	at := len(dst)
	dst = append(dst, make([]byte, n)...)
	b := dst[at:]
	sum := pseudo(from.Addr(), to.Addr(), d.Proto, n)
	switch d.Proto {
	case 1, 58:
		b[0], b[1] = d.Type, d.Code
		binary.BigEndian.PutUint16(b[4:], c.A.Port())
		if d.Proto == 1 {
			sum = 0
		}
		binary.BigEndian.PutUint16(b[2:], d.spoil(checksum(b, sum)))
	case 17, 136:
		binary.BigEndian.PutUint16(b, from.Port())
		binary.BigEndian.PutUint16(b[2:], to.Port())
		length := uint16(n)
		if d.BadLen {
			length += 10
		}
		binary.BigEndian.PutUint16(b[4:], length)
		binary.BigEndian.PutUint16(b[6:], d.spoil(checksum(b, sum)))
	}
	return dst
}

func (d Datagram) spoil(sum uint16) uint16 {
	if d.BadSum {
		return sum ^ 0x5555
	}
	return sum
}

// SCTP chunk types.
const (
	SCTPData             = 0
	SCTPInit             = 1
	SCTPInitAck          = 2
	SCTPSack             = 3
	SCTPHeartbeat        = 4
	SCTPHeartbeatAck     = 5
	SCTPAbort            = 6
	SCTPShutdown         = 7
	SCTPShutdownAck      = 8
	SCTPError            = 9
	SCTPCookieEcho       = 10
	SCTPCookieAck        = 11
	SCTPShutdownComplete = 14
)

// Tag chooses an SCTP packet's verification tag.
type Tag uint8

// Verification tags: what the peer chose, 0, the sender's own, or one that nobody chose.
const (
	TagPeer Tag = iota
	TagZero
	TagOwn
	TagWrong
)

// Association is one SCTP packet.
type Association struct {
	Reply  bool
	Chunks []byte // chunk types, in order
	Tag    Tag
	TBit   bool // the T bit of ABORT and SHUTDOWN_COMPLETE
}

// String is the packet in short.
func (a Association) String() string {
	kinds := make([]string, len(a.Chunks))
	for i, kind := range a.Chunks {
		kinds[i] = strconv.Itoa(int(kind))
	}
	s := arrow(a.Reply) + "sctp=" + strings.Join(kinds, ",")
	if a.Tag != TagPeer {
		s += fmt.Sprintf(" tag=%d", a.Tag)
	}
	if a.TBit {
		s += " T"
	}
	return s
}

func (a Association) append(dst []byte, c *Conversation) []byte {
	from, to, me, peer := c.sides(a.Reply)
	var chunks []byte
	for _, kind := range a.Chunks {
		body := 0
		if kind == SCTPInit || kind == SCTPInitAck {
			body = 16
		}
		flags := byte(0)
		if a.TBit {
			flags = 1
		}
		at := len(chunks)
		chunks = append(chunks, kind, flags, 0, byte(4+body))
		chunks = append(chunks, make([]byte, body)...)
		if body > 0 {
			binary.BigEndian.PutUint32(chunks[at+4:], me.vtag)
		}
	}
	tag := [...]uint32{TagPeer: peer.vtag, TagZero: 0, TagOwn: me.vtag, TagWrong: 0xdeadbeef}[a.Tag]
	dst = appendIP(dst, from.Addr(), to.Addr(), 132, 12+len(chunks))
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, from.Port())
	dst = binary.BigEndian.AppendUint16(dst, to.Port())
	dst = binary.BigEndian.AppendUint32(dst, tag)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, chunks...)
	binary.LittleEndian.PutUint32(dst[at+8:], crc32.Checksum(dst[at:], crc32.MakeTable(crc32.Castagnoli)))
	return dst
}
