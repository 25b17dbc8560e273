package model

import (
	"fmt"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Helper is an application helper and the TCP destination port of the new flows that it is attached to,
// as a rule with nft's "ct helper set" or iptables' "CT --helper" does. No kernel from 6.0 on attaches one
// by itself, so a model has none unless it is told.
type Helper struct {
	Kind HelperKind
	Port uint16
}

// HelperKind is which helper.
type HelperKind uint8

// Helpers that the model knows.
const (
	NoHelper HelperKind = iota
	FTP
	PPTP
)

// helperKinds are the kernel's names, ports and limits: how many flows may be expected at a time.
var helperKinds = [...]struct {
	name string
	port uint16
	max  int
}{FTP: {"ftp", 21, 1}, PPTP: {"pptp", 1723, 2}}

// String is the kernel's name.
func (k HelperKind) String() string { return helperKinds[k].name }

// ParseHelper reads "ftp", or "ftp=2121" for another port than the kernel's.
func ParseHelper(s string) (Helper, error) {
	name, port, other := strings.Cut(s, "=")
	for k := FTP; int(k) < len(helperKinds); k++ {
		if helperKinds[k].name != name {
			continue
		}
		h := Helper{Kind: k, Port: helperKinds[k].port}
		if other {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 {
				return Helper{}, fmt.Errorf("helper %s: port %q is not 1 to 65535", name, port)
			}
			h.Port = uint16(n)
		}
		return h, nil
	}
	return Helper{}, fmt.Errorf("helper %q: not ftp or pptp", name)
}

// helpers is what a model with helpers keeps: which flows have one, and what they expect.
type helpers struct {
	rules  []Helper
	kin    map[uint32]*kin // by the flow's number in the arena
	byDst  map[expectDst][]*expectation
	timers []*expectation // all have the same timeout, so they are in the order of their ends
	dead   int            // of the timers
	count  int
	keymap []greKey
	packet packet.Packet // a GRE packet whose source key was learned
}

// kin is what a flow with a helper, or one that was expected, has beside its records.
type kin struct {
	kind     HelperKind
	flow     uint32
	tuples   [2]packet.Tuple
	expects  []*expectation // newest last
	ftp      ftpState
	pptp     pptpState
	children int // expected flows that hold this one in memory
	gone     bool
	master   *kin
}

func newHelpers(rules []Helper) *helpers {
	if len(rules) == 0 {
		return nil
	}
	return &helpers{rules: rules, kin: map[uint32]*kin{}, byDst: map[expectDst][]*expectation{}}
}

// prepare lets expectations time out and gives a PPTP packet the key that its call was agreed with.
func (h *helpers) prepare(m *Model, p *packet.Packet) *packet.Packet {
	m.expire()
	if len(h.keymap) == 0 || p.Kind != packet.Tracked {
		return p
	}
	return h.withKey(p, m.cfg.Seed)
}

// relative returns a flow's kin, made when there is none.
func (m *Model) relative(i uint32, hd *head) *kin {
	if k := m.helpers.kin[i]; k != nil {
		return k
	}
	k := &kin{flow: i, tuples: [2]packet.Tuple{hd.key.Tuple(hd.turn), hd.key.Tuple(hd.turn ^ 1)}}
	m.helpers.kin[i] = k
	hd.flags |= hKin
	return k
}

// attach gives a new flow the helper that the rules give to its destination port.
func (m *Model) attach(s *step) {
	if s.p.Proto() != uint8(flow.TCP) {
		return
	}
	t := s.hd.key.Tuple(s.hd.turn)
	for _, r := range m.helpers.rules {
		if t.DPort == r.Port && (r.Kind != PPTP || t.Family == 4) {
			m.relative(s.i, s.hd).kind = r.Kind
			s.tr.status |= uint16(flow.Helper)
			return
		}
	}
}

// help runs a flow's helper on a packet that belongs to it; false means that the packet is dropped.
func (m *Model) help(s *step) bool {
	k := m.helpers.kin[s.i]
	if k.kind == NoHelper || len(s.p.Payload) < 20 {
		return true
	}
	data := s.p.Payload[min(len(s.p.Payload), int(s.p.Payload[12]>>4)*4):]
	switch k.kind {
	case FTP:
		return m.helpFTP(k, s, data)
	case PPTP:
		m.helpPPTP(k, s.dir, data)
	}
	return true
}

// part ends what a flow's helper began, when the flow leaves the table or never got into it. The kernel
// counts a flow until those that it expected are gone too.
func (m *Model) part(i uint32) {
	k := m.helpers.kin[i]
	if k == nil {
		return
	}
	if k.kind == PPTP {
		m.endCalls(k)
	}
	for len(k.expects) > 0 {
		m.unexpect(k.expects[len(k.expects)-1])
	}
	delete(m.helpers.kin, i)
	if k.gone = true; k.children > 0 {
		m.count++
	}
	if k.master != nil {
		if k.master.children--; k.master.children == 0 && k.master.gone {
			m.count--
		}
	}
}

// fillKin adds a flow's helper and master to what is exported.
func (m *Model) fillKin(fl *flow.Flow, i uint32) {
	k := m.helpers.kin[i]
	if k.kind != NoHelper {
		fl.Present |= flow.HasHelper
		fl.Helper = k.kind.String()
	}
	if k.master != nil {
		fl.Present |= flow.HasMaster
		fl.Master = export(k.master.tuples[0])
	}
}
