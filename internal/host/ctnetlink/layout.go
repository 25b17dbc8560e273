package ctnetlink

import (
	"encoding/binary"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// The flows of a table are of a few kinds, and the kernel lays out all of a kind alike. A decoder learns the layout of
// a message that it walked: where each attribute's header is, and where the values are that are wanted. A message of
// the same size with the same headers in the same places is then taken in without a walk, which would give the same.
// Kinds with anything else among what is wanted than addresses, ports, numbers and TCP's state have no layout.

// layoutWords is how many 64-bit words of attributes a message with a layout has at most.
const layoutWords = 40

// layout is how the flows of one kind lie in their messages.
type layout struct {
	size   int         // of all attributes; 0: nothing was learned
	want   flow.Fields // with what was wanted then
	missed uint        // messages of other layouts that came to this place
	heads  [layoutWords]struct{ mask, value uint64 }

	// What it has, and at which byte; 0: not at all.
	present               flow.Fields
	orig, reply           tuplePlace
	status, timeout, zone int
	mark, id, use, tcp    int
	countOrig, countReply int
	synproxy              int
}

// tuplePlace is where a tuple of two addresses and two ports is.
type tuplePlace struct {
	at int
	v6 bool
}

// layouts are the learned ones, by the size of their messages.
type layouts [16]layout

func (l *layouts) of(size int) *layout { return &l[size/4%len(l)] }

// fits reports whether a message has the layout.
func (l *layout) fits(b []byte, want flow.Fields) bool {
	if len(b) != l.size || want != l.want {
		return false
	}
	heads := l.heads[:(len(b)+7)/8]
	differ := uint64(0)
	for len(b) >= 32 && len(heads) >= 4 {
		differ |= native.Uint64(b)&heads[0].mask ^ heads[0].value
		differ |= native.Uint64(b[8:])&heads[1].mask ^ heads[1].value
		differ |= native.Uint64(b[16:])&heads[2].mask ^ heads[2].value
		differ |= native.Uint64(b[24:])&heads[3].mask ^ heads[3].value
		b, heads = b[32:], heads[4:]
	}
	for len(b) >= 8 && len(heads) >= 1 {
		differ |= native.Uint64(b)&heads[0].mask ^ heads[0].value
		b, heads = b[8:], heads[1:]
	}
	if len(b) >= 4 && len(heads) >= 1 {
		differ |= uint64(native.Uint32(b))&heads[0].mask ^ heads[0].value
	}
	return differ == 0
}

// keptParts are those that fill sets whether the layout has them or not.
const keptParts = flow.HasTimeout | flow.HasState | flow.HasStatus | flow.HasMark | flow.HasUse | flow.HasID | flow.HasZone

// empty makes a flow that was decoded before ready for one that has only the parts will.
func empty(fl *flow.Flow, will flow.Fields) {
	if fl.Present&^will&^keptParts != 0 {
		fl.Reset()
	}
}

// fill takes in a message of the layout.
func (l *layout) fill(b []byte, fl *flow.Flow) {
	empty(fl, l.present)
	fl.Present = l.present
	l.orig.fill(b, &fl.Orig)
	if l.reply.at != 0 {
		l.reply.fill(b, &fl.Reply)
	}
	fl.Status, fl.Timeout = flow.Status(number(b, l.status)), number(b, l.timeout)
	fl.Mark, fl.ID, fl.Use = number(b, l.mark), number(b, l.id), number(b, l.use)
	fl.State, fl.Zone, fl.ZoneDir = flow.NoState, 0, flow.ZoneBoth
	if l.zone != 0 {
		fl.Zone = binary.BigEndian.Uint16(b[l.zone:])
	}
	if l.tcp != 0 {
		l.fillTCP(b[l.tcp:], fl)
	}
	if l.present&flow.HasCounters != 0 {
		fl.OrigCount, fl.ReplyCount = counts(b, l.countOrig), counts(b, l.countReply)
	}
	if l.synproxy != 0 {
		v := b[l.synproxy:]
		fl.SynproxyISN, fl.SynproxyITS, fl.SynproxyTSO = number(v, 4), number(v, 12), number(v, 20)
	}
}

// number is a 32-bit value; 0 where the layout has none.
func number(b []byte, at int) uint32 {
	if at == 0 {
		return 0
	}
	return binary.BigEndian.Uint32(b[at:])
}

func counts(b []byte, at int) flow.Counters {
	if at == 0 {
		return flow.Counters{}
	}
	return flow.Counters{Packets: binary.BigEndian.Uint64(b[at+4:]), Bytes: binary.BigEndian.Uint64(b[at+16:])}
}

func (p tuplePlace) fill(b []byte, to *flow.Tuple) {
	switch {
	case p.at == 0:
		*to = flow.Tuple{}
		return
	case p.v6:
		b = b[p.at:]
		to.Src, to.Dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[28:]))
		b = b[tuple6.size-portsPart:]
	default:
		b = b[p.at:]
		to.Src, to.Dst = netip.AddrFrom4([4]byte(b[8:])), netip.AddrFrom4([4]byte(b[16:]))
		b = b[tuple4.size-portsPart:]
	}
	to.Proto = flow.Proto(b[8])
	to.SrcPort, to.DstPort = binary.BigEndian.Uint16(b[16:]), binary.BigEndian.Uint16(b[24:])
	to.ICMPID, to.ICMPType, to.ICMPCode = 0, 0, 0
}

func (l *layout) fillTCP(v []byte, fl *flow.Flow) {
	if l.want&flow.HasState != 0 {
		fl.State = flow.MakeState(flow.TCP, v[8])
	}
	if l.want&flow.HasProtoInfo != 0 {
		fl.TCP = flow.TCPInfo{WScaleOrig: v[16], WScaleReply: v[24], FlagsOrig: v[32], FlagsReply: v[40]}
	}
}
