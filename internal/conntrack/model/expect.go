package model

import (
	"slices"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// expectTimeout is how long the FTP and the PPTP helper wait for a flow; no setting changes it.
const expectTimeout = 300 * second

// expectation is a flow that a helper foresees.
type expectation struct {
	master   *kin
	tuple    packet.Tuple
	anyPort  bool // from any source port
	deadline int64
	dead     bool
	// call means that the first flow of either direction ends the expectation of the other.
	call bool
}

// expectDst is the part of an expected tuple that is always known.
type expectDst struct {
	addr   [16]byte
	port   uint16
	zone   uint16
	proto  uint8
	family uint8
}

func dstOf(t *packet.Tuple) expectDst {
	return expectDst{addr: t.Dst, port: t.DPort, zone: t.Zone, proto: t.Proto, family: t.Family}
}

func (e *expectation) matches(t *packet.Tuple) bool {
	return e.tuple.Src == t.Src && (e.anyPort || e.tuple.SPort == t.SPort)
}

// findExpected returns the expectation that a tuple fulfils.
func (h *helpers) findExpected(t *packet.Tuple) *expectation {
	if h.count == 0 {
		return nil
	}
	for _, e := range h.byDst[dstOf(t)] {
		if e.matches(t) {
			return e
		}
	}
	return nil
}

// expected tells a new flow that it was expected. That ends the expectation, whatever the tracker then
// makes of the packet.
func (m *Model) expected(s *step) {
	t := s.hd.key.Tuple(s.hd.turn)
	e := m.helpers.findExpected(&t)
	if e == nil {
		return
	}
	m.unexpect(e)
	s.tr.status |= uint16(flow.Expected)
	m.relative(s.i, s.hd).master = e.master
	e.master.children++
	m.stats.ExpectNew++
	if e.call {
		back := packet.Tuple{Src: t.Dst, Dst: t.Src, SPort: t.DPort, DPort: t.SPort, Proto: t.Proto, Family: t.Family, Zone: t.Zone}
		if other := m.helpers.findExpected(&back); other != nil {
			m.unexpect(other)
		}
	}
}

// expect adds an expectation; false when one of another flow is in the way, or the table is full.
func (m *Model) expect(e *expectation) bool {
	h, k := m.helpers, e.master
	d := dstOf(&e.tuple)
	for _, old := range slices.Backward(h.byDst[d]) {
		if old.master == k && old.anyPort == e.anyPort && old.tuple == e.tuple {
			m.unexpect(old)
			break
		}
		if old.tuple.Src == e.tuple.Src && (old.anyPort || e.anyPort || old.tuple.SPort == e.tuple.SPort) {
			return false
		}
	}
	if len(k.expects) >= helperKinds[k.kind].max {
		m.unexpect(k.expects[0])
	}
	if int64(h.count) >= m.set.ExpectMax {
		m.logLimited("nf_conntrack: expectation table full")
		return false
	}
	e.deadline = m.now + expectTimeout
	h.byDst[d] = append(h.byDst[d], e)
	h.timers = append(h.timers, e)
	k.expects = append(k.expects, e)
	h.count++
	m.stats.ExpectCreate++
	return true
}

// unexpect ends an expectation.
func (m *Model) unexpect(e *expectation) {
	if e.dead {
		return
	}
	h := m.helpers
	d := dstOf(&e.tuple)
	same := func(x *expectation) bool { return x == e }
	if h.byDst[d] = slices.DeleteFunc(h.byDst[d], same); len(h.byDst[d]) == 0 {
		delete(h.byDst, d)
	}
	e.master.expects = slices.DeleteFunc(e.master.expects, same)
	e.dead = true
	h.dead++
	h.count--
	m.stats.ExpectDelete++
}

// expire ends the expectations whose time is up, and forgets the timers of those that ended before.
func (m *Model) expire() {
	h := m.helpers
	n := 0
	for n < len(h.timers) && (h.timers[n].dead || h.timers[n].deadline <= m.now) {
		m.unexpect(h.timers[n])
		n++
	}
	if n > 0 {
		h.timers = slices.Delete(h.timers, 0, n)
		h.dead -= n
	}
	if h.dead > 64 && h.dead > len(h.timers)/2 {
		h.timers = slices.DeleteFunc(h.timers, func(e *expectation) bool { return e.dead })
		h.dead = 0
	}
}

// Expected is how many flows are expected now: what the kernel holds against expect_max.
func (m *Model) Expected() int {
	if m.helpers == nil {
		return 0
	}
	m.expire()
	return m.helpers.count
}
