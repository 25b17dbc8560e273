package packet

import "encoding/binary"

const (
	protoHop     = 0
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoRouting = 43
	protoFrag    = 44
	protoGRE     = 47
	protoAH      = 51
	protoICMPv6  = 58
	protoNone    = 59
	protoDst     = 60
	protoSCTP    = 132
	protoUDPLite = 136
)

// Options are how a Decoder works; the zero value verifies no transport checksum.
type Options struct {
	// Checksums verifies TCP, UDP, UDPLite, ICMP and SCTP checksums, as nf_conntrack_checksum=1 does for
	// received packets. It costs a pass over every packet's bytes.
	Checksums bool
	// DCCP gives protocol 33 ports, as kernels before 6.15 do.
	DCCP bool
	// Seed goes into every Hash.
	Seed uint64
	// Zone is put into every key.
	Zone uint16
}

// Decoder decodes frames in the order in which they came; fragments make that order matter.
type Decoder struct {
	opt   Options
	frags fragments
	zero  [4]byte
	hops  uint8 // of the IPv6 packet being decoded
	// touched keeps what is read ahead from being optimised away.
	touched byte
}

// NewDecoder returns a decoder.
func NewDecoder(opt Options) *Decoder { return &Decoder{opt: opt} }

// Decode fills p from a frame that came at now (nanoseconds).
func (d *Decoder) Decode(now int64, link Link, frame []byte, p *Packet) {
	if link == Ethernet && len(frame) > 14 && frame[12] == etherIPv4>>8 && frame[13] == etherIPv4&0xff {
		d.IP(now, frame[14:], p)
		return
	}
	ip, tags := Network(link, frame)
	d.anyIP(now, ip, p)
	p.Link = tags
}

func (d *Decoder) anyIP(now int64, ip []byte, p *Packet) {
	p.plain = false
	p.Kind, p.Fault, p.Link, p.Frag, p.Cut, p.BadSum, p.Unrouted = NotIP, NoFault, 0, false, false, false, false
	p.Inner.Error, p.Inner.OK = false, false
	if len(ip) == 0 {
		return
	}
	p.Kind = Dropped
	switch ip[0] >> 4 {
	case 4:
		d.ipv4(now, ip, p)
	case 6:
		d.ipv6(now, ip, p)
	}
	if p.Kind == Dropped && p.Frag {
		p.Kind = Queued // and never put together
	}
}

func (d *Decoder) ipv4(now int64, ip []byte, p *Packet) {
	if len(ip) < 20 {
		p.Cut = len(ip) >= 10 && int(binary.BigEndian.Uint16(ip[2:])) > len(ip)
		p.Frag = len(ip) >= 10 && binary.BigEndian.Uint16(ip[6:])&0x3fff != 0
		return
	}
	head, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
	frag := binary.BigEndian.Uint16(ip[6:])
	p.Cut, p.Frag = total > len(ip), frag&0x3fff != 0
	if head < 20 || total < head || total > len(ip) || finish(sum(ip[:head], 0)) != 0 {
		return
	}
	ip = ip[:total]
	p.family, p.proto, p.Len = 4, ip[9], uint32(total)
	p.addr = [2][16]byte{}
	copy(p.addr[0][:4], ip[12:16])
	copy(p.addr[1][:4], ip[16:20])
	p.Unrouted = martian(ip) || !options(ip[20:head])
	body := ip[head:]
	if p.Frag {
		if body = d.frags.ipv4(now, ip, body, p); body == nil {
			p.Kind = Queued
			return
		}
	}
	p.Kind = Tracked
	d.transport(body, p)
}

func (d *Decoder) ipv6(now int64, ip []byte, p *Packet) {
	if len(ip) < 40 {
		p.Cut = len(ip) >= 6 && int(binary.BigEndian.Uint16(ip[4:]))+40 > len(ip)
		return
	}
	total := 40 + int(binary.BigEndian.Uint16(ip[4:]))
	p.Cut = total > len(ip)
	if p.Cut || refused6(ip) {
		at, _ := fragmentHeader(ip)
		p.Frag = at > 0
		return
	}
	ip = ip[:total]
	if ip[6] == protoHop && !hopByHop(ip[40:]) {
		return
	}
	p.family, p.Len, d.hops = 6, uint32(total), ip[7]
	copy(p.addr[0][:], ip[8:24])
	copy(p.addr[1][:], ip[24:40])
	if at, next := fragmentHeader(ip); at > 0 {
		p.Frag = true
		if headless(ip, at) {
			p.Kind = Tracked
			d.extended(ip[6], ip[40:], p)
			return
		}
		if binary.BigEndian.Uint16(ip[at+2:])&0xfff9 != 0 {
			body := d.frags.ipv6(now, ip, at, next, p)
			if body == nil {
				p.Kind = Queued
				return
			}
			p.Kind = Tracked
			d.extended(next, body, p)
			return
		}
		p.Len -= 8 // defrag takes the header of an only fragment away
	}
	p.Kind = Tracked
	d.extended(ip[6], ip[40:], p)
}

// extended skips extension headers, then decodes the transport.
func (d *Decoder) extended(next uint8, body []byte, p *Packet) {
	next, body, ok := skipHeaders(next, body)
	p.proto = next
	if !ok {
		p.Fault, p.Payload = NoTransport, nil
		return
	}
	d.transport(body, p)
}

// refused6 is what ip6_rcv_core drops: the loopback address from outside, a multicast source, and
// multicast scopes that stay within a host.
func refused6(ip []byte) bool {
	src, dst := ip[8:24], ip[24:40]
	if isLoopback6(src) || isLoopback6(dst) || src[0] == 0xff {
		return true
	}
	return dst[0] == 0xff && dst[1]&15 <= 1
}

func isLoopback6(a []byte) bool {
	return binary.BigEndian.Uint64(a) == 0 && binary.BigEndian.Uint64(a[8:]) == 1
}

func isExtension(next uint8) bool {
	switch next {
	case protoHop, protoRouting, protoFrag, protoAH, protoNone, protoDst:
		return true
	}
	return false
}

// skipHeaders walks IPv6 extension headers to the transport; a later fragment has none. A header needs only its first
// bytes: the kernel follows a length that leads beyond the packet's end.
func skipHeaders(next uint8, b []byte) (uint8, []byte, bool) {
	for isExtension(next) {
		if next == protoNone || len(b) < 2 || next == protoFrag && len(b) < 4 {
			return next, nil, false
		}
		n := (int(b[1]) + 1) * 8
		switch next {
		case protoFrag:
			if binary.BigEndian.Uint16(b[2:])&0xfff8 != 0 {
				return next, nil, false
			}
			n = 8
		case protoAH:
			n = (int(b[1]) + 2) * 4
		}
		next = b[0]
		b = b[min(n, len(b)):]
	}
	return next, b, true
}

// fragmentHeader finds the fragment header in front of which defrag cuts; at is 0 when there is none.
func fragmentHeader(ip []byte) (at int, next uint8) {
	next, at = ip[6], 40
	for isExtension(next) && next != protoNone {
		if len(ip) < at+8 {
			return 0, 0
		}
		if next == protoFrag {
			return at, ip[at]
		}
		n := (int(ip[at+1]) + 1) * 8
		if next == protoAH {
			n = (int(ip[at+1]) + 2) * 4
		}
		next, at = ip[at], at+n
	}
	return 0, 0
}
