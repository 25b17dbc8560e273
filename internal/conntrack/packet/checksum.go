package packet

import "encoding/binary"

// sum adds 16-bit words into a ones' complement sum that has not been folded.
func sum(b []byte, s uint64) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		v := binary.BigEndian.Uint64(b)
		s += v>>32 + v&0xffffffff
	}
	if len(b) >= 4 {
		s += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// finish folds a sum and complements it: 0 means that the checksum is right.
func finish(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return ^uint16(s)
}

// addrs is the sum of the addresses, with which checksums of transports begin; 0 if none is verified.
func (d *Decoder) addrs(p *Packet) uint64 {
	switch {
	case !d.opt.Checksums:
		return 0
	case p.family == 4:
		return sum(p.addr[1][:4], sum(p.addr[0][:4], 0))
	}
	return sum(p.addr[1][:], sum(p.addr[0][:], 0))
}

// wrong verifies a transport's checksum over its bytes b and a pseudo-header with these addresses.
func wrong(b []byte, addrs uint64, proto uint8, n int) bool {
	return finish(sum(b, addrs+uint64(proto)+uint64(n))) != 0
}
