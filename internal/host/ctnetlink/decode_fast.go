package ctnetlink

import (
	"encoding/binary"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// The kernel lays out what nearly every flow has always alike. Here that is taken in at once; what looks in any
// way different is left to the walk over the attributes, which gives the same. Headers are compared as
// little-endian words: on a big-endian machine none is equal, and everything is walked.

var little = binary.LittleEndian

// word is the header of an attribute with so many bytes of value.
func word(value, typ uint32) uint32 { return attrLen + value | typ<<16 }

// words are the headers of a nest and of the first attribute in it.
func words(value, typ, firstValue, firstTyp uint32) uint64 {
	return uint64(word(value, typ|uint32(nested))) | uint64(word(firstValue, firstTyp))<<32
}

// Bytes of a tuple with two addresses, a protocol and two ports.
const (
	portsPart  = 28
	tupleSize4 = 4 + 2*8 + portsPart
	tupleSize6 = 4 + 2*20 + portsPart
)

// portsTuple fills to from a tuple of two addresses and two ports without a zone, and reports whether it was one.
func portsTuple(v []byte, to *flow.Tuple) bool {
	switch len(v) {
	case tupleSize4:
		if little.Uint64(v) != words(16, tupleIP, 4, ipV4Src) || little.Uint32(v[12:]) != word(4, ipV4Dst) || !portsOf(v[20:], to) {
			return false
		}
		to.Src, to.Dst = netip.AddrFrom4([4]byte(v[8:])), netip.AddrFrom4([4]byte(v[16:]))
	case tupleSize6:
		if little.Uint64(v) != words(40, tupleIP, 16, ipV6Src) || little.Uint32(v[24:]) != word(16, ipV6Dst) || !portsOf(v[44:], to) {
			return false
		}
		to.Src, to.Dst = netip.AddrFrom16([16]byte(v[8:])), netip.AddrFrom16([16]byte(v[28:]))
	default:
		return false
	}
	return true
}

// portsOf fills in the protocol and the ports.
func portsOf(v []byte, to *flow.Tuple) bool {
	if len(v) != portsPart || little.Uint64(v) != words(24, tupleProto, 1, protoNum) ||
		little.Uint32(v[12:]) != word(2, protoSrcPort) || little.Uint32(v[20:]) != word(2, protoDstPort) {
		return false
	}
	to.Proto = flow.Proto(v[8])
	to.SrcPort, to.DstPort = binary.BigEndian.Uint16(v[16:]), binary.BigEndian.Uint16(v[24:])
	return true
}

// tcpInfoSize is what the kernel says of a TCP flow: state, two window scales, two sets of flags.
const tcpInfoSize = 4 + 5*8

// tcpInfo takes in a TCP flow's information and reports whether it was that.
func (d *decoder) tcpInfo(v []byte, fl *flow.Flow) bool {
	if len(v) != tcpInfoSize || little.Uint64(v) != words(40, infoTCP, 1, infoState) ||
		little.Uint32(v[12:]) != word(1, tcpWScaleOrig) || little.Uint32(v[20:]) != word(1, tcpWScaleReply) ||
		little.Uint32(v[28:]) != word(2, tcpFlagsOrig) || little.Uint32(v[36:]) != word(2, tcpFlagsReply) {
		return false
	}
	if d.want&flow.HasState != 0 {
		fl.Present |= flow.HasState
		fl.State = flow.MakeState(flow.TCP, v[8])
	}
	if d.want&flow.HasProtoInfo != 0 {
		fl.Present |= flow.HasProtoInfo
		fl.TCP = flow.TCPInfo{WScaleOrig: v[16], WScaleReply: v[24], FlagsOrig: v[32], FlagsReply: v[40]}
	}
	return true
}

// rareParts are those that few flows have; they take most of a flow's memory.
const rareParts = flow.AllFields &^ (flow.HasTimeout | flow.HasState | flow.HasStatus | flow.HasMark | flow.HasUse | flow.HasID | flow.HasZone | flow.HasReply)

// empty makes a flow that was decoded before ready for the next one.
func empty(fl *flow.Flow) {
	if fl.Present&rareParts != 0 {
		fl.Reset()
		return
	}
	if fl.Present&flow.HasReply != 0 {
		fl.Reply = flow.Tuple{}
	}
	fl.Orig, fl.Present, fl.Status, fl.State, fl.Timeout = flow.Tuple{}, 0, 0, 0, 0
	fl.Mark, fl.ID, fl.Use, fl.Zone, fl.ZoneDir = 0, 0, 0, 0, 0
}
