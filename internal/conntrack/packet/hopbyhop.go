package packet

// Hop-by-hop options that the IP layer knows.
const (
	optionPad1        = 0
	optionPadN        = 1
	optionHopAlert    = 5
	optionJumbo       = 0xc2
	optionCalipso     = 7
	optionIOAM        = 0x31
	maxHopOptions     = 8 // net.ipv6.max_hbh_opts_number
	maxHopPadding     = 7 // bytes in a row
	optionUnknownDrop = 0xc0
)

// hopByHop walks the hop-by-hop options as the IP layer does before conntrack (ip6_parse_tlv; 6.18): too much
// padding, padding that is not zeros, too many options, and an unknown one whose upper bits ask for it drop the packet.
func hopByHop(b []byte) bool {
	if len(b) < 8 || len(b) < (int(b[1])+1)*8 {
		return false
	}
	padding, count := 0, 0
	for o := b[2 : (int(b[1])+1)*8]; len(o) > 0; {
		if o[0] == optionPad1 {
			if padding++; padding > maxHopPadding {
				return false
			}
			o = o[1:]
			continue
		}
		if len(o) < 2 || len(o) < 2+int(o[1]) {
			return false
		}
		one := o[:2+int(o[1])]
		if o = o[len(one):]; one[0] == optionPadN {
			if padding += len(one); padding > maxHopPadding || !zeros(one[2:]) {
				return false
			}
			continue
		}
		padding = 0
		if count++; count > maxHopOptions || !hopOptionFits(one) {
			return false
		}
	}
	return true
}

// hopOptionFits checks one option. Packets of a jumbo's length never come this way, so that its option is always wrong.
func hopOptionFits(o []byte) bool {
	switch o[0] {
	case optionHopAlert:
		return o[1] == 2
	case optionJumbo:
		return false
	case optionCalipso, optionIOAM:
		return true
	}
	return o[0]&optionUnknownDrop == 0
}

func zeros(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
