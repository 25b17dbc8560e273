package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// accept says what a tracker made of a packet.
type accept uint8

const (
	accepted      accept = iota + 1
	ignored              // attached to its flow, which stays as it is
	refusedPacket        // invalid
	killedFlow           // accepted, and its flow is gone
	again                // the flow was killed to be opened anew
)

const keepTimer = -1 << 63

// step is one packet on its way through.
type step struct {
	p   *packet.Packet
	hd  *head
	tr  *track
	i   uint32
	dir uint8
	new bool
	// held is whether the flow counted as held before the packet.
	held bool
	now  int64
	// timeout is the new timer; keepTimer leaves it alone, and the packet uncounted.
	timeout int64
	reason  Reason
}

// Step takes one packet at now (nanoseconds, never before the last packet's) and returns what conntrack
// makes of it. It allocates nothing but room for new flows.
func (m *Model) Step(now int64, p *packet.Packet) (v Verdict) {
	if !m.established(now, p, &v) {
		v = m.step(now, p)
	}
	return v
}

// step is the whole way, which every packet may go.
func (m *Model) step(now int64, p *packet.Packet) Verdict {
	if p.Unrouted {
		return m.unroutable(now, *p)
	}
	m.now = max(m.now, now)
	if m.gc.next < m.now {
		m.collect(m.now)
	}
	if m.helpers != nil {
		p = m.helpers.prepare(m, p)
	}
	switch p.Kind {
	case packet.Tracked:
	case packet.Queued:
		return Verdict{Result: FragQueued}
	case packet.Dropped:
		return Verdict{Result: IPDropped}
	default:
		return Verdict{Result: NotIP}
	}
	if p.Proto() == uint8(flow.ICMP) && p.Family() == 4 || p.Proto() == uint8(flow.ICMPv6) && p.Family() == 6 {
		if v, done := m.icmpErrors(p); done {
			return v
		}
	}
	switch p.Fault {
	case packet.NoTransport, packet.NoTuple, packet.NotInvertible, packet.ShortRedirect, packet.FarRedirect, packet.BareRedirect:
		m.stats.Invalid++
		return Verdict{Result: Invalid}
	case packet.Short:
		if tooShortForPorts(p) {
			m.stats.Invalid++
			return Verdict{Result: Invalid}
		}
	}
	for range 2 {
		v, repeat := m.track(p)
		if !repeat {
			return v
		}
	}
	m.stats.Drop++
	return Verdict{Result: Dropped}
}

// unroutable takes a packet that the IP layer drops behind conntrack's first hook: it may move the flow
// that it belongs to, but opens none.
func (m *Model) unroutable(now int64, p packet.Packet) Verdict {
	p.Unrouted, m.unrouted = false, true
	v := m.Step(now, &p)
	m.unrouted = false
	switch v.Result {
	case Untracked, Invalid, NewFlow, Established, Related:
		return Verdict{Result: Dropped, Seen: v.Result, Reason: v.Reason}
	}
	return v
}

func tooShortForPorts(p *packet.Packet) bool { return len(p.Payload) < 4 }

// track looks the packet's flow up, makes it if need be, and runs its tracker.
func (m *Model) track(p *packet.Packet) (v Verdict, repeat bool) {
	s := step{p: p, now: m.now}
	var i uint32
	var dir uint8
	ok := false
	if !m.absent {
		i, dir, ok = m.find(&p.Key, p.Hash, p.Turn)
	}
	m.absent = false
	if m.now >= m.soonest {
		m.reap(p.Hash, i, ok)
	}
	if ok && m.now >= m.arena.track(i).deadline {
		m.remove(i, Expired, m.arena.track(i).deadline)
		ok = false
	}
	if ok {
		s.i, s.dir = i, dir
	} else {
		if !m.room(p.Hash, p.Turn) {
			m.stats.Drop++
			m.stats.Refused++
			m.logFull()
			return Verdict{Result: Refused}, false
		}
		s.new, s.i = true, m.arena.alloc()
		*m.arena.head(s.i) = head{key: p.Key, turn: p.Turn, created: m.now}
		*m.arena.track(s.i) = track{}
		m.equip(s.i, m.arena.head(s.i))
	}
	s.hd, s.tr = m.arena.head(s.i), m.arena.track(s.i)
	if s.new && m.helpers != nil {
		m.expected(&s)
	}
	s.held = !s.new && holds(s.hd, s.tr)
	a := m.dispatch(&s)
	if !s.new {
		m.recount(s.held, s.hd, s.tr)
	}
	return m.finish(&s, a)
}

// finish does what follows the tracker's answer: confirming a new flow, timers, counters, SEEN_REPLY.
func (m *Model) finish(s *step, a accept) (v Verdict, repeat bool) {
	v.Reason, v.Reply = s.reason, s.dir == 1
	switch a {
	case again:
		m.remove(s.i, Killed, s.now)
		return v, true
	case refusedPacket:
		m.stats.Invalid++
		if s.new {
			m.discard(s)
		}
		return Verdict{Result: Invalid, Reason: s.reason}, false
	}
	v.Result = m.info(s)
	if a == accepted && s.timeout != keepTimer {
		s.tr.deadline = s.now + s.timeout
		m.ends(s.tr.deadline)
	}
	if a != ignored && s.timeout != keepTimer {
		m.account(s)
	}
	if s.new {
		if m.helpers != nil {
			m.attach(s)
		}
		if m.unrouted {
			m.discard(s)
			return v, false
		}
		if !m.confirm(s) {
			return Verdict{Result: Dropped, Seen: v.Result}, false
		}
	}
	if s.dir == 1 {
		s.tr.status |= uint16(flow.SeenReply)
	}
	v.Flow = s.hd.id
	if a == killedFlow {
		v.Gone = true
		m.remove(s.i, Killed, s.now)
		return v, false
	}
	if s.hd.flags&hKin != 0 && v.Result == Established && !m.unrouted && !m.help(s) {
		return Verdict{Result: Dropped, Seen: Established, Reason: s.reason}, false
	}
	v.State, v.Status, v.Timeout = m.stateOf(s.hd, s.tr), flow.Status(s.tr.status), s.tr.deadline-s.now
	return v, false
}

// info is the class of the packet as rules see it, judged before the packet changed the flow.
func (m *Model) info(s *step) Result {
	switch {
	case s.dir == 1, s.tr.status&uint16(flow.SeenReply) != 0:
		return Established
	case s.tr.status&uint16(flow.Expected) != 0:
		return Related
	}
	return NewFlow
}

// equip gives a new flow what the settings want it to carry.
func (m *Model) equip(i uint32, hd *head) {
	if m.set.Acct {
		hd.flags |= hAcct
		*m.arena.counts(i) = [2]Count{}
	}
	if m.set.Timestamp {
		hd.flags |= hStamp
	}
}

func (m *Model) account(s *step) {
	if s.hd.flags&hAcct == 0 {
		return
	}
	c := &m.arena.counts(s.i)[s.dir]
	c.Packets++
	c.Bytes += uint64(s.p.Len)
}

// confirm puts a new flow into the table.
func (m *Model) confirm(s *step) bool {
	if len(m.extras) > len(m.holes) { // a translated flow may hold the answer's tuple
		if _, _, clash := m.find(&s.p.Key, s.p.Hash, s.p.Turn^1); clash {
			m.stats.InsertFailed++
			m.stats.Drop++
			m.discard(s)
			return false
		}
	}
	if m.prof.ChainMax > 0 && m.chainTooLong(s.p.Hash) {
		m.stats.ChainTooLong++
		m.stats.InsertFailed++
		m.discard(s)
		return false
	}
	m.insert(s.i, s.hd, s.tr, s.p.Hash)
	return true
}

// discard gives up a new flow that does not get into the table.
func (m *Model) discard(s *step) {
	if s.hd.flags&hKin != 0 {
		m.part(s.i)
	}
	s.hd.flags = 0
	m.forget(s.hd)
	m.arena.release(s.i)
}

func (m *Model) insert(i uint32, hd *head, tr *track, hash uint64) {
	m.nextID++
	hd.id = m.nextID
	hd.flags |= hLive
	tr.status |= uint16(flow.Confirmed)
	m.index.insert(uint32(hash>>32), i)
	m.count++
	m.recount(false, hd, tr)
	m.stats.Peak = max(m.stats.Peak, m.count)
	m.stats.New++
}

func (m *Model) dispatch(s *step) accept {
	switch flow.Proto(s.p.Proto()) {
	case flow.TCP:
		return m.tcp(s)
	case flow.UDP:
		return m.udp(s)
	case flow.UDPLite:
		return m.udplite(s)
	case flow.ICMP, flow.ICMPv6:
		return m.icmp(s)
	case flow.SCTP:
		return m.sctp(s)
	case flow.GRE:
		return m.gre(s)
	case flow.DCCP:
		return m.dccp(s)
	}
	s.timeout = m.set.Generic
	return accepted
}
