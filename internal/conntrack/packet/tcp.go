package packet

import "encoding/binary"

func (d *Decoder) tcp(b []byte, p *Packet, addrs uint64) {
	if len(b) < 20 {
		p.Fault = Short
		return
	}
	head := int(b[12]>>4) * 4
	flags := b[13] & 0x3f
	seq, ack := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	t := &p.TCP
	t.Seq, t.Ack, t.Sack = seq, ack, ack
	t.Win, t.Flags, t.Class = binary.BigEndian.Uint16(b[14:]), flags, ClassAck
	t.WScale, t.HasScale, t.SackOK = 0, false, false
	if flags&^PSH != ACK {
		t.Class = classOf(flags)
		if !sensible(flags) {
			p.Fault = BadFlags
		}
	}
	if head < 20 || len(b) < head {
		p.Fault = Truncated
		return
	}
	t.End = seq + uint32(len(b)-head) + uint32(flags>>1&1) + uint32(flags&1)
	if d.opt.Checksums {
		p.BadSum = wrong(b, addrs, protoTCP, len(b))
	}
	if t.Options = head > 20; t.Options {
		t.options(b[20:head])
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
