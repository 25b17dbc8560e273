package packet

// Batch decodes frames in their order, as Decode does one by one, into as many packets; now holds the time of each.
// It first touches the frames' headers, so that what is not in a cache is fetched at once.
func (d *Decoder) Batch(now []int64, link Link, frames [][]byte, p []Packet) {
	const headers = 54 // Ethernet, IPv4 and TCP
	var sink byte
	for _, f := range frames {
		if len(f) > 0 {
			sink ^= f[0] ^ f[min(len(f), headers)-1]
		}
	}
	d.touched = sink
	for i, f := range frames {
		d.Decode(now[i], link, f, &p[i])
	}
}
