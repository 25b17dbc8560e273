package packet

import "hash/crc32"

// sctpSum is the checksum of an SCTP packet of at least 12 bytes, its own field taken as zero. The four
// zero bytes come from the caller, so that they need not be allocated.
func sctpSum(b, zero []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, t, b[:8])
	c = crc32.Update(c, t, zero)
	return crc32.Update(c, t, b[12:])
}
