package model

import (
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// fault turns what is wrong with a packet's header into the kernel's message; false when it is fine.
func (m *Model) fault(s *step) bool {
	f := s.p.Fault
	bad := s.p.BadSum && m.set.Checksum
	if f == packet.NoFault && !bad {
		return false
	}
	s.reason.proto = s.p.Proto()
	switch {
	case f == packet.Short:
		if s.p.Proto() != uint8(flow.TCP) {
			s.reason.code = reasonShort
		}
		if s.p.Proto() == uint8(flow.SCTP) {
			s.reason.code = reasonShortSCTP
		}
	case f == packet.NoCoverage:
		s.reason.code = reasonCoverage
	case f == packet.NoSum:
		s.reason.code = reasonNoSum
	case f == packet.Truncated:
		s.reason.code = reasonMalformed
		if s.p.Proto() == uint8(flow.TCP) {
			s.reason.code = reasonTruncated
		}
	case bad:
		s.reason.code = reasonChecksum
		if s.p.Proto() == uint8(flow.SCTP) {
			s.reason.code = reasonCRC
		}
	case f == packet.BadFlags:
		s.reason.code = reasonFlags
	}
	return true
}

func (m *Model) udp(s *step) accept {
	if m.fault(s) {
		return refusedPacket
	}
	if s.timeout = m.set.UDP[0]; s.tr.status&uint16(flow.SeenReply) == 0 {
		return accepted
	}
	var stream bool
	if s.timeout, stream = m.udpTimeout(s.hd, s.now); stream || !m.prof.AssuredStream {
		s.tr.status |= uint16(flow.Assured)
	}
	return accepted
}

// udpTimeout is the timer of a flow that had a reply: the stream's once it lasts.
func (m *Model) udpTimeout(hd *head, now int64) (timeout int64, stream bool) {
	if now-hd.created > 2*second {
		return m.set.UDP[1], true
	}
	return m.set.UDP[0], false
}

func (m *Model) udplite(s *step) accept {
	if m.fault(s) {
		return refusedPacket
	}
	s.timeout = m.set.UDP[0]
	if s.tr.status&uint16(flow.SeenReply) != 0 {
		s.timeout = m.set.UDP[1]
		s.tr.status |= uint16(flow.Assured)
	}
	return accepted
}

// gre keeps the timeouts that were in force when the flow was made.
func (m *Model) gre(s *step) accept {
	if s.new {
		s.tr.side[0].maxwin, s.tr.side[1].maxwin = uint32(m.set.GRE[0]/second), uint32(m.set.GRE[1]/second)
	}
	s.timeout = int64(s.tr.side[0].maxwin) * second
	if s.tr.status&uint16(flow.SeenReply) != 0 {
		s.timeout = int64(s.tr.side[1].maxwin) * second
		s.tr.status |= uint16(flow.Assured)
	}
	return accepted
}

// icmp takes queries and answers; only a query opens a flow.
func (m *Model) icmp(s *step) accept {
	if s.new && !opens(s.p) {
		return refusedPacket
	}
	s.timeout = m.set.ICMP
	if s.p.Family() == 6 {
		s.timeout = m.set.ICMPv6
	}
	return accepted
}

func opens(p *packet.Packet) bool {
	if p.Family() == 6 {
		return p.Type == 128 || p.Type == 139
	}
	return p.Type == 8 || p.Type == 13 || p.Type == 15 || p.Type == 17
}

// icmpErrors does what comes before the look-up of ICMP messages: faults, what is never tracked, and
// errors, which belong to the flow that they quote.
func (m *Model) icmpErrors(p *packet.Packet) (v Verdict, done bool) {
	r := Reason{proto: p.Proto()}
	switch {
	case p.Fault == packet.Short:
		r.code = reasonShort
	case p.BadSum && m.set.Checksum:
		r.code = reasonICMPChecksum
		if p.Family() == 6 {
			r.code = reasonICMPv6Checksum
		}
	case p.Fault == packet.BadType:
		r.code = reasonICMPType
	}
	if r.code != noReason {
		m.stats.ICMPError++
		return Verdict{Result: Invalid, Reason: r}, true
	}
	if code := redirectFault(p.Fault); code != noReason && m.prof.Redirects {
		m.stats.ICMPError++
		r.code = code
		return Verdict{Result: Invalid, Reason: r}, true
	}
	if p.Family() == 6 && neverTracked(p.Type) {
		return Verdict{Result: Untracked}, true
	}
	if !p.Inner.Error || p.Type == 137 && !m.prof.Redirects {
		return Verdict{}, false
	}
	return m.related(p), true
}

func redirectFault(f packet.Fault) reasonCode {
	switch f {
	case packet.ShortRedirect:
		return reasonShortRedirect
	case packet.FarRedirect:
		return reasonFarRedirect
	case packet.BareRedirect:
		return reasonBareRedirect
	}
	return noReason
}

// neverTracked are neighbour and multicast-listener discovery.
func neverTracked(t uint8) bool {
	return t >= 130 && t <= 136 || t == 143 || t == 151 || t == 152
}

// related finds the flow that an ICMP error quotes a packet of.
func (m *Model) related(p *packet.Packet) Verdict {
	in := &p.Inner
	if in.OK {
		i, dir, ok := m.find(&in.Key, in.Hash, in.Turn^1)
		if ok && m.now >= m.arena.track(i).deadline {
			m.remove(i, Expired, m.arena.track(i).deadline)
			ok = false
		}
		if ok {
			return m.relatedTo(p, i, dir)
		}
	}
	m.stats.ICMPError++
	return Verdict{Result: Invalid}
}

// relatedTo: the flow must be one whose packet could have come from where the error goes.
func (m *Model) relatedTo(p *packet.Packet, i uint32, dir uint8) Verdict {
	hd, tr := m.arena.head(i), m.arena.track(i)
	t := hd.key.Tuple(hd.turn ^ dir)
	if hd.flags&hNAT != 0 && dir == 1 {
		e := &m.extras[hd.ext-1]
		t = e.reply.Tuple(e.replyTurn)
	}
	if t.Dst != p.Inner.Dst {
		m.stats.ICMPError++
		return Verdict{Result: Invalid, Reason: Reason{proto: p.Proto(), code: reasonDestination, ends: &[2]netip.Addr{export(packet.Tuple{Family: t.Family, Dst: p.Inner.Dst}).Dst, export(t).Dst}}}
	}
	return Verdict{Result: Related, Reply: dir == 1, Flow: hd.id, State: m.stateOf(hd, tr), Status: flow.Status(tr.status), Timeout: tr.deadline - m.now}
}
