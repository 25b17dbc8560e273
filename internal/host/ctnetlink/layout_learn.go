package ctnetlink

import "ctkeeper/internal/conntrack/flow"

// shape is what a nest looks like in which every flow of a kind has the same: its size and the headers in it.
type shape struct {
	size  int
	heads []head
}

// head is an attribute's header in a shape: where it is, the length of its value, its type.
type head struct {
	at, value int
	typ       uint16
}

// portsPart is the size of a tuple's part with the protocol and two ports, its last one.
const portsPart = 28

// The shapes that a layout knows.
var (
	tuple4 = shape{48, []head{
		{0, 16, tupleIP | nested}, {4, 4, ipV4Src}, {12, 4, ipV4Dst},
		{20, 24, tupleProto | nested}, {24, 1, protoNum}, {32, 2, protoSrcPort}, {40, 2, protoDstPort},
	}}
	tuple6 = shape{72, []head{
		{0, 40, tupleIP | nested}, {4, 16, ipV6Src}, {24, 16, ipV6Dst},
		{44, 24, tupleProto | nested}, {48, 1, protoNum}, {56, 2, protoSrcPort}, {64, 2, protoDstPort},
	}}
	tcpShape = shape{44, []head{
		{0, 40, infoTCP | nested}, {4, 1, infoState}, {12, 1, tcpWScaleOrig}, {20, 1, tcpWScaleReply},
		{28, 2, tcpFlagsOrig}, {36, 2, tcpFlagsReply},
	}}
	countsShape   = shape{24, []head{{0, 8, 1}, {12, 8, 2}}}
	synproxyShape = shape{24, []head{{0, 4, 1}, {8, 4, 2}, {16, 4, 3}}}
)

// has reports whether a nest looks so.
func (s *shape) has(v []byte) bool {
	if len(v) != s.size {
		return false
	}
	for _, h := range s.heads {
		if int(native.Uint16(v[h.at:])) != attrLen+h.value || native.Uint16(v[h.at+2:]) != h.typ {
			return false
		}
	}
	return true
}

// learner makes a layout from one message.
type learner struct {
	*layout
	message []byte
	headers [8 * layoutWords]byte // all ones where a header is
}

// learnEvery is how many messages without a layout come between two that are learned: learning takes longer than the
// walk, and kinds that have no layout, or share a place, would do it each time.
const learnEvery = 32

// miss takes note of a message that was walked.
func (l *layout) miss(b []byte, want flow.Fields) {
	if l.missed%learnEvery == 0 {
		l.learn(b, want)
	}
	l.missed++
}

// learn makes the layout that of a message that was walked without an error, or of none when it has parts that a
// layout does not know.
func (l *layout) learn(b []byte, want flow.Fields) {
	*l = layout{want: want, missed: l.missed}
	if len(b) > 8*layoutWords || len(b)%4 != 0 {
		return
	}
	n := learner{layout: l, message: b}
	for at := 0; at < len(b); at += align4(int(native.Uint16(b[at:]))) {
		if !n.attr(at) {
			return
		}
	}
	var padded [8 * layoutWords]byte
	copy(padded[:], b)
	for i := range l.heads {
		l.heads[i].mask = native.Uint64(n.headers[8*i:])
		l.heads[i].value = native.Uint64(padded[8*i:]) & l.heads[i].mask
	}
	if len(b)%8 != 0 { // the last one is compared as 32 bits
		last := &l.heads[len(b)/8]
		last.mask, last.value = uint64(native.Uint32(n.headers[len(b)-4:])), 0
		last.value = uint64(native.Uint32(b[len(b)-4:])) & last.mask
	}
	l.size = len(b)
}

func (n *learner) header(at int) {
	for i := range attrLen {
		n.headers[at+i] = 0xff
	}
}

// attr takes in the top-level attribute at a byte and reports whether a layout can have it.
func (n *learner) attr(at int) bool {
	n.header(at)
	typ := native.Uint16(n.message[at+2:]) & attrType
	v := n.message[at+attrLen : at+int(native.Uint16(n.message[at:]))]
	at += attrLen
	switch typ {
	case attrTupleOrig:
		return n.tuple(at, v, &n.orig, 0)
	case attrTupleReply:
		return n.tuple(at, v, &n.reply, flow.HasReply)
	case attrStatus:
		return n.value(at, &n.status, flow.HasStatus)
	case attrTimeout:
		return n.value(at, &n.timeout, flow.HasTimeout)
	case attrMark:
		return n.value(at, &n.mark, flow.HasMark)
	case attrID:
		return n.value(at, &n.id, flow.HasID)
	case attrUse:
		return n.value(at, &n.use, flow.HasUse)
	case attrZone:
		return n.value(at, &n.zone, flow.HasZone)
	case attrProtoInfo:
		return n.nest(at, v, &tcpShape, &n.tcp, flow.HasState|flow.HasProtoInfo)
	case attrCountersOrig:
		return n.nest(at, v, &countsShape, &n.countOrig, flow.HasCounters)
	case attrCountersReply:
		return n.nest(at, v, &countsShape, &n.countReply, flow.HasCounters)
	case attrSynproxy:
		return n.nest(at, v, &synproxyShape, &n.synproxy, flow.HasSynproxy)
	}
	part := rarePart(typ)
	return part != 0 && n.want&part == 0
}

// rarePart is what a layout cannot have where it is wanted; 0 for attributes that are not known.
func rarePart(typ uint16) flow.Fields {
	switch typ {
	case attrHelp:
		return flow.HasHelper
	case attrSecCtx:
		return flow.HasSecCtx
	case attrLabels:
		return flow.HasLabels
	case attrTimestamp:
		return flow.HasTimestamp
	case attrTimestampEvent:
		return flow.HasEventTime
	case attrTupleMaster:
		return flow.HasMaster
	case attrSeqAdjOrig, attrSeqAdjReply:
		return flow.HasSeqAdj
	}
	return 0
}

// value notes the place of a value, if it is wanted, and that the flow has it; one that comes twice has none.
func (n *learner) value(at int, place *int, part flow.Fields) bool {
	if n.want&part == 0 {
		return true
	}
	if *place != 0 {
		return false
	}
	*place = at
	n.present |= n.want & part
	return true
}

func (n *learner) nest(at int, v []byte, s *shape, place *int, part flow.Fields) bool {
	if n.want&part == 0 {
		return true
	}
	if !s.has(v) {
		return false
	}
	for _, h := range s.heads {
		n.header(at + h.at)
	}
	return n.value(at, place, part)
}

func (n *learner) tuple(at int, v []byte, place *tuplePlace, part flow.Fields) bool {
	if part != 0 && n.want&part == 0 {
		return true
	}
	s := &tuple4
	if len(v) == tuple6.size {
		s, place.v6 = &tuple6, true
	}
	if place.at != 0 || !s.has(v) {
		return false
	}
	for _, h := range s.heads {
		n.header(at + h.at)
	}
	place.at = at
	n.present |= part
	return true
}
