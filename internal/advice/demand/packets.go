package demand

import (
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Timeouts are how long flows stay in the table after their last packet, for what share of it they hold.
type Timeouts struct {
	HalfOpen, Established, Closed time.Duration
	UDP, UDPStream, Other         time.Duration
}

// Packets counts the flows of captured packets. Every time is known, so idle gaps are exact. It holds some
// 150 bytes for each flow that is not closed.
type Packets struct {
	c     *Counter
	t     Timeouts
	flows map[uint64]*watched
	now   int64
}

// watched is a flow under way.
type watched struct {
	first, last, idle, handshake int64
	service                      Service
	turn                         uint8 // of who opened it
	answered, established        bool
	fin                          [2]bool
	closed                       bool
}

// NewPackets counts into c.
func NewPackets(c *Counter, t Timeouts) *Packets {
	return &Packets{c: c, t: t, flows: map[uint64]*watched{}}
}

// Packet counts one packet at its time in nanoseconds.
func (w *Packets) Packet(at int64, p *packet.Packet) {
	if p.Kind != packet.Tracked || p.Fault != packet.NoFault || p.Inner.Error {
		return
	}
	w.now = max(w.now, at)
	f := w.flows[p.Hash]
	if f != nil && w.over(f, p) {
		w.end(f, true)
		f = nil
	}
	if f == nil {
		if p.Proto() == uint8(flow.TCP) && p.TCP.Flags&packet.RST != 0 {
			return
		}
		f = w.begin(p)
		w.flows[p.Hash] = f
	}
	if f.answered && w.now-f.last > f.idle {
		f.idle = w.now - f.last
	}
	f.last = w.now
	f.note(p, w.now)
}

// over reports whether a packet begins another flow between the same ends.
func (w *Packets) over(f *watched, p *packet.Packet) bool {
	if p.Proto() == uint8(flow.TCP) {
		opens := p.TCP.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN
		return opens && (f.closed || f.established || w.now-f.last > int64(w.t.HalfOpen))
	}
	return w.now-f.last > int64(w.tail(f))
}

func (w *Packets) begin(p *packet.Packet) *watched {
	t := p.Key.Tuple(p.Turn)
	f := &watched{first: w.now, last: w.now, turn: p.Turn, service: Service{Proto: flow.Proto(t.Proto), Port: t.DPort}}
	if p.Proto() == uint8(flow.TCP) && p.TCP.Flags&packet.SYN == 0 { // from the middle: nobody knows who opened it
		f.service.Port, f.established = min(t.SPort, t.DPort), true
	}
	if p.Proto() == uint8(flow.TCP) && p.TCP.Flags&(packet.SYN|packet.ACK) == packet.SYN|packet.ACK {
		f.service.Port, f.turn = t.SPort, 1-p.Turn
	}
	return f
}

// note takes down what a packet tells of its flow.
func (f *watched) note(p *packet.Packet, at int64) {
	reply := p.Turn != f.turn
	if p.Proto() != uint8(flow.TCP) {
		f.answered = f.answered || reply
		return
	}
	flags := p.TCP.Flags
	switch {
	case flags&packet.RST != 0:
		f.closed = true
	case flags&packet.SYN == 0 && flags&packet.ACK != 0 && !reply && !f.established:
		f.established, f.handshake = true, at-f.first
	}
	f.answered = f.established
	if flags&packet.FIN != 0 {
		f.fin[p.Turn] = true
		f.closed = f.closed || f.fin[0] && f.fin[1]
	}
}

// tail is how long a flow stays after its last packet.
func (w *Packets) tail(f *watched) time.Duration {
	switch {
	case f.service.Proto == flow.TCP && f.closed:
		return w.t.Closed
	case f.service.Proto == flow.TCP && f.established:
		return w.t.Established
	case f.service.Proto == flow.TCP:
		return w.t.HalfOpen
	case f.service.Proto == flow.UDP && f.answered:
		return w.t.UDPStream
	case f.service.Proto == flow.UDP:
		return w.t.UDP
	}
	return w.t.Other
}

// end counts a flow; replaced by another between the same ends, or left when the capture ends.
func (w *Packets) end(f *watched, replaced bool) {
	tail := w.tail(f)
	s := Seen{Service: f.service, First: time.Unix(0, f.first).UTC(), Last: time.Unix(0, f.last).UTC(), Idle: time.Duration(f.idle),
		Handshake: time.Duration(f.handshake), In: time.Duration(f.last-f.first) + min(tail, time.Duration(w.now-f.last))}
	switch {
	case f.closed:
		s.Outcome = Closed
	case !f.answered:
		s.Outcome = Unanswered
	case replaced || time.Duration(w.now-f.last) >= tail:
		s.Outcome = Silent
	default:
		s.Outcome = Open
	}
	w.c.Add(s)
}

// Finish counts the flows that are left.
func (w *Packets) Finish() {
	for _, f := range w.flows {
		w.end(f, false)
	}
	w.flows = nil
}
