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

// pseudo is the sum of the pseudo-header for a transport of so many bytes.
func (p *Packet) pseudo(proto uint8, n int) uint64 {
	size := 16
	if p.family == 4 {
		size = 4
	}
	return sum(p.addr[1][:size], sum(p.addr[0][:size], uint64(proto)+uint64(n)))
}
