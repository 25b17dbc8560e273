package model

import "ctkeeper/internal/conntrack/packet"

func before(a, b uint32) bool { return int32(a-b) < 0 }
func after(a, b uint32) bool  { return int32(b-a) < 0 }

// maxAckWindow is how far behind an ACK may lag.
func maxAckWindow(sd *side) uint32 { return max(66000, sd.maxwin) }

// options takes over what a SYN offers. A SYN without any options leaves what an earlier one offered.
func (m *Model) options(s *step, dir uint8) {
	seg, t := &s.p.TCP, s.tr
	if !seg.Options {
		return
	}
	t.setScale(dir, 0)
	if m.prof.KeepLiberal {
		t.flags[dir] &= fBeLiberal
	} else {
		t.flags[dir] = 0
	}
	if seg.SackOK {
		t.flags[dir] |= fSackPerm
	}
	if seg.HasScale {
		t.flags[dir] |= fWindowScale
		t.setScale(dir, seg.WScale)
	}
}

// start begins a direction's window with a SYN or SYN-ACK; scaling holds only if both ends offer it.
func (m *Model) start(s *step) {
	seg, t := &s.p.TCP, s.tr
	sd := &t.side[s.dir]
	sd.end, sd.maxend, sd.maxwin = seg.End, seg.End, max(uint32(seg.Win), 1)
	m.options(s, s.dir)
	if s.dir == 1 && t.flags[0]&t.flags[1]&fWindowScale == 0 {
		t.scale = 0
	}
}

// window follows tcp_in_window: accepted, ignored or invalid.
func (m *Model) window(s *step, old uint8) accept {
	seg, t := &s.p.TCP, s.tr
	snd, rcv := &t.side[s.dir], &t.side[s.dir^1]
	w := t.segment(seg, s.dir)
	syn, hasAck := seg.Flags&packet.SYN != 0, seg.Flags&packet.ACK != 0
	if snd.maxwin == 0 {
		if syn {
			m.start(s)
			if !hasAck {
				return accepted
			}
		} else {
			pickUp(s, snd, rcv, w)
		}
	} else if syn && after(w.end, snd.end) && m.newISN(s, t.state) {
		m.start(s)
		if s.dir == 1 && !hasAck {
			return accepted
		}
	}
	rst := seg.Flags&packet.RST != 0
	if !hasAck || rst && w.ack == 0 {
		w.ack, w.sack = rcv.end, rcv.end
	}
	if rst && w.seq == 0 && t.state == stSynSent {
		w.seq, w.end = snd.end, snd.end
	}
	if t.move(seg, s.dir, w) {
		return accepted
	}
	a, code := m.breaks(s, w)
	if a != accepted {
		s.reason.code = code
	}
	return a
}

// segment is a segment as far as windows go.
type segment struct{ seq, ack, sack, end uint32 }

func (t *track) segment(seg *packet.TCP, dir uint8) segment {
	w := segment{seq: seg.Seq, ack: seg.Ack, sack: seg.Ack, end: seg.End}
	if t.flags[dir&1^1]&fSackPerm != 0 {
		w.sack = seg.Sack
	}
	return w
}

// newISN: a SYN beyond what was sent may start the direction anew.
func (m *Model) newISN(s *step, state uint8) bool {
	if !m.prof.NewISN {
		return s.dir == 0 && state == stSynSent || s.dir == 1 && state == stSynRecv
	}
	return state == stSynSent || state == stSynRecv
}

// pickUp begins a direction in the middle of a connection.
func pickUp(s *step, snd, rcv *side, w segment) {
	snd.end = w.end
	snd.maxwin = max(uint32(s.p.TCP.Win)<<s.tr.scaleOf(s.dir), 1)
	snd.maxend = w.end + snd.maxwin
	if rcv.maxwin == 0 {
		rcv.end, rcv.maxend = w.sack, w.sack
	} else if w.sack == rcv.end+1 {
		rcv.end++
	}
}

// breaks tells which of the four bounds a segment broke; accepted means that liberal tracking lets it pass.
func (m *Model) breaks(s *step, w segment) (accept, reasonCode) {
	t := s.tr
	snd, rcv := &t.side[s.dir], &t.side[s.dir^1]
	ackOK := after(w.sack, rcv.end-maxAckWindow(snd)-1)
	inWindow := after(w.end, snd.end-rcv.maxwin-1)
	if !before(w.seq, snd.maxend+1) {
		over := w.end - snd.maxend + 1
		s.reason.n = snd.maxend + 1
		if rcv.maxwin != 0 && inWindow && ackOK && over <= rcv.maxwin && before(w.sack, rcv.end+1) {
			if m.prof.OvershootEnd {
				snd.end = w.end
				t.flags[s.dir] |= fUnacked
			}
			s.reason.n = over
			return m.lenient(s, ignored), reasonOvershoot
		}
		return m.lenient(s, refusedPacket), reasonSeqHigh
	}
	if !before(w.sack, rcv.end+1) {
		s.reason.n = rcv.end + 1
		return m.lenient(s, refusedPacket), reasonAckHigh
	}
	if rcv.maxwin != 0 && !inWindow {
		s.reason.n = snd.end - rcv.maxwin - 1
		return m.lenient(s, ignored), reasonSeqLow
	}
	s.reason.n = rcv.end - maxAckWindow(snd) - 1
	return m.lenient(s, ignored), reasonAckLow
}

// lenient is what a broken bound leads to under the settings and the flow's own leniency.
func (m *Model) lenient(s *step, a accept) accept {
	switch {
	case m.set.TCPBeLiberal || s.tr.flags[s.dir]&fBeLiberal != 0:
		return accepted
	case !m.prof.Ignore:
		return refusedPacket
	}
	return a
}

// move takes a segment that keeps all four bounds: it moves both windows on and counts retransmissions. One that breaks a
// bound gets false and changes nothing.
func (t *track) move(seg *packet.TCP, dir uint8, w segment) bool {
	snd, rcv, flags := &t.side[dir&1], &t.side[dir&1^1], &t.flags[dir&1]
	if !before(w.seq, snd.maxend+1) || !before(w.sack, rcv.end+1) || !after(w.sack, rcv.end-maxAckWindow(snd)-1) ||
		rcv.maxwin != 0 && !after(w.end, snd.end-rcv.maxwin-1) {
		return false
	}
	win := uint32(seg.Win)
	if seg.Flags&packet.SYN == 0 {
		win <<= t.scaleOf(dir & 1)
	}
	if rcv.maxwin != 0 && after(w.end, snd.maxend) {
		rcv.maxwin += w.end - snd.maxend
	}
	if after(w.sack+win, rcv.maxend-1) {
		rcv.maxend = w.sack + win
		if win == 0 {
			rcv.maxend++
		}
	}
	snd.maxwin = max(snd.maxwin, win+w.sack-w.ack)
	if after(w.end, snd.end) {
		snd.end = w.end
		*flags |= fUnacked
	}
	if seg.Flags&packet.ACK != 0 && (*flags&fMaxAck == 0 || after(w.ack, snd.maxack)) {
		snd.maxack = w.ack
		*flags |= fMaxAck
	}
	if w.ack == rcv.end {
		t.flags[dir&1^1] &^= fUnacked
	}
	if seg.Class == packet.ClassAck {
		t.repeats(seg.Win, dir, w)
	}
	return true
}

// repeats counts segments that say what the last one did.
func (t *track) repeats(win uint16, dir uint8, w segment) {
	if t.lastSeq == w.seq && t.lastEnd == w.end && t.lastAck == w.ack && t.lastWin == win && t.lastDir() == dir {
		t.retrans++
		return
	}
	t.last = t.last&^(1<<3) | dir<<3
	t.lastSeq, t.lastAck, t.lastEnd, t.lastWin, t.retrans = w.seq, w.ack, w.end, win, 0
}
