package packet

import "encoding/binary"

func (d *Decoder) tcp(b []byte, p *Packet, addrs uint64) {
	if len(b) < 20 {
		p.Fault = Short
		return
	}
	h := (*[20]byte)(b)
	head, flags := int(h[12]>>4)*4, h[13]&0x3f
	both := binary.BigEndian.Uint64(h[4:])
	seq, ack := uint32(both>>32), uint32(both)
	t := &p.TCP
	t.Ack, t.Seq, t.End, t.Sack = ack, seq, seq+uint32(len(b)-head), ack
	t.Win, t.Flags, t.Class, t.WScale, t.HasScale, t.SackOK, t.Options = binary.BigEndian.Uint16(h[14:]), flags, ClassAck, 0, false, false, false
	if flags&^PSH != ACK {
		t.Class = classOf(flags)
		if t.End += uint32(flags>>1&1) + uint32(flags&1); !sensible(flags) {
			p.Fault = BadFlags
		}
	}
	if d.opt.Checksums {
		p.BadSum = wrong(b, addrs, protoTCP, len(b))
	}
	if head != 20 {
		p.options(b, head)
	}
}

// classOf sorts a segment; the first match wins.
func classOf(flags uint8) Class {
	switch {
	case flags&RST != 0:
		return ClassRst
	case flags&SYN != 0 && flags&ACK != 0:
		return ClassSynAck
	case flags&SYN != 0:
		return ClassSyn
	case flags&FIN != 0:
		return ClassFin
	case flags&ACK != 0:
		return ClassAck
	}
	return ClassNone
}

// sensible are the flag sets that the tracker takes, PSH aside.
func sensible(flags uint8) bool {
	switch flags &^ PSH {
	case SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG:
		return true
	}
	return false
}

// options reads a header that is longer than the shortest, or not as long as it says.
func (p *Packet) options(b []byte, head int) {
	t := &p.TCP
	if head < 20 || len(b) < head {
		p.Fault, p.BadSum, t.End = Truncated, false, 0
		return
	}
	t.Options = true
	const timestamps = 0x0101080a // as nearly every segment has them, and nothing else
	if head == 32 && binary.BigEndian.Uint32(b[20:]) == timestamps {
		return
	}
	t.options(b[20:head])
}

// options reads window scale, SACK-permitted and SACK blocks. A malformed list ends where it breaks.
func (t *TCP) options(o []byte) {
	for len(o) > 0 && o[0] != 0 {
		if o[0] == 1 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return
		}
		n := int(o[1])
		switch {
		case o[0] == 4 && n == 2:
			t.SackOK = true
		case o[0] == 3 && n == 3:
			t.WScale, t.HasScale = min(o[2], 14), true
		case o[0] == 5 && n >= 10 && (n-2)%8 == 0:
			t.blocks(o[2:n])
		}
		o = o[n:]
	}
}

func (t *TCP) blocks(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		if right := binary.BigEndian.Uint32(b[4:]); int32(right-t.Sack) > 0 {
			t.Sack = right
		}
	}
}
