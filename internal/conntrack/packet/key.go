package packet

import (
	"encoding/binary"
	"math/bits"
)

// Key identifies a flow regardless of direction: a tuple and its inverse have the same Key and differ in
// Turn. The two ends are ordered; for ICMP queries the one that asks is first. So one look-up finds a
// flow whichever way a packet goes, and tuples that the kernel holds apart have different keys.
type Key struct {
	// A and B are the ends' addresses; IPv4 addresses lie in the first four bytes.
	A, B [16]byte
	rest uint64 // all that is not an address, in one word: it is compared and hashed at once
}

func pack(aPort, bPort uint16, proto, family uint8, zone uint16) uint64 {
	return uint64(aPort)<<48 | uint64(bPort)<<32 | uint64(proto)<<24 | uint64(family)<<16 | uint64(zone)
}

// APort is the first end's port or GRE key; for ICMP the identifier.
func (k *Key) APort() uint16 { return uint16(k.rest >> 48) }

// BPort is the second end's port or GRE key; for ICMP the pair of types and the code.
func (k *Key) BPort() uint16 { return uint16(k.rest >> 32) }

// Proto is the transport protocol's number.
func (k *Key) Proto() uint8 { return uint8(k.rest >> 24) }

// Family is 4 or 6.
func (k *Key) Family() uint8 { return uint8(k.rest >> 16) }

// Zone is the flow's zone.
func (k *Key) Zone() uint16 { return uint16(k.rest) }

// Same tells whether two keys are equal, faster than the language's operator.
func (k *Key) Same(o *Key) bool { return k.rest == o.rest && k.A == o.A && k.B == o.B }

// Tuple is one direction of a flow before it is made canonical.
type Tuple struct {
	Src, Dst     [16]byte
	SPort, DPort uint16
	Proto        uint8
	Family       uint8
	Zone         uint16
	ICMPType     uint8
	ICMPCode     uint8
	ICMPID       uint16
}

// Canonical returns the tuple's Key and which way it goes; ok is false for an ICMP type without inverse.
func (t *Tuple) Canonical() (k Key, turn uint8, ok bool) {
	if t.Proto == protoICMP && t.Family == 4 || t.Proto == protoICMPv6 && t.Family == 6 {
		return t.canonicalICMP()
	}
	if less(&t.Dst, &t.Src) || t.Src == t.Dst && t.DPort < t.SPort {
		return Key{t.Dst, t.Src, pack(t.DPort, t.SPort, t.Proto, t.Family, t.Zone)}, 1, true
	}
	return Key{t.Src, t.Dst, pack(t.SPort, t.DPort, t.Proto, t.Family, t.Zone)}, 0, true
}

func less(a, b *[16]byte) bool {
	x, y := binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])
	if x != y {
		return x < y
	}
	return binary.BigEndian.Uint64(a[8:]) < binary.BigEndian.Uint64(b[8:])
}

func (t *Tuple) canonicalICMP() (k Key, turn uint8, ok bool) {
	ask, reply, ok := icmpPair(t.Family, t.ICMPType)
	if !ok {
		return Key{}, 0, false
	}
	k = Key{t.Src, t.Dst, pack(t.ICMPID, uint16(ask)<<8|uint16(t.ICMPCode), t.Proto, t.Family, t.Zone)}
	if reply {
		k.A, k.B, turn = k.B, k.A, 1
	}
	return k, turn, true
}

// icmpPair returns the query type of a query or of its answer.
func icmpPair(family, typ uint8) (ask uint8, reply, ok bool) {
	if family == 6 {
		switch typ {
		case 128, 139:
			return typ, false, true
		case 129, 140:
			return typ - 1, true, true
		}
		return 0, false, false
	}
	switch typ {
	case 8, 13, 15, 17:
		return typ, false, true
	case 0:
		return 8, true, true
	case 14, 16, 18:
		return typ - 1, true, true
	}
	return 0, false, false
}

// answer is the type that answers a query type.
func answer(family, ask uint8) uint8 {
	if family == 4 && ask == 8 {
		return 0
	}
	return ask + 1
}

// Tuple returns the direction of the key that turn names.
func (k *Key) Tuple(turn uint8) Tuple {
	t := Tuple{Src: k.A, Dst: k.B, SPort: k.APort(), DPort: k.BPort(), Proto: k.Proto(), Family: k.Family(), Zone: k.Zone()}
	icmp := k.Proto() == protoICMP && k.Family() == 4 || k.Proto() == protoICMPv6 && k.Family() == 6
	if turn == 1 {
		t.Src, t.Dst = k.B, k.A
		if !icmp {
			t.SPort, t.DPort = k.BPort(), k.APort()
		}
	}
	if icmp {
		t.SPort, t.DPort = 0, 0
		t.ICMPID, t.ICMPType, t.ICMPCode = k.APort(), uint8(k.BPort()>>8), uint8(k.BPort())
		if turn == 1 {
			t.ICMPType = answer(k.Family(), t.ICMPType)
		}
	}
	return t
}

const (
	mix1 = 0x9e3779b97f4a7c15
	mix2 = 0xd6e8feb86659fd93
)

// Hash mixes the key with a seed. Its upper half orders flows in the table. The last round is what keeps
// ports in sequence from falling at even distances, which would make chains shorter than chance does.
func (k *Key) Hash(seed uint64) uint64 {
	a, b := binary.LittleEndian.Uint64(k.A[:]), binary.LittleEndian.Uint64(k.B[:])
	if k.Family() != 4 {
		a = fold(a^mix2, binary.LittleEndian.Uint64(k.A[8:])^mix1)
		b = fold(b^mix1, binary.LittleEndian.Uint64(k.B[8:])^mix2)
	}
	return mix(a, b, k.rest, seed)
}

func mix(a, b, rest, seed uint64) uint64 {
	return fold(fold(fold(a^seed^mix1, b^mix2)^rest, seed^mix2), mix1)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
