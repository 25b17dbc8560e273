package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// tcp follows nf_conntrack_tcp_packet (6.18), with the profile's switches for other kernels.
func (m *Model) tcp(s *step) accept {
	s.reason.proto = uint8(flow.TCP)
	if m.fault(s) {
		return refusedPacket
	}
	seg, t := &s.p.TCP, s.tr
	if s.new && !m.tcpNew(s) {
		return refusedPacket
	}
	old := t.state
	next := tcpTable[s.dir][seg.Class][old]
	check := true // the window too
	switch next {
	case stInvalid:
		s.say(reasonInvalid, old)
		return refusedPacket
	case stSynSent, stIgnore:
		if next == stSynSent && old < stTimeWait {
			break
		}
		if next == stSynSent && m.reopens(s) {
			return again
		}
		if !m.resync(s) {
			m.rememberIgnored(s, old)
			s.say(reasonIgnored, old)
			return ignored
		}
		old, next = stSynSent, stSynRecv
	case stTimeWait:
		if m.challengeAck(s, old) {
			s.reason.code = reasonChallenge
			return ignored
		}
	case stSynSent2:
		t.lastFlags |= fSimultaneous
	case stSynRecv:
		if s.dir == 1 && seg.Class == packet.ClassAck && t.lastFlags&fSimultaneous != 0 {
			next = stEstablished
		}
	case stClose:
		if seg.Class == packet.ClassRst {
			var bad bool
			if next, check, bad = m.rst(s, old); bad {
				s.reason.code = reasonRst
				return refusedPacket
			}
		}
	}
	if check {
		if a := m.window(s, old); a != accepted {
			if a == refusedPacket {
				m.lowerAfterInvalid(s)
			}
			return a
		}
	}
	return m.tcpAccept(s, old, next)
}

func (s *step) say(c reasonCode, state uint8) {
	s.reason.code, s.reason.class, s.reason.dir, s.reason.state = c, uint8(s.p.TCP.Class), s.dir, state
}

// tcpNew opens a flow: with a SYN, or in the middle if tcp_loose allows it.
func (m *Model) tcpNew(s *step) bool {
	seg, t := &s.p.TCP, s.tr
	state := tcpTable[0][seg.Class][stNone]
	if state >= stIgnore {
		s.reason.code = reasonInvalidNew
		return false
	}
	sd := &t.side[0]
	sd.end, sd.maxwin = seg.End, max(uint32(seg.Win), 1)
	if state == stSynSent {
		sd.maxend = seg.End
		m.options(s, 0)
	} else {
		if !m.set.TCPLoose {
			return false
		}
		sd.maxend = seg.End + sd.maxwin
		t.flags = [2]uint8{fSackPerm | fBeLiberal, fSackPerm | fBeLiberal}
	}
	t.remember(packet.ClassNone, 0)
	return true
}

// reopens tells whether a SYN may start a closed connection anew.
func (m *Model) reopens(s *step) bool {
	t := s.tr
	return (t.flags[0]|t.flags[1])&fCloseInit != 0 || t.lastDir() == s.dir && t.lastClass() == packet.ClassRst
}

// resync takes a SYN-ACK that answers a SYN which was ignored before: the ends know better than we do.
func (m *Model) resync(s *step) bool {
	seg, t := &s.p.TCP, s.tr
	if seg.Class != packet.ClassSynAck || t.lastClass() != packet.ClassSyn || t.lastDir() == s.dir || seg.Ack != t.lastEnd {
		return false
	}
	other := t.lastDir()
	sd := &t.side[other]
	sd.end, sd.maxend, sd.maxwin = t.lastEnd, t.lastEnd, max(uint32(t.lastWin), 1)
	t.setScale(other, t.lastScale())
	t.lastFlags &^= fExpectChallenge
	t.flags[other] = t.lastFlags
	t.side[s.dir] = side{}
	t.setScale(s.dir, 0)
	if m.prof.KeepLiberal {
		t.flags[s.dir] &= fBeLiberal
	} else {
		t.flags[s.dir] = 0
	}
	return true
}

// rememberIgnored keeps what the answer to an ignored segment will be compared with.
func (m *Model) rememberIgnored(s *step, old uint8) {
	seg, t := &s.p.TCP, s.tr
	t.remember(seg.Class, s.dir)
	t.lastSeq, t.lastEnd, t.lastWin = seg.Seq, seg.End, seg.Win
	if seg.Class == packet.ClassSyn && s.dir == 0 {
		t.lastFlags = 0
		t.setLastScale(0)
		if seg.HasScale {
			t.lastFlags |= fWindowScale
			t.setLastScale(seg.WScale)
		}
		if seg.SackOK {
			t.lastFlags |= fSackPerm
		}
		if old == stLastAck {
			t.lastFlags |= fExpectChallenge
		}
	}
	if m.prof.Ignore && old == stSynSent && seg.Class == packet.ClassAck && s.dir == 1 {
		t.lastAck = seg.Ack
	}
}

// challengeAck: the other side answers an ignored SYN in LAST_ACK with an ACK (RFC 5961).
func (m *Model) challengeAck(s *step, old uint8) bool {
	t := s.tr
	if old != stLastAck || s.p.TCP.Class != packet.ClassAck || t.lastDir() == s.dir ||
		t.lastClass() != packet.ClassSyn || t.lastFlags&fExpectChallenge == 0 {
		return false
	}
	t.lastFlags &^= fExpectChallenge
	return true
}

// rst judges a reset: the state it leads to, whether its window is checked, and whether it is invalid.
func (m *Model) rst(s *step, old uint8) (next uint8, check, bad bool) {
	seg, t := &s.p.TCP, s.tr
	next, check = stClose, true
	if m.prof.ClosingRst && closing(old) {
		return next, false, false
	}
	sure := old == stEstablished && t.status&uint16(flow.Assured) != 0
	other := &t.side[s.dir^1]
	if t.flags[s.dir^1]&fMaxAck != 0 && (t.lastClass() != packet.ClassSyn || !m.prof.ClosingRst) {
		if m.prof.ClosingRst && seg.Seq == 0 && !sure {
			return next, true, false
		}
		if before(seg.Seq, other.maxack) && !m.set.TCPIgnoreInvalidRst {
			return next, true, true
		}
		if !sure || seg.Seq == other.maxack {
			return next, true, false
		}
		if t.lastClass() == packet.ClassAck && t.lastDir() == s.dir && seg.Seq == t.lastEnd {
			return next, true, false
		}
		next = old
	}
	return next, !m.answersIgnored(s, old), false
}

// answersIgnored: the reset answers a segment that was let through without being taken.
func (m *Model) answersIgnored(s *step, old uint8) bool {
	seg, t := &s.p.TCP, s.tr
	seen, assured := t.status&uint16(flow.SeenReply) != 0, t.status&uint16(flow.Assured) != 0
	syn := seen && t.lastClass() == packet.ClassSyn && (!m.prof.SynOtherSide || t.lastDir() != s.dir)
	ack := !assured && t.lastClass() == packet.ClassAck
	if (syn || ack) && seg.Ack == t.lastEnd {
		return true
	}
	return m.prof.Ignore && old == stSynSent && s.dir == 0 && t.lastClass() == packet.ClassAck && t.lastDir() == 1 && seg.Seq == t.lastAck
}

func closing(state uint8) bool {
	switch state {
	case stFinWait, stLastAck, stTimeWait, stClose, stCloseWait:
		return true
	}
	return false
}

// tcpAccept moves the flow on and chooses its timer.
func (m *Model) tcpAccept(s *step, old, next uint8) accept {
	seg, t := &s.p.TCP, s.tr
	t.remember(seg.Class, s.dir)
	t.state = next
	if old != next && next == stFinWait {
		t.flags[s.dir] |= fCloseInit
	}
	s.timeout = m.tcpTimeout(t, seg.Class, next)
	if t.status&uint16(flow.SeenReply) == 0 {
		switch {
		case seg.Class == packet.ClassRst:
			return killedFlow
		case m.prof.ClosingRst && seg.Class == packet.ClassSyn && old == stSynSent:
			s.timeout = keepTimer
		case next == stEstablished:
			s.timeout = min(s.timeout, m.set.TCP[toUnack])
		}
		return accepted
	}
	if (old == stSynRecv || old == stEstablished) && next == stEstablished {
		t.status |= uint16(flow.Assured)
	}
	return accepted
}

func (m *Model) tcpTimeout(t *track, class packet.Class, next uint8) int64 {
	to := &m.set.TCP
	normal := to[next]
	switch {
	case int64(t.retrans) >= m.set.TCPMaxRetrans && normal > to[toRetrans]:
		return to[toRetrans]
	case class == packet.ClassRst:
		if m.prof.InexactUnack && next != stClose {
			return to[toUnack]
		}
		return to[stClose]
	case (t.flags[0]|t.flags[1])&fUnacked != 0 && normal > to[toUnack]:
		return to[toUnack]
	case t.lastWin == 0 && normal > to[toRetrans]:
		return to[toRetrans]
	}
	return normal
}

// lowerAfterInvalid cuts the timer of a flow whose ends both sent a FIN or RST that did not fit.
func (m *Model) lowerAfterInvalid(s *step) {
	seg, t := &s.p.TCP, s.tr
	if !m.prof.Ignore || t.status&uint16(flow.Assured) == 0 || seg.Class != packet.ClassRst && seg.Class != packet.ClassFin {
		return
	}
	last := t.lastClass()
	if t.lastDir() == s.dir || last != packet.ClassFin && last != packet.ClassRst {
		t.remember(seg.Class, s.dir)
		return
	}
	left, unack := t.deadline-s.now, m.set.TCP[toUnack]
	if left >= 120*second && left > unack {
		t.deadline = s.now + unack
		m.ends(t.deadline)
		s.say(reasonLowered, uint8(last))
		s.reason.n = uint32(unack / gcTick) // printed in ticks
	}
}
