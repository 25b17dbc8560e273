package workload

import (
	"encoding/binary"
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/packet"
)

// roundTrip is the time between a packet and its answer.
const roundTrip = time.Millisecond

// talk is one flow under way: its script is a list of packets with the pause before each.
type talk struct {
	class        *Class
	client, host netip.AddrPort
	back         *[2]netip.AddrPort // of the host's packets, where it is not the way turned round
	every        time.Duration      // between two exchanges
	seq          [2]uint32          // what each side sends next
	stage        stage
	left         time.Duration // until the last exchange
}

type stage uint8

const (
	opening  stage = iota // TCP: SYN
	opened                // SYN-ACK, or the refusal
	settled               // ACK
	question              // the client's data, or a lone datagram
	reply                 // the host's data
	closing               // the client's FIN or RST
	closed                // the host's FIN
	over                  // the last ACK
)

func (g *Generator) newFlow(class int) *talk {
	c := &g.w.Classes[class]
	f := &talk{class: c, left: g.lifetime(c), every: c.Every, seq: [2]uint32{uint32(g.draw()), uint32(g.draw())}}
	port := uint16(0)
	if len(c.Ports) > 0 {
		port = c.Ports[g.draw()%uint64(len(c.Ports))]
	}
	f.client = netip.AddrPortFrom(g.address(c.Sources), uint16(1024+g.draw()%64512))
	f.host = netip.AddrPortFrom(g.address(c.Destinations), port)
	if c.Protocol != TCP {
		f.stage = question
	}
	return f
}

// address draws one of a prefix.
func (g *Generator) address(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	free := p.Addr().BitLen() - p.Bits()
	for i, r := 15, g.draw(); free > 0 && i >= 8; i, r, free = i-1, r>>8, free-8 {
		mask := byte(0xff)
		if free < 8 {
			mask = 1<<free - 1
		}
		b[i] |= byte(r) & mask
	}
	a := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		return a.Unmap()
	}
	return a
}

// packet appends the packet of the stage.
func (f *talk) packet(b []byte) []byte {
	c := f.class
	switch f.stage {
	case opening:
		return f.tcp(b, 0, packet.SYN, 0)
	case opened:
		if c.Answer == Refuse {
			return f.tcp(b, 1, packet.RST|packet.ACK, 0)
		}
		return f.tcp(b, 1, packet.SYN|packet.ACK, 0)
	case settled, over:
		return f.tcp(b, 0, packet.ACK, 0)
	case question:
		return f.data(b, 0, c.Question)
	case reply:
		return f.data(b, 1, c.Reply)
	case closing:
		if c.End == RST {
			return f.tcp(b, 0, packet.RST|packet.ACK, 0)
		}
		return f.tcp(b, 0, packet.FIN|packet.ACK, 0)
	}
	return f.tcp(b, 1, packet.FIN|packet.ACK, 0)
}

// advance goes to the next stage and returns the pause before it; false when the flow sends no more.
func (f *talk) advance() (wait time.Duration, more bool) {
	c := f.class
	switch f.stage {
	case opening:
		f.stage = opened
		return roundTrip, c.Answer != No
	case opened:
		f.stage = settled
		return roundTrip, c.Answer == Yes
	case settled:
		f.stage = question
		return 0, true
	case question:
		if f.stage = reply; c.Answer == Yes {
			return roundTrip, true
		}
		return f.again()
	case reply:
		return f.again()
	case closing:
		f.stage = closed
		return roundTrip, c.End == FIN
	case closed:
		f.stage = over
		return roundTrip, true
	}
	return 0, false
}

// again goes to the next exchange, or to the end.
func (f *talk) again() (time.Duration, bool) {
	c := f.class
	if f.every > 0 && f.left >= f.every {
		f.left -= f.every
		f.stage = question
		return f.every, true
	}
	f.stage = closing
	return f.left, c.Protocol == TCP && c.Answer == Yes && c.End != Silence
}

// data appends a segment or datagram with n bytes of payload from side 0 (client) or 1.
func (f *talk) data(b []byte, side, n int) []byte {
	switch f.class.Protocol {
	case UDP:
		h := binary.BigEndian.AppendUint16(f.ports(side), uint16(8+n))
		h = append(h, 0, 1) // a checksum to mend: none would be no checksum
		return f.ip(b, side, 17, append(h, make([]byte, n)...))
	case ICMP:
		types := [2]byte{8, 0}
		proto := byte(1)
		if f.client.Addr().Is6() {
			types, proto = [2]byte{128, 129}, 58
		}
		h := binary.BigEndian.AppendUint16([]byte{types[side], 0, 0, 0}, f.client.Port())
		return f.ip(b, side, proto, append(append(h, 0, 1), make([]byte, n)...))
	}
	return f.tcp(b, side, packet.ACK|packet.PSH, n)
}

// ends are where a side's packets come from and go to.
func (f *talk) ends(side int) (from, to netip.AddrPort) {
	switch {
	case side == 0:
		return f.client, f.host
	case f.back != nil:
		return f.back[0], f.back[1]
	}
	return f.host, f.client
}

func (f *talk) ports(side int) []byte {
	from, to := f.ends(side)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(make([]byte, 0, 64), from.Port()), to.Port())
}

func (f *talk) tcp(b []byte, side int, flags byte, n int) []byte {
	h := binary.BigEndian.AppendUint32(f.ports(side), f.seq[side])
	ack := f.seq[1-side]
	if flags == packet.SYN {
		ack = 0
	}
	h = binary.BigEndian.AppendUint32(h, ack)
	h = append(h, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	f.seq[side] += uint32(n)
	if flags&(packet.SYN|packet.FIN) != 0 {
		f.seq[side]++
	}
	return f.ip(b, side, 6, append(h, make([]byte, n)...))
}

// ip puts the header before a payload and fills in the checksums.
func (f *talk) ip(b []byte, side int, proto byte, payload []byte) []byte {
	from, to := f.ends(side)
	src, dst := from.Addr(), to.Addr()
	var raw []byte
	if src.Is4() {
		raw = binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(payload)))
		raw = append(raw, 0, 0, 0, 0, 64, proto, 0, 0)
	} else {
		raw = binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(payload)))
		raw = append(raw, proto, 64)
	}
	raw = append(append(raw, src.AsSlice()...), dst.AsSlice()...)
	return packet.Repair(b, append(raw, payload...))
}
