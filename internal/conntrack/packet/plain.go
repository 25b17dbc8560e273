package packet

import (
	"encoding/binary"
	"math/bits"
)

// ipv4Plain decodes TCP and UDP in an IPv4 packet without options that is no fragment, as nearly every packet
// is. It yields what ipv4 would, and false, with p untouched, for whatever needs a closer look.
func (d *Decoder) ipv4Plain(ip []byte, p *Packet) bool {
	if len(ip) < 28 {
		return false
	}
	d.touched = ip[min(len(ip), 40)-1] // it may lie in another cache line: fetch both at once
	w0, w1, w2 := binary.LittleEndian.Uint64(ip), binary.LittleEndian.Uint64(ip[8:]), binary.LittleEndian.Uint32(ip[16:])
	const versionAndFragment = 0xff3f0000000000ff
	total, src, proto := int(bits.ReverseBytes16(uint16(w0>>16))), uint32(w1>>32), uint8(w1>>8)
	if w0&versionAndFragment != 0x45 || uint(total-28) > uint(len(ip)-28) || proto != protoTCP && proto != protoUDP ||
		!headerFits(w0, w1, w2) || routedNowhere(src, w2) {
		return false
	}
	dst := w2
	p.Kind, p.Fault, p.Turn, p.Link, p.Frag, p.BadSum, p.Unrouted, p.Cut = Tracked, NoFault, 0, 0, false, false, false, false
	p.Len, p.family, p.proto = uint32(total), 4, proto
	p.Inner.Error, p.Inner.OK = false, false
	b := ip[20:total]
	p.key4(src, dst, binary.BigEndian.Uint32(b), &d.opt)
	p.Payload = b
	addrs := uint64(bits.ReverseBytes32(src)) + uint64(bits.ReverseBytes32(dst))
	if proto == protoTCP {
		d.tcp(b, p, addrs)
	} else {
		d.udp(b, p, addrs)
	}
	if p.plain = proto; p.Fault != NoFault || p.BadSum {
		p.plain = 0
		p.addr = [2][16]byte{}
		binary.LittleEndian.PutUint32(p.addr[0][:], src)
		binary.LittleEndian.PutUint32(p.addr[1][:], dst)
	}
	return true
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

// key4 makes the key of a tuple over IPv4 with ports: what Canonical and Hash do, in registers.
func (p *Packet) key4(src, dst, ports uint32, o *Options) {
	a := uint64(bits.ReverseBytes32(src))<<16 | uint64(ports>>16)
	b := uint64(bits.ReverseBytes32(dst))<<16 | uint64(ports&0xffff)
	lo, hi, turn := a, b, uint8(0)
	if b < a {
		lo, hi, turn = b, a, 1
	}
	addrA, addrB := uint64(bits.ReverseBytes32(uint32(lo>>16))), uint64(bits.ReverseBytes32(uint32(hi>>16)))
	k := &p.Key
	binary.LittleEndian.PutUint64(k.A[:], addrA)
	binary.LittleEndian.PutUint64(k.A[8:], 0)
	binary.LittleEndian.PutUint64(k.B[:], addrB)
	binary.LittleEndian.PutUint64(k.B[8:], 0)
	k.APort, k.BPort, k.Proto, k.Family, k.Zone = uint16(lo), uint16(hi), p.proto, 4, o.Zone
	p.Turn = turn
	p.Hash = mix(addrA, addrB, lo&0xffff<<48|hi&0xffff<<32|uint64(p.proto)<<24|4<<16|uint64(o.Zone), o.Seed)
}
