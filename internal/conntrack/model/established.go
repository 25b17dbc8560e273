package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// established takes the packet that nearly every packet is: plain TCP that acknowledges inside the window, or
// UDP, of a flow that is established and assured and that nothing else concerns: no accounting, translation or helper.
// Such a packet moves the window and the timer, and leaves state, status and all figures of the table alone. It
// returns false, with nothing changed, for every other; TestEstablished holds it against the whole way.
func (m *Model) established(now int64, p *packet.Packet, v *Verdict) bool {
	proto := p.Plain()
	if proto == 0 || now < m.now || now > m.gc.next || m.helpers != nil {
		return false
	}
	i, dir, ok := m.find(&p.Key, p.Hash, p.Turn)
	if !ok {
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
	*v = Verdict{Result: Established, Reply: dir == 1, Flow: r.id, Status: flow.Status(r.status)}
	if proto == uint8(flow.TCP) {
		if r.state != stEstablished || !acknowledges(&r.track, &p.TCP, dir) {
			return false
		}
		v.Timeout = m.tcpTimeout(&r.track, packet.ClassAck, stEstablished)
		v.State, v.Reason.proto = flow.TCPEstablished, uint8(flow.TCP)
	} else {
		v.Timeout, _ = m.udpTimeout(&r.head, now)
	}
	m.now = now
	r.deadline = now + v.Timeout
	m.ends(r.deadline)
	return true
}

// acknowledges moves the window on for a segment that only acknowledges, or carries data, inside it.
func acknowledges(t *track, seg *packet.TCP, dir uint8) bool {
	w := t.segment(seg, dir)
	if seg.Class != packet.ClassAck || t.side[dir].maxwin == 0 || !t.inside(dir, &w) {
		return false
	}
	t.advance(seg, dir, &w)
	t.remember(packet.ClassAck, dir)
	return true
}
