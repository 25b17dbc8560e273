package replay

import (
	"cmp"
	"slices"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// maxForgotten bounds the flows that a run remembers having forgotten; those beyond it are counted.
const maxForgotten = 1 << 18

// forgotten is a flow that the table let go of while its ends still held it.
type forgotten struct {
	service Service
	why     model.Why
	turn    uint8
	assured bool
	nat     bool
}

// BrokenService is what became of one service's flows that carried traffic after the table had forgotten
// them.
type BrokenService struct {
	Service
	Flows uint64
	// PickedUp flows were taken up again from the middle, which helps only where no NAT changes them; the
	// packets of the others were invalid or refused. Loose of those would have been with tcp_loose.
	PickedUp, Loose uint64
	// NAT are those that are known to be translated: lost with their translation, and not among PickedUp and Loose.
	NAT uint64
	// Evicted flows were taken by early drop or the collector of a full table; the others expired.
	Evicted uint64
}

// broken finds flows that carry traffic again after the setting had forgotten them.
type broken struct {
	lost     map[uint64]forgotten // by the key's hash
	services map[Service]*BrokenService
	overflow uint64
	nat      func(hash uint64) bool
}

func newBroken(nat func(hash uint64) bool) broken {
	return broken{lost: map[uint64]forgotten{}, services: map[Service]*BrokenService{}, nat: nat}
}

// ended remembers flows whose ends do not know that they are over.
func (b *broken) ended(e model.End, hash uint64) {
	if e.Why == model.Killed || !alive(e) {
		return
	}
	if len(b.lost) >= maxForgotten {
		b.overflow++
		return
	}
	b.lost[hash] = forgotten{service: serviceOf(e.Key.Tuple(e.Turn)), why: e.Why, turn: e.Turn, assured: e.Status&flow.Assured != 0,
		nat: e.Status&(flow.SrcNAT|flow.DstNAT) != 0 || b.nat != nil && b.nat(hash)}
}

// alive flows had an answer and were not closed: TCP and SCTP by their state, others by the answer alone.
func alive(e model.End) bool {
	switch e.State.Proto() {
	case flow.TCP:
		return e.State == flow.TCPEstablished || e.State == flow.TCPFinWait || e.State == flow.TCPCloseWait
	case flow.SCTP:
		return e.State == flow.SCTPEstablished
	}
	return e.Status&flow.SeenReply != 0
}

// back is told of packets without a flow: what became of it, and whether flows are picked up from the middle.
func (b *broken) back(p *packet.Packet, what model.Result, loose bool) {
	if len(b.lost) == 0 {
		return
	}
	f, ok := b.lost[p.Hash]
	if !ok {
		return
	}
	if begins, ends := opens(p), closes(p); begins || ends {
		delete(b.lost, p.Hash) // a new connection, or an end that both sides know of now
		return
	}
	if f.service.Proto == flow.UDP && !f.assured && p.Turn == f.turn {
		delete(b.lost, p.Hash) // another question: nothing was lost between
		return
	}
	delete(b.lost, p.Hash)
	s := b.services[f.service]
	if s == nil {
		s = &BrokenService{Service: f.service}
		b.services[f.service] = s
	}
	s.Flows++
	switch {
	case f.nat:
		s.NAT++
	case what == model.NewFlow:
		s.PickedUp++
	case what == model.Invalid && !loose && f.service.Proto == flow.TCP:
		s.Loose++
	}
	if f.why != model.Expired {
		s.Evicted++
	}
}

func opens(p *packet.Packet) bool {
	return p.Proto() == uint8(flow.TCP) && p.TCP.Flags&(packet.SYN|packet.ACK) == packet.SYN
}

func closes(p *packet.Packet) bool {
	return p.Proto() == uint8(flow.TCP) && p.TCP.Flags&(packet.RST|packet.FIN) != 0
}

// byService are the broken flows, the most first.
func (b *broken) byService() []BrokenService {
	out := make([]BrokenService, 0, len(b.services))
	for _, s := range b.services {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(x, y BrokenService) int {
		return cmp.Or(cmp.Compare(y.Flows, x.Flows), cmp.Compare(x.Proto, y.Proto), cmp.Compare(x.Port, y.Port))
	})
	return out
}
