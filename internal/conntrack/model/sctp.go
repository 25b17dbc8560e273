package model

import (
	"encoding/binary"

	"ctkeeper/internal/conntrack/flow"
)

// SCTP chunk types that tracking knows.
const (
	chData = iota
	chInit
	chInitAck
	chSack
	chHeartbeat
	chHeartbeatAck
	chAbort
	chShutdown
	chShutdownAck
	chError
	chCookieEcho
	chCookieAck
	chShutdownComplete = 14
)

// scVtagFailed in lastFlags: a heartbeat's tag did not match.
const (
	scVtagFailed uint8 = 1 << iota
	scInitSeen         // in a direction's flags: it sent an INIT
)

// sctp follows nf_conntrack_sctp_packet (6.18).
func (m *Model) sctp(s *step) accept {
	if m.fault(s) {
		return refusedPacket
	}
	b := s.p.Payload
	seen, ok := m.sctpChunks(s, b)
	if !ok {
		return refusedPacket
	}
	tag := binary.BigEndian.Uint32(b[4:])
	if s.new && (seen&(1<<chAbort|1<<chShutdownComplete|1<<chCookieAck) != 0 || !m.sctpNew(s, b, tag)) {
		return refusedPacket
	}
	const ownRules = 1<<chInit | 1<<chShutdownComplete | 1<<chCookieEcho | 1<<chAbort | 1<<chShutdownAck | 1<<chHeartbeat | 1<<chHeartbeatAck
	if seen&ownRules == 0 && tag != s.tr.side[s.dir].end {
		s.reason = Reason{proto: uint8(flow.SCTP), code: reasonTag, dir: s.dir, n: tag, m: s.tr.side[s.dir].end}
		return refusedPacket
	}
	return m.sctpWalk(s, b, tag, seen)
}

// nextChunk cuts a chunk off; a length that does not fit ends the walk.
func nextChunk(b []byte) (typ, flags uint8, chunk, rest []byte, ok bool) {
	if len(b) < 4 {
		return 0, 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	chunk = b
	padded := (n + 3) &^ 3
	if n == 0 {
		return b[0], b[1], chunk, nil, true
	}
	return b[0], b[1], chunk, b[min(padded, len(b)):], true
}

// sctpChunks is the set of the packet's chunk types; INIT, INIT_ACK and SHUTDOWN_COMPLETE must stand
// alone, the cookies first, and a chunk has a length.
func (m *Model) sctpChunks(s *step, b []byte) (seen uint32, ok bool) {
	alone, count := false, 0
	for rest := b[12:]; ; count++ {
		typ, _, chunk, next, more := nextChunk(rest)
		if !more {
			break
		}
		if typ == chInit || typ == chInitAck || typ == chShutdownComplete {
			alone = true
		}
		cookie := typ == chCookieEcho || typ == chCookieAck
		if alone && count > 0 || cookie && count > 0 || binary.BigEndian.Uint16(chunk[2:]) == 0 {
			return 0, false
		}
		if typ < 32 {
			seen |= 1 << typ
		}
		rest = next
	}
	return seen, count > 0
}

// sctpNew opens an association and learns its tags.
func (m *Model) sctpNew(s *step, b []byte, tag uint32) bool {
	for rest := b[12:]; ; {
		typ, _, chunk, next, more := nextChunk(rest)
		if !more {
			return true
		}
		st := m.sctpNext(0, scNone, typ)
		if st == scNone || st == scInvalid {
			return false
		}
		switch typ {
		case chInit:
			if tag != 0 || len(chunk) < 8 {
				return false
			}
			s.tr.side[1].end = binary.BigEndian.Uint32(chunk[4:])
		case chHeartbeat:
			s.tr.side[0].end = tag
		case chShutdownAck:
			s.tr.side[1].end = tag
		}
		rest = next
	}
}

// sctpWalk applies every chunk in order.
func (m *Model) sctpWalk(s *step, b []byte, tag, seen uint32) accept {
	t := s.tr
	var old, next uint8
	stay, entered := false, false
	for rest := b[12:]; ; {
		typ, flags, chunk, more, ok := nextChunk(rest)
		if !ok {
			break
		}
		if !m.sctpTag(s, typ, flags, tag, seen, &stay) {
			return refusedPacket
		}
		old = t.state
		next = m.sctpNext(s.dir, old, typ)
		if next == scInvalid {
			s.reason = Reason{proto: uint8(flow.SCTP), code: reasonSCTPState, dir: s.dir, state: old, n: uint32(typ)}
			return refusedPacket
		}
		if typ == chInit || typ == chInitAck {
			if len(chunk) < 8 || !learnTag(t, s.dir, typ, binary.BigEndian.Uint32(chunk[4:])) {
				return refusedPacket
			}
			stay = stay || typ == chInit && old == scClosed && !s.new && !m.prof.OldSCTP
		}
		if typ == chCookieAck { // the handshake is over: a later INIT ACK answers no INIT that was seen
			t.flags[0] &^= scInitSeen
			t.flags[1] &^= scInitSeen
		}
		t.state = next
		entered = entered || next == scEstablished && old != scEstablished
		rest = more
	}
	if stay {
		return ignored
	}
	s.timeout = m.set.SCTP[next]
	if entered {
		t.status |= uint16(flow.Assured)
	}
	return accepted
}

// learnTag notes the tag that an INIT or INIT ACK announces; after an INIT of each side, or of none that it
// answers, an INIT ACK must repeat what is known.
func learnTag(t *track, dir, typ uint8, tag uint32) bool {
	theirs := &t.side[dir^1].end
	if typ == chInit {
		if t.flags[0]&t.flags[1]&scInitSeen != 0 {
			t.flags[dir^1] &^= scInitSeen
		}
		if *theirs == 0 {
			t.flags[dir] |= scInitSeen
		}
		*theirs = tag
		return true
	}
	asked, both := t.flags[dir^1]&scInitSeen != 0, t.flags[0]&t.flags[1]&scInitSeen != 0
	if *theirs != tag && (!asked && *theirs != 0 || both) {
		return false
	}
	*theirs = tag
	return true
}

// sctpTag holds the rules of the chunks that may carry another tag.
func (m *Model) sctpTag(s *step, typ, flags uint8, tag, seen uint32, stay *bool) bool {
	mine, theirs := &s.tr.side[s.dir].end, &s.tr.side[s.dir^1].end
	switch typ {
	case chInit:
		return tag == 0
	case chAbort, chShutdownComplete:
		return tag == *mine || flags&1 != 0 && tag == *theirs
	case chCookieEcho:
		return tag == *mine
	case chHeartbeat:
		if *mine == 0 {
			*mine = tag
		} else if tag != *mine {
			if seen&(1<<chData) != 0 {
				return false
			}
			s.tr.lastFlags |= scVtagFailed
			s.tr.remember(s.tr.lastClass(), s.dir)
			*stay = true
		}
	case chHeartbeatAck:
		if *mine == 0 {
			*mine = tag
		} else if tag != *mine {
			return m.sctpLearn(s, tag, seen)
		}
	}
	return true
}

// sctpLearn takes a new tag from the answer to a heartbeat whose tag did not match.
func (m *Model) sctpLearn(s *step, tag, seen uint32) bool {
	t := s.tr
	if t.lastFlags&scVtagFailed == 0 || seen&(1<<chData) != 0 || t.lastDir() == s.dir {
		return false
	}
	t.lastFlags &^= scVtagFailed
	t.side[s.dir].end = tag
	t.side[s.dir^1].end = 0
	return true
}

// sctpNext is the next state (nf_conntrack_proto_sctp.c, sctp_conntracks): what is not named keeps the
// state.
func (m *Model) sctpNext(dir, old, typ uint8) uint8 {
	next := scKeep
	if dir == 0 {
		next = m.sctpOrig(old, typ)
	} else {
		next = m.sctpReply(old, typ)
	}
	if next == scKeep {
		return old
	}
	return next
}

func (m *Model) sctpOrig(old, typ uint8) uint8 {
	fresh := old == scNone || old == scHeartbeatSent
	switch {
	case typ == chAbort:
		return scClosed
	case typ == chInit && old == scNone:
		return scClosed
	case typ == chInit && old == scHeartbeatSent:
		return scCookieWait
	case typ == chInit && !m.prof.OldSCTP && (old == scShutdownSent || old == scShutdownRecd):
		return scClosed
	case typ == chHeartbeat && old == scNone:
		return scHeartbeatSent
	case typ == chHeartbeatAck && old == scNone:
		return scClosed
	case typ == chShutdownAck && (fresh || old == scShutdownSent || old == scShutdownRecd):
		return scShutdownAckSent
	case typ == chShutdown && old == scEstablished:
		return scShutdownSent
	case typ == chCookieEcho && old == scCookieWait:
		return scCookieEchoed
	case typ == chCookieAck && old == scCookieEchoed && !m.prof.OldSCTP:
		return scEstablished
	case typ == chShutdownComplete && old == scShutdownAckSent:
		return scClosed
	case fresh && opensClosed(typ):
		return scClosed
	}
	return scKeep
}

// opensClosed are the chunks after which an unknown association is CLOSED.
func opensClosed(typ uint8) bool {
	switch typ {
	case chInitAck, chShutdown, chError, chCookieEcho, chCookieAck, chShutdownComplete:
		return true
	}
	return false
}

func (m *Model) sctpReply(old, typ uint8) uint8 {
	known := typ == chInit || typ == chInitAck || typ >= chAbort && typ <= chCookieAck || typ == chShutdownComplete
	switch {
	case known && (old == scNone || old == scHeartbeatSent), (typ == chHeartbeat || typ == chHeartbeatAck) && old == scNone:
		return scInvalid
	case typ == chHeartbeatAck && old == scHeartbeatSent:
		if m.prof.OldSCTP {
			return scHeartbeatAcked
		}
		return scEstablished
	case typ == chInitAck && old == scClosed:
		return scCookieWait
	case typ == chAbort, typ == chError && old == scCookieEchoed, typ == chShutdownComplete && old == scShutdownAckSent:
		return scClosed
	case typ == chShutdown && old == scEstablished:
		return scShutdownRecd
	case typ == chShutdownAck && (old == scShutdownSent || old == scShutdownRecd):
		return scShutdownAckSent
	case typ == chCookieEcho && old == scCookieWait && !m.prof.OldSCTP:
		return scCookieEchoed
	case typ == chCookieAck && old == scCookieEchoed:
		return scEstablished
	}
	return scKeep
}
