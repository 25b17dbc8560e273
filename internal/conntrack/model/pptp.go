package model

import (
	"encoding/binary"
	"slices"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Sessions and calls of a PPTP control connection, in the kernel's order: some rules compare them.
const (
	sessionNone uint8 = iota
	sessionError
	sessionStopping
	sessionRequested
	sessionConfirmed
)

const (
	callNone uint8 = iota
	callOutRequested
	callOutConfirmed
	callInRequested
	callInReplied
	callInConfirmed
	callClearing
)

// PPTP control messages.
const (
	startRequest = iota + 1
	startReply
	stopRequest
	stopReply
	_ // echo request
	_ // echo reply
	outRequest
	outReply
	inRequest
	inReply
	inConnected
	clearRequest
	disconnected
)

// pptpSizes are the bodies' lengths; a shorter message is not read.
var pptpSizes = [...]int{0, 144, 144, 4, 4, 4, 8, 156, 20, 208, 12, 16, 4, 136, 28, 12}

// pptpState is what the helper knows of a control connection's session and of its last call.
type pptpState struct {
	session, call uint8
	pns, pac      uint16 // the client's and the server's call identifiers
	mapped        bool   // the keys of the call's GRE packets are in the key map
}

// greKey is how GRE packets of a call get their source key: they carry only the receiver's.
type greKey struct {
	master *kin
	tuple  packet.Tuple
}

func (g *greKey) of(t *packet.Tuple) bool {
	return g.tuple.Src == t.Src && g.tuple.Dst == t.Dst && g.tuple.DPort == t.DPort && g.tuple.Family == t.Family
}

// withKey returns the packet, or a copy of it with the source key that its call was given; the packet that
// an ICMP error quotes likewise.
func (h *helpers) withKey(p *packet.Packet, seed uint64) *packet.Packet {
	changed := false
	if p.Proto() == uint8(flow.GRE) && p.Fault == packet.NoFault && len(p.Payload) >= 8 && p.Payload[1]&7 == 1 {
		if k, turn, ok := h.learned(&p.Key, p.Turn); ok {
			h.packet, changed = *p, true
			h.packet.Key, h.packet.Turn, h.packet.Hash = k, turn, k.Hash(seed)
		}
	}
	if in := &p.Inner; in.Error && in.OK && in.Key.Proto() == uint8(flow.GRE) && in.Key.APort()|in.Key.BPort() != 0 {
		if k, turn, ok := h.learned(&in.Key, in.Turn); ok {
			if !changed {
				h.packet, changed = *p, true
			}
			h.packet.Inner.Key, h.packet.Inner.Turn, h.packet.Inner.Hash = k, turn, k.Hash(seed)
		}
	}
	if changed {
		return &h.packet
	}
	return p
}

func (h *helpers) learned(k *packet.Key, turn uint8) (packet.Key, uint8, bool) {
	t := k.Tuple(turn)
	for i := range h.keymap {
		if h.keymap[i].of(&t) {
			t.SPort = h.keymap[i].tuple.SPort
			return t.Canonical()
		}
	}
	return packet.Key{}, 0, false
}

// helpPPTP reads a segment that holds one whole control message.
func (m *Model) helpPPTP(k *kin, dir uint8, data []byte) {
	if len(data) < 12 || binary.BigEndian.Uint16(data[2:]) != 1 || binary.BigEndian.Uint32(data[4:]) != 0x1a2b3c4d {
		return
	}
	kind, body := int(binary.BigEndian.Uint16(data[8:])), data[12:]
	if kind >= len(pptpSizes) || len(body) < pptpSizes[kind] {
		return
	}
	if dir == 0 {
		k.pptp.fromClient(kind, body)
	} else {
		m.fromServer(k, kind, body)
	}
}

func (c *pptpState) fromClient(kind int, b []byte) {
	switch kind {
	case startRequest:
		if c.session == sessionNone {
			c.session = sessionRequested
		}
	case stopRequest:
		c.session = sessionStopping
	case outRequest:
		if c.session == sessionConfirmed {
			c.call, c.pns = callOutRequested, binary.BigEndian.Uint16(b)
		}
	case inReply:
		if c.call != callInRequested && c.call != callInReplied || c.pac != binary.BigEndian.Uint16(b[2:]) {
			return
		}
		if c.call = callNone; b[4] == 1 {
			c.call, c.pns = callInReplied, binary.BigEndian.Uint16(b)
		}
	case clearRequest:
		if c.session == sessionConfirmed {
			c.call = callClearing
		}
	}
}

func (m *Model) fromServer(k *kin, kind int, b []byte) {
	c := &k.pptp
	switch kind {
	case startReply:
		if c.session >= sessionRequested {
			c.session = either(b[2] == 1, sessionConfirmed)
		}
	case stopReply:
		if c.session <= sessionStopping {
			c.session = either(b[0] == 1, sessionNone)
		}
	case outReply:
		if c.session != sessionConfirmed || c.call != callOutRequested && c.call != callOutConfirmed || c.pns != binary.BigEndian.Uint16(b[2:]) {
			return
		}
		if c.call = callNone; b[4] == 1 {
			c.call, c.pac = callOutConfirmed, binary.BigEndian.Uint16(b)
			m.expectCall(k)
		}
	case inRequest:
		if c.session == sessionConfirmed {
			c.call, c.pac = callInRequested, binary.BigEndian.Uint16(b)
		}
	case inConnected:
		if c.session == sessionConfirmed && (c.call == callInReplied || c.call == callInConfirmed) && c.pns == binary.BigEndian.Uint16(b) {
			c.call = callInConfirmed
			m.expectCall(k)
		}
	case disconnected:
		c.call = callNone
		m.endCalls(k)
	}
}

func either(ok bool, state uint8) uint8 {
	if ok {
		return state
	}
	return sessionError
}

// calls are the tuples of the last call's GRE packets, from the client and from the server.
func (k *kin) calls() (t [2]packet.Tuple) {
	t = k.tuples
	for i := range t {
		t[i].Proto = uint8(flow.GRE)
	}
	t[0].SPort, t[0].DPort = k.pptp.pns, k.pptp.pac
	t[1].SPort, t[1].DPort = k.pptp.pac, k.pptp.pns
	return t
}

// expectCall expects the call's GRE packets from either side, and learns their keys. A second call on the
// same connection is not followed.
func (m *Model) expectCall(k *kin) {
	t := k.calls()
	var e [2]*expectation
	for i := range e {
		e[i] = &expectation{master: k, tuple: t[i], call: true}
		if !m.expect(e[i]) {
			if i == 1 {
				m.unexpect(e[0])
			}
			return
		}
	}
	h := m.helpers
	if !k.pptp.mapped {
		k.pptp.mapped = true
		h.keymap = append(h.keymap, greKey{k, t[0]}, greKey{k, t[1]})
		return
	}
	own := slices.DeleteFunc(slices.Clone(h.keymap), func(g greKey) bool { return g.master != k })
	for i := range own {
		if own[i].of(&t[i]) {
			continue
		}
		if i == 1 {
			m.unmap(k)
		}
		m.unexpect(e[1])
		m.unexpect(e[0])
		return
	}
}

func (m *Model) unmap(k *kin) {
	k.pptp.mapped = false
	m.helpers.keymap = slices.DeleteFunc(m.helpers.keymap, func(g greKey) bool { return g.master == k })
}

// endCalls ends the last call: its flow if there is one, else what was expected.
func (m *Model) endCalls(k *kin) {
	m.unmap(k)
	for _, t := range k.calls() {
		key, turn, _ := t.Canonical()
		if i, _, ok := m.find(&key, key.Hash(m.cfg.Seed), turn); ok {
			if at := m.arena.track(i).deadline; at <= m.now {
				m.remove(i, Expired, at)
			} else {
				m.remove(i, Killed, m.now)
			}
		} else if e := m.helpers.findExpected(&t); e != nil {
			m.unexpect(e)
		}
	}
}
