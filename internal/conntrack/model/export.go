package model

import (
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Flows calls f with every flow that is alive at now, in no order that means something; f must not keep
// the flow. The flow's ID is its number in Verdict.Flow.
func (m *Model) Flows(now int64, f func(*flow.Flow) bool) {
	var fl flow.Flow
	for place := range m.index.places() {
		s := m.index.at(place)
		if s == 0 {
			continue
		}
		i := uint32(s) - 1
		hd, tr := m.arena.head(i), m.arena.track(i)
		if now >= tr.deadline || uint32(hd.key.Hash(m.cfg.Seed)>>32) != uint32(s>>32) {
			continue
		}
		m.fill(&fl, i, now)
		if !f(&fl) {
			return
		}
	}
}

// Live is how many flows are alive at now.
func (m *Model) Live(now int64) int {
	n := 0
	m.Flows(now, func(*flow.Flow) bool { n++; return true })
	return n
}

func (m *Model) fill(fl *flow.Flow, i uint32, now int64) {
	hd, tr := m.arena.head(i), m.arena.track(i)
	fl.Reset()
	fl.Family = flow.IPv4
	if hd.key.Family() == 6 {
		fl.Family = flow.IPv6
	}
	fl.Present = flow.HasTimeout | flow.HasStatus | flow.HasReply
	fl.Orig, fl.Reply = export(hd.key.Tuple(hd.turn)), export(hd.key.Tuple(hd.turn^1))
	if hd.flags&hNAT != 0 {
		e := &m.extras[hd.ext-1]
		fl.Reply = export(e.reply.Tuple(e.replyTurn))
	}
	fl.Status, fl.ID = flow.Status(tr.status), uint32(hd.id)
	fl.Timeout = uint32((tr.deadline - now) / second)
	if fl.State = m.stateOf(hd, tr); fl.State != flow.NoState {
		fl.Present |= flow.HasState
	}
	if hd.flags&hKin != 0 {
		m.fillKin(fl, i)
	}
	if hd.key.Zone() != 0 {
		fl.Present |= flow.HasZone
		fl.Zone = hd.key.Zone()
	}
	if hd.flags&hAcct != 0 {
		c := m.arena.counts(i)
		fl.Present |= flow.HasCounters
		fl.OrigCount = flow.Counters{Packets: c[0].Packets, Bytes: c[0].Bytes}
		fl.ReplyCount = flow.Counters{Packets: c[1].Packets, Bytes: c[1].Bytes}
	}
	if hd.flags&hStamp != 0 {
		fl.Present |= flow.HasTimestamp
		fl.Start = time.Unix(0, hd.created)
	}
	switch fl.State.Proto() {
	case flow.SCTP:
		fl.Present |= flow.HasProtoInfo
		fl.SCTP = flow.SCTPInfo{VTagOrig: tr.side[0].end, VTagReply: tr.side[1].end}
	case flow.TCP:
		fl.Present |= flow.HasProtoInfo
		fl.TCP = flow.TCPInfo{WScaleOrig: tr.scaleOf(0), WScaleReply: tr.scaleOf(1), FlagsOrig: tr.flags[0], FlagsReply: tr.flags[1]}
	}
}

// export turns a tuple into the vocabulary's.
func export(t packet.Tuple) flow.Tuple {
	f := flow.Tuple{SrcPort: t.SPort, DstPort: t.DPort, ICMPID: t.ICMPID, ICMPType: t.ICMPType, ICMPCode: t.ICMPCode, Proto: flow.Proto(t.Proto)}
	if t.Family == 4 {
		f.Src, f.Dst = netip.AddrFrom4([4]byte(t.Src[:4])), netip.AddrFrom4([4]byte(t.Dst[:4]))
	} else {
		f.Src, f.Dst = netip.AddrFrom16(t.Src), netip.AddrFrom16(t.Dst)
	}
	return f
}
