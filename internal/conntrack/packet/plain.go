package packet

import (
	"encoding/binary"
	"math/bits"
)

// IP fills p from an IP packet without a link header; an empty one is NotIP. TCP and UDP in an IPv4 packet without options
// that is no fragment, as nearly every packet is, are decoded here, to what ipv4 would yield.
func (d *Decoder) IP(now int64, ip []byte, p *Packet) {
	if len(ip) < 28 {
		d.anyIP(now, ip, p)
		return
	}
	h := (*[28]byte)(ip)
	w0, w1, w2 := binary.LittleEndian.Uint64(h[:]), binary.LittleEndian.Uint64(h[8:]), binary.LittleEndian.Uint64(h[16:])
	const versionAndFragment = 0xff3f0000000000ff
	total, src, dst, proto := int(bits.ReverseBytes16(uint16(w0>>16))), uint32(w1>>32), uint32(w2), uint8(w1>>8)
	if w0&versionAndFragment != 0x45 || uint(total-28) > uint(len(ip)-28) || proto != protoTCP && proto != protoUDP ||
		!headerFits(w0, w1, dst) || routedNowhere(src, dst) {
		d.anyIP(now, ip, p)
		return
	}
	p.Kind, p.Fault, p.Turn, p.Link, p.Frag, p.BadSum, p.Unrouted, p.Cut = Tracked, NoFault, 0, 0, false, false, false, false
	p.Len, p.proto, p.family, p.plain = uint32(total), proto, 4, true
	p.Inner.Error, p.Inner.OK = false, false
	b := ip[20:total]
	p.Payload = b
	s, t, ports := uint64(bits.ReverseBytes32(src)), uint64(bits.ReverseBytes32(dst)), bits.ReverseBytes32(uint32(w2>>32))
	p.key4(s<<32|uint64(ports>>16), t<<32|uint64(ports&0xffff), uint64(proto), &d.opt)
	if proto == protoTCP {
		d.tcp(b, p, s+t)
	} else {
		d.udp(b, p, s+t)
	}
	if p.Fault != NoFault || p.BadSum {
		p.addr[0], p.addr[1] = p.Addrs()
		p.plain = false
	}
}

// headerFits checks the checksum of a header without options: the ones' complement sum of its words is all
// ones when it is a multiple of 65,535, in either order of bytes.
func headerFits(w0, w1 uint64, w2 uint32) bool {
	s, c := bits.Add64(w0, w1, 0)
	s, c = bits.Add64(s, uint64(w2), c)
	return (s+c)%0xffff == 0
}

// routedNowhere are addresses, by their bytes, that martian has to look at.
func routedNowhere(src, dst uint32) bool { return src&0xff >= 224 || src == 0 || dst == 0 }

// key4 makes the key of a tuple over IPv4 with ports: what Canonical and Hash do, in registers. The ends are address, 16
// bits of nothing and port.
func (p *Packet) key4(a, b, proto uint64, o *Options) {
	_, turn := bits.Sub64(b, a, 0)
	p.Turn = uint8(turn)
	lo, hi := min(a, b), max(a, b)
	const port = 0xffff
	rest := lo<<48 | hi&port<<32 | proto<<24 | 4<<16 | uint64(o.Zone)
	addrA, addrB := bits.ReverseBytes64(lo&^port), bits.ReverseBytes64(hi&^port)
	k := &p.Key
	binary.LittleEndian.PutUint64(k.A[:], addrA)
	binary.LittleEndian.PutUint64(k.A[8:], 0)
	binary.LittleEndian.PutUint64(k.B[:], addrB)
	binary.LittleEndian.PutUint64(k.B[8:], 0)
	k.rest = rest
	p.Hash = mix(addrA, addrB, rest, o.Seed)
}
