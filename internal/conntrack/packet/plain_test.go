package packet

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
)

// samePlain decodes an IP packet by the short way and by the long way; they must agree in every field.
func samePlain(t *testing.T, opt Options, ip []byte) (plain bool) {
	t.Helper()
	var short, long Packet
	NewDecoder(opt).IP(7, ip, &short)
	NewDecoder(opt).anyIP(7, ip, &long)
	if len(ip) > 0 {
		var framed Packet
		NewDecoder(opt).Decode(7, Ethernet, append(append(make([]byte, 12), 8, 0), ip...), &framed)
		if !reflect.DeepEqual(framed, short) {
			t.Fatalf("%x in a frame: %+v, alone %+v", ip, framed, short)
		}
	}
	plain = short.Plain() != 0
	short.addr[0], short.addr[1] = short.Addrs()
	short.plain = false
	if !reflect.DeepEqual(short, long) {
		t.Fatalf("%+v: %x\nshort way: %+v\n long way: %+v", opt, ip, short, long)
	}
	return plain
}

// TestPlain spoils good packets byte by byte, and cuts them everywhere.
func TestPlain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	met := 0
	for range 20000 {
		ip := randomPacket(r)
		opt := Options{Checksums: r.IntN(2) == 0, Seed: r.Uint64(), Zone: uint16(r.IntN(2) * 7)}
		if samePlain(t, opt, ip) {
			met++
		}
		for range 3 {
			b := bytes.Clone(ip[:r.IntN(len(ip)+1)])
			if r.IntN(4) > 0 {
				b = bytes.Clone(ip)
			}
			if len(b) > 0 {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			if r.IntN(2) == 0 && len(b) >= 20 {
				putHeaderSum(b)
			}
			samePlain(t, opt, b)
		}
	}
	if met < 2000 {
		t.Errorf("only %d packets went the short way", met)
	}
}

// putHeaderSum makes the checksum of a header of 20 bytes right.
func putHeaderSum(b []byte) {
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], finish(sum(b[:20], 0)))
}

// randomPacket is TCP, UDP or a neighbour of theirs between a few addresses, special ones among them.
func randomPacket(r *rand.Rand) []byte {
	addrs := [...]uint32{0x0a000001, 0x0a000002, 0xc0a80101, 0, 0xffffffff, 0xe0000001, 0xf0000001, 0x7f000001, 0x01000000}
	pick := func() uint32 { return addrs[min(r.IntN(20), r.IntN(len(addrs)))] }
	proto := [...]byte{protoTCP, protoTCP, protoUDP, protoUDP, protoUDPLite, protoICMP}[r.IntN(6)]
	b := make([]byte, 20+r.IntN(60))
	if r.IntN(4) > 0 && len(b) < 52 {
		b = b[:20:20]
		b = append(b, make([]byte, 32+r.IntN(20))...)
	}
	for i := range b[20:] {
		b[20+i] = byte(r.Uint32())
	}
	b[0], b[8], b[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint32(b[12:], pick())
	binary.BigEndian.PutUint32(b[16:], pick())
	body := b[20:]
	if len(body) >= 4 {
		binary.BigEndian.PutUint32(body, [...]uint32{80<<16 | 80, 1000<<16 | 80, 80<<16 | 1000, 0}[r.IntN(4)])
	}
	if proto == protoTCP && len(body) >= 20 && r.IntN(8) > 0 {
		body[12], body[13] = byte(5+r.IntN(4))<<4, [...]byte{ACK, ACK | PSH, SYN, SYN | ACK, FIN | ACK, RST, ACK | URG, 0x3f}[r.IntN(8)]
	}
	if proto == protoUDP && len(body) >= 8 && r.IntN(8) > 0 {
		binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
	}
	if r.IntN(10) == 0 {
		b[6] = byte(r.Uint32()) & 0x7f // fragments, and DF
	}
	if putHeaderSum(b); r.IntN(2) == 0 {
		b = Repair(nil, b)
	}
	return b
}
