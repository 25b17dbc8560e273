package replay

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Loaded is a flow of a table that was there before the first packet.
type Loaded struct {
	Orig, Reply packet.Tuple
	Status      flow.Status
	State       flow.State
	// Created and Deadline are times in nanoseconds: a setting does not change a timer that runs.
	Created, Deadline int64
}

// LoadedOf is a flow as a table showed it at a time. When it was made is told by some sources only: it counts as
// old, unless its timer shows that it is not.
func LoadedOf(fl *flow.Flow, at int64) Loaded {
	const second, old = int64(1e9), int64(3600e9)
	l := Loaded{Orig: tupleOf(&fl.Orig), Reply: tupleOf(&fl.Reply), Status: fl.Status | flow.Confirmed, State: fl.State, Created: at - old,
		Deadline: at + int64(fl.Timeout)*second + second/2} // whole seconds are shown, rounded down
	if !fl.Has(flow.HasReply) {
		l.Reply = packet.Tuple{Src: l.Orig.Dst, Dst: l.Orig.Src, SPort: l.Orig.DPort, DPort: l.Orig.SPort, Proto: l.Orig.Proto, Family: l.Orig.Family}
	}
	if fl.Has(flow.HasTimestamp) {
		l.Created = fl.Start.UnixNano()
	} else if fl.Status&flow.Assured == 0 {
		l.Created = at
	}
	return l
}

// HashOf is the hash that packets of a flow carry: what Options.Translated is asked with.
func HashOf(t *flow.Tuple) uint64 {
	p := tupleOf(t)
	k, _, _ := p.Canonical()
	return k.Hash(0)
}

func tupleOf(t *flow.Tuple) packet.Tuple {
	out := packet.Tuple{SPort: t.SrcPort, DPort: t.DstPort, Proto: uint8(t.Proto), Family: 4, ICMPID: t.ICMPID, ICMPType: t.ICMPType, ICMPCode: t.ICMPCode}
	if t.Src.Is6() {
		out.Family = 6
	}
	copy(out.Src[:], t.Src.AsSlice())
	copy(out.Dst[:], t.Dst.AsSlice())
	return out
}

// Load puts flows into the tables of all variants, before the first packet: also more than a variant's max, as a
// max that is lowered takes none away.
func (p *Player) Load(all ...Loaded) {
	p.play()
	for _, r := range p.runs {
		usual := r.m.Settings()
		unlimited := usual
		unlimited.Max = 0
		r.m.Change(unlimited)
		for i := range all {
			f := &all[i]
			r.m.Load(f.Orig, f.Reply, f.Status, f.State, f.Created, f.Deadline)
		}
		r.m.Change(usual)
	}
}
