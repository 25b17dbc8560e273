package packet

import "encoding/binary"

// transport decodes what lies behind the IP headers.
func (d *Decoder) transport(b []byte, p *Packet) {
	p.Payload = b
	addrs := d.addrs(p)
	t := Tuple{Src: p.addr[0], Dst: p.addr[1], Proto: p.proto, Family: p.family, Zone: d.opt.Zone}
	switch p.proto {
	case protoTCP:
		d.tcp(b, p, addrs)
	case protoUDP:
		d.udp(b, p, addrs)
	case protoUDPLite:
		d.udplite(b, p, addrs)
	case protoSCTP:
		d.sctp(b, p)
	case protoDCCP:
		if d.opt.DCCP {
			d.dccp(b, p, addrs)
		}
	case protoICMP, protoICMPv6:
		if !d.icmp(b, p, addrs) {
			return
		}
	}
	if !ports(&t, b, d.opt.DCCP) {
		p.Fault = NoTuple
		return
	}
	var ok bool
	if p.Key, p.Turn, ok = t.Canonical(); !ok {
		p.Fault = NotInvertible
		return
	}
	p.Hash = p.Key.Hash(d.opt.Seed)
}

// ports fills in the parts of a tuple that lie in the transport header.
func ports(t *Tuple, b []byte, dccp bool) bool {
	switch t.Proto {
	case protoDCCP:
		if !dccp {
			return true
		}
		fallthrough
	case protoTCP, protoUDP, protoUDPLite, protoSCTP:
		if len(b) < 4 {
			return false
		}
		t.SPort, t.DPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	case protoICMP, protoICMPv6:
		if len(b) < 8 || (t.Proto == protoICMP) != (t.Family == 4) {
			return false
		}
		t.ICMPType, t.ICMPCode, t.ICMPID = b[0], b[1], binary.BigEndian.Uint16(b[4:])
	case protoGRE:
		return gre(t, b)
	}
	return true
}

// gre gives PPTP's GRE its call identifier; any other version is one flow between two hosts, and so is
// what is too short for an identifier.
func gre(t *Tuple, b []byte) bool {
	if len(b) < 8 || b[1]&7 != 1 {
		return true
	}
	if binary.BigEndian.Uint16(b[2:]) != 0x880b {
		return false
	}
	t.DPort = binary.BigEndian.Uint16(b[6:])
	return true
}

func (d *Decoder) udp(b []byte, p *Packet, addrs uint64) {
	if len(b) < 8 {
		p.Fault = Short
		return
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case n < 8 || n > len(b):
		p.Fault = Truncated
	case b[6]|b[7] != 0:
		p.BadSum = d.opt.Checksums && wrong(b[:n], addrs, protoUDP, n)
	}
}

// udplite is verified with UDP's pseudo-header, so that correct packets fail; kernel-model.md §A.4.
func (d *Decoder) udplite(b []byte, p *Packet, addrs uint64) {
	if len(b) < 8 {
		p.Fault = Short
		return
	}
	cover := int(binary.BigEndian.Uint16(b[4:]))
	if cover == 0 {
		cover = len(b)
	}
	switch {
	case cover < 8 || cover > len(b):
		p.Fault = NoCoverage
	case b[6]|b[7] == 0:
		p.Fault = NoSum
	default:
		p.BadSum = d.opt.Checksums && wrong(b[:cover], addrs, protoUDP, len(b))
	}
}

// dccp verifies a header and the part of the packet that its checksum covers.
func (d *Decoder) dccp(b []byte, p *Packet, addrs uint64) {
	if len(b) < 12 {
		p.Fault = Short
		return
	}
	cover := len(b)
	if b[5]&15 != 0 {
		cover = (int(b[5]&15) - 1) * 4
	}
	if head := int(b[4]) * 4; head < 12 || head > len(b) || cover > len(b) {
		p.Fault = Truncated
		return
	}
	p.BadSum = d.opt.Checksums && wrong(b[:cover], addrs, protoDCCP, len(b))
}

func (d *Decoder) sctp(b []byte, p *Packet) {
	if len(b) < 12 {
		p.Fault = Short
		return
	}
	p.BadSum = d.opt.Checksums && binary.LittleEndian.Uint32(b[8:]) != sctpSum(b, d.zero[:])
}

// icmp checks an ICMP or ICMPv6 message and reads what an error quotes; false means that the tracker
// goes no further.
func (d *Decoder) icmp(b []byte, p *Packet, addrs uint64) bool {
	v4 := p.family == 4
	if v4 != (p.proto == protoICMP) {
		p.Fault = NoTuple
		return false
	}
	if len(b) < 8 {
		p.Fault = Short
		return false
	}
	p.Type = b[0]
	if v4 {
		p.BadSum = d.opt.Checksums && wrong(b, 0, 0, 0)
	} else {
		p.BadSum = d.opt.Checksums && wrong(b, addrs, protoICMPv6, len(b))
	}
	if v4 && p.Type > 18 {
		p.Fault = BadType
		return false
	}
	if !v4 && p.Type == 137 {
		return d.redirect(b, p)
	}
	if quoted := quotes(b, v4); quoted != nil {
		p.Inner.Error = true
		d.inner(quoted, v4, p)
		return false
	}
	return true
}

// quotes returns the packet that an ICMP error carries; nil for other messages. An empty slice that is
// not nil is an error without one.
func quotes(b []byte, v4 bool) []byte {
	t := b[0]
	if v4 {
		if t == 3 || t == 4 || t == 5 || t == 11 || t == 12 {
			return b[8:len(b):len(b)]
		}
		return nil
	}
	if t < 128 {
		return b[8:len(b):len(b)]
	}
	return nil
}

// redirect reads an ICMPv6 redirect. It is looked up by the packet that it quotes if that is its first
// option; a redirect that is none of a neighbour's is invalid.
func (d *Decoder) redirect(b []byte, p *Packet) bool {
	linkLocal := p.addr[0][0] == 0xfe && p.addr[0][1]&0xc0 == 0x80
	switch {
	case len(b) < 40:
		p.Fault = ShortRedirect
	case b[1] != 0:
		p.Fault = NotInvertible
	case d.hops != 255 || !linkLocal:
		p.Fault = FarRedirect
	case len(b) < 42 || b[41] == 0:
		p.Fault = BareRedirect
	case b[40] != 4:
		p.Fault = NotInvertible
	default:
		p.Fault, p.Inner.Error = NotInvertible, true
		d.inner(b[min(48, len(b)):], false, p)
	}
	return false
}

// inner reads the quoted headers. What is looked up is the flow whose packet was refused, so the
// direction of the match is the quoted packet's opposite.
func (d *Decoder) inner(q []byte, v4 bool, p *Packet) {
	in := &p.Inner
	in.Dst = p.addr[1]
	t := Tuple{Zone: d.opt.Zone}
	var body []byte
	if v4 {
		if len(q) < 20 || binary.BigEndian.Uint16(q[6:])&0x1fff != 0 || len(q) < int(q[0]&15)*4 {
			return
		}
		t.Family, t.Proto = 4, q[9]
		copy(t.Src[:4], q[12:16])
		copy(t.Dst[:4], q[16:20])
		body = q[int(q[0]&15)*4:]
	} else {
		if len(q) < 40 {
			return
		}
		t.Family = 6
		copy(t.Src[:], q[8:24])
		copy(t.Dst[:], q[24:40])
		var ok bool
		if t.Proto, body, ok = skipHeaders(q[6], q[40:]); !ok {
			return
		}
	}
	if !ports(&t, body, d.opt.DCCP) {
		return
	}
	var ok bool
	if in.Key, in.Turn, ok = t.Canonical(); ok {
		in.OK, in.Hash = true, in.Key.Hash(d.opt.Seed)
	}
}
