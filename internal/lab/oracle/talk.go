package oracle

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Line is a TCP segment that carries text. In the text {A} and {B} stand for the ends' addresses, {a} and
// {b} for IPv4 addresses as FTP's PORT writes them.
type Line struct {
	Segment
	Text string
}

// String is the segment with its text.
func (l Line) String() string { return fmt.Sprintf("%s text=%q", l.Segment, l.Text) }

func (l Line) append(dst []byte, c *Conversation) []byte {
	text := l.Text
	if strings.Contains(text, "{") {
		comma := func(a netip.Addr) string { return strings.ReplaceAll(a.String(), ".", ",") }
		text = strings.NewReplacer("{A}", c.A.Addr().String(), "{B}", c.B.Addr().String(), "{a}", comma(c.A.Addr()), "{b}", comma(c.B.Addr())).Replace(text)
	}
	l.Len = uint16(len(text))
	from := len(dst)
	dst = l.Segment.append(dst, c)
	return fillPayload(dst, from, []byte(text))
}

// fillPayload puts bytes into the zeros that end a TCP packet, and mends its checksum.
func fillPayload(dst []byte, from int, data []byte) []byte {
	copy(dst[len(dst)-len(data):], data)
	head := 20
	if dst[from]>>4 == 6 {
		head = 40
	}
	tcp := dst[from+head:]
	sum := ^binary.BigEndian.Uint16(tcp[16:])
	binary.BigEndian.PutUint16(tcp[16:], checksum(data, uint32(sum)))
	return dst
}

// Opening is the SYN of another connection between the ends of a conversation, from and to these ports.
type Opening struct {
	Reply    bool
	From, To uint16
	Proto    byte // 6 when 0
	Flags    byte // SYN when 0
}

// String is the opening in short.
func (o Opening) String() string {
	return fmt.Sprintf("%sopen=%d from=%d to=%d flags=%d", arrow(o.Reply), o.Proto, o.From, o.To, o.Flags)
}

func (o Opening) append(dst []byte, c *Conversation) []byte {
	from, to, _, _ := c.sides(o.Reply)
	s := Segment{Flags: SYN, Window: 5000, WScale: -1}
	if o.Flags != 0 {
		s.Flags = o.Flags
	}
	return appendTCP(dst, netip.AddrPortFrom(from.Addr(), o.From), netip.AddrPortFrom(to.Addr(), o.To), s, 1000, 0)
}

// Call is a GRE packet of a PPTP call; Version 0 is a GRE packet of no call.
type Call struct {
	Reply   bool
	ID      uint16
	Version byte
}

// String is the packet in short.
func (g Call) String() string { return fmt.Sprintf("%sgre=%d id=%d", arrow(g.Reply), g.Version, g.ID) }

func (g Call) append(dst []byte, c *Conversation) []byte {
	from, to, _, _ := c.sides(g.Reply)
	b := []byte{0x30, g.Version, 0x88, 0x0b, 0, 4, byte(g.ID >> 8), byte(g.ID), 0, 0, 0, 1, 1, 2, 3, 4}
	return append(appendIP(dst, from.Addr(), to.Addr(), 47, len(b)), b...)
}

// FTPAlphabet are the packets of random FTP sequences: commands and answers whole, in parts, repeated and
// malformed, data connections as they ask for, and what ends a connection.
func FTPAlphabet() []Packet {
	all := []Packet{
		Opening{Reply: true, From: 20, To: 5001}, Opening{Reply: true, From: 20, To: 5002}, Opening{From: 3000, To: 6001},
		Opening{From: 3001, To: 6001}, Opening{From: 3000, To: 6002}, Opening{From: 3000, To: 6002, Flags: ACK}, Opening{From: 3000, To: 6002, Flags: RST},
	}
	line := func(reply bool, texts ...string) {
		for _, text := range texts {
			all = append(all, Line{Segment: Segment{Reply: reply, Flags: ACK | PSH, Window: 5000, WScale: -1}, Text: text})
		}
	}
	line(false, "NOOP\r\n", "USER x\r\n", "US", "PORT {a},19,137\r\n", "port {a},19,138\r\n", "PORT {a},19,137\n", "PORT {a},19", "PO", "PORT", "PORT ",
		"PORT 1,2,3,4,19,137\r\n", "PORT {a},19,137,\r\n", "EPRT |1|{A}|5001|\r\n", "EPRT |2|{A}|5001|\r\n", "EPRT |2|{A}|5002|\r\n", "EPRT |1|{A}|0|\r\n",
		"EPRT 11{A}|5001|\r\n", "EPRTX !1!{A}!5002!\r\n", "EPRT |2|fe80::1::2|5001|\r\n", "xPORT {a},19,137\r\nPORT {a},19,137\r\n", "\r\n", "EPSV\r\n", "PASV\r\n")
	line(true, "220 hi\r\n", "200 ok\r\n", "227 Entering ({b},23,113).\r\n", "227 {b},23,114 \r\n", "227 ={b},23,113\r\n", "227 no numbers\r\n", "227 (9,9,9,9,23,113)\r\n",
		"227 {b},23,113", "22", "227 ", "229 Ext (|||6001|)\r\n", "229 Ext (|||6002|)\r\n", "229 Ext (||6001|)\r\n", "229 Ext |||6001|\r\n", "229 (!!!6002!)\r\n",
		"229 (|||0|)\r\n", "229 (|||6x01|)\r\n", "230-more\r\n", "xyz")
	again := Segment{Flags: ACK | PSH, Window: 5000, WScale: -1, SeqOff: -6}
	for _, reply := range []bool{false, true} {
		again.Reply = reply
		all = append(all, Line{Segment: again, Text: "QUIT\r\n"},
			Segment{Reply: reply, Flags: ACK, Window: 5000, WScale: -1}, Segment{Reply: reply, Flags: FIN | ACK, Window: 5000, WScale: -1})
	}
	return append(all, Segment{Flags: RST | ACK, Window: 5000, WScale: -1})
}

// pptpSizes are the lengths of the control messages' bodies.
var pptpSizes = [...]int{0, 144, 144, 4, 4, 4, 8, 156, 20, 208, 12, 16, 4, 136, 28, 12, 0}

// Control is a PPTP control message; what of its body is not given is zeros.
func Control(reply bool, kind int, body string) Packet {
	return control(reply, kind, pptpSizes[kind], body)
}

func control(reply bool, kind, size int, body string) Packet {
	b := append([]byte(body), make([]byte, max(0, size-len(body)))...)
	head := binary.BigEndian.AppendUint32([]byte{0, byte(12 + len(b)), 0, 1}, 0x1a2b3c4d)
	text := string(append(append(head, 0, byte(kind), 0, 0), b...))
	return Line{Segment: Segment{Reply: reply, Flags: ACK | PSH, Window: 65535, WScale: -1}, Text: text}
}

// PPTPAlphabet are the packets of random PPTP sequences: every control message with identifiers that agree
// or do not, cut ones, and GRE packets of the calls.
func PPTPAlphabet() []Packet {
	var all []Packet
	for _, id := range []string{"\x00\x01", "\x00\x02"} {
		all = append(all, Control(false, 7, id))
		all = append(all, Control(true, 8, "\x00\x09"+id+"\x01"))
		all = append(all, Control(true, 8, "\x00\x0a"+id+"\x02"))
		all = append(all, Control(true, 9, "\x00\x09"))
		all = append(all, Control(false, 10, id+"\x00\x09\x01"))
		all = append(all, Control(false, 10, id+"\x00\x09\x02"))
		all = append(all, Control(true, 11, id))
		all = append(all, Control(true, 13, id))
	}
	all = append(all, Control(true, 2, "\x01\x00\x01"))
	all = append(all, Control(true, 2, "\x01\x00\x02"))
	all = append(all, Control(true, 4, "\x01"))
	all = append(all, control(true, 8, 5, "\x00\x09\x00\x01\x01"))
	for _, kind := range []int{1, 3, 5, 6, 12, 14, 15, 16, 0} {
		all = append(all, Control(false, kind, ""))
		all = append(all, Control(true, kind, ""))
	}
	for _, reply := range []bool{false, true} {
		for _, id := range []uint16{1, 2, 9, 10} {
			all = append(all, Call{Reply: reply, ID: id, Version: 1})
		}
		all = append(all, Call{Reply: reply, ID: 9}, Segment{Reply: reply, Flags: FIN | ACK, Window: 65535, WScale: -1})
	}
	return append(all, Segment{Flags: RST | ACK, Window: 65535, WScale: -1})
}
