package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// established takes the packet that nearly every packet is: plain TCP that acknowledges inside the window, or
// UDP, of a flow that is established and assured and that nothing else concerns: no accounting, translation or helper.
// Such a packet moves the window and the timer, and leaves state, status and all figures of the table alone. It
// returns false for every other, with nothing changed but that an absent flow is noted; v is empty before. TestEstablished
// holds it against the whole way.
func (m *Model) established(now int64, p *packet.Packet, v *Verdict) bool {
	proto := p.Plain()
	if proto == 0 || now < m.now || now > m.gc.next || m.helpers != nil {
		return false
	}
	i, dir, ok := m.find(&p.Key, p.Hash, p.Turn)
	if !ok {
		m.absent = true
		return false
	}
	r := m.arena.at(i)
	const assured = uint16(flow.SeenReply | flow.Assured)
	if r.head.flags != hLive || r.status&assured != assured || now >= r.deadline {
		return false
	}
	if now >= m.soonest {
		if _, any := m.overdue(p.Hash, now, i, true); any {
			return false
		}
	}
	var timeout int64
	if proto == uint8(flow.TCP) {
		seg := &p.TCP
		if r.state != stEstablished || seg.Class != packet.ClassAck || r.side[dir&1].maxwin == 0 || !r.move(seg, dir, r.segment(seg, dir)) {
			return false
		}
		r.remember(packet.ClassAck, dir)
		timeout = m.tcpTimeout(&r.track, packet.ClassAck, stEstablished)
		v.State, v.Reason.proto = flow.TCPEstablished, uint8(flow.TCP)
	} else {
		timeout, _ = m.udpTimeout(&r.head, now)
	}
	m.now = now
	r.deadline = now + timeout
	m.ends(r.deadline)
	v.Flow, v.Timeout, v.Status, v.Result, v.Reply = r.id, timeout, flow.Status(r.status), Established, dir == 1
	return true
}
