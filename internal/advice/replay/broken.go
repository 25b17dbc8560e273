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
}

// BrokenService is what became of one service's flows that carried traffic after the table had forgotten
// them.
type BrokenService struct {
	Service
	Flows uint64
	// PickedUp flows were taken up again from the middle, which helps only where no NAT changes them; the
	// packets of the others were invalid or refused.
	PickedUp uint64
	// Evicted flows were taken by early drop or the collector of a full table; the others expired.
	Evicted uint64
}

// broken finds flows that carry traffic again after the setting had forgotten them.
type broken struct {
	lost     map[uint64]forgotten // by the key's hash
	services map[Service]*BrokenService
	overflow uint64
}

func newBroken() broken {
	return broken{lost: map[uint64]forgotten{}, services: map[Service]*BrokenService{}}
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
	b.lost[hash] = forgotten{service: serviceOf(e.Key.Tuple(e.Turn)), why: e.Why, turn: e.Turn, assured: e.Status&flow.Assured != 0}
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

// back is told of packets without a flow: new is whether one was made for it.
func (b *broken) back(p *packet.Packet, new bool) {
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
	if new {
		s.PickedUp++
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
