// Package flow is the vocabulary of connection tracking: tuple, flow, protocol state, status, zone.
//
// A [Flow] is one conntrack entry as ctnetlink and /proc/net/nf_conntrack show it. Readers reuse one
// Flow for a whole dump, so whoever keeps one must [Flow.Clone] it. Names and bit numbers are the
// kernel's (include/uapi/linux/netfilter/nf_conntrack_common.h, 6.18).
package flow

import (
	"net/netip"
	"slices"
	"time"
)

// Family is the network layer: the kernel's AF_INET and AF_INET6 numbers.
type Family uint8

// The two families that conntrack tracks.
const (
	IPv4 Family = 2
	IPv6 Family = 10
)

// Tuple identifies one direction of a flow. Which of the parts after the addresses mean something
// depends on Proto: ports (TCP, UDP, UDPLite, SCTP, DCCP), ICMP fields, GRE keys, or none.
type Tuple struct {
	Src, Dst netip.Addr
	// SrcPort and DstPort are the ports; for GRE the source and destination key.
	SrcPort, DstPort uint16
	// ICMPID, ICMPType and ICMPCode identify an ICMP or ICMPv6 query.
	ICMPID             uint16
	ICMPType, ICMPCode uint8
	Proto              Proto
}

// Counters are a direction's packets and bytes (IP length), present when accounting is on.
type Counters struct {
	Packets uint64
	Bytes   uint64
}

// Fields says which optional parts of a Flow its source carried: an absent part is unknown, not zero.
type Fields uint32

// The optional parts of a flow.
const (
	HasTimeout Fields = 1 << iota
	HasState
	HasStatus
	HasMark
	HasCounters
	HasTimestamp
	HasUse
	HasID
	HasZone
	HasHelper
	HasLabels
	HasSecCtx
	HasMaster
	HasSeqAdj
	HasSynproxy
	HasReply     // Reply
	HasProtoInfo // TCP or SCTP, beside the state
	HasEventTime
	HasUnknown // UnknownAttrs

	// AllFields are all optional parts.
	AllFields Fields = 1<<iota - 1
)

// Flow is one conntrack entry.
type Flow struct {
	Family       Family
	Orig, Reply  Tuple
	Present      Fields
	Status       Status
	State        State
	Timeout      uint32 // seconds left
	Mark         uint32
	ID           uint32
	Use          uint32
	Zone         uint16
	ZoneDir      ZoneDir
	OrigCount    Counters
	ReplyCount   Counters
	Start, Stop  time.Time // with nf_conntrack_timestamp
	EventTime    time.Time // when an event was made, on kernels that tell (6.14)
	Helper       string
	SecCtx       string
	Labels       []byte
	Master       Tuple // the flow whose helper expected this one
	TCP          TCPInfo
	SCTP         SCTPInfo
	OrigSeqAdj   SeqAdj
	ReplySeqAdj  SeqAdj
	SynproxyISN  uint32
	SynproxyITS  uint32
	SynproxyTSO  uint32
	UnknownAttrs []byte // attributes that this version does not know, as received
}

// TCPInfo is what ctnetlink shows of a TCP flow beside its state.
type TCPInfo struct {
	WScaleOrig, WScaleReply uint8
	FlagsOrig, FlagsReply   uint8
}

// SCTPInfo is what ctnetlink shows of an SCTP association beside its state.
type SCTPInfo struct {
	VTagOrig, VTagReply uint32
}

// SeqAdj is the sequence adjustment that a NAT helper made in one direction.
type SeqAdj struct {
	CorrectionPos, OffsetBefore, OffsetAfter uint32
}

// ZoneDir says which directions a flow's zone applies to.
type ZoneDir uint8

// Zone directions.
const (
	ZoneBoth ZoneDir = iota
	ZoneOrig
	ZoneReply
)

// Has reports whether all the parts in f are present.
func (fl *Flow) Has(f Fields) bool { return fl.Present&f == f }

// Reset makes the flow empty and keeps its buffers for the next one.
func (fl *Flow) Reset() {
	labels, unknown := fl.Labels[:0], fl.UnknownAttrs[:0]
	*fl = Flow{Labels: labels, UnknownAttrs: unknown}
}

// Clone returns a copy that shares no memory with fl.
func (fl *Flow) Clone() Flow {
	c := *fl
	c.Labels = slices.Clone(fl.Labels)
	c.UnknownAttrs = slices.Clone(fl.UnknownAttrs)
	return c
}

// Proto is the flow's transport protocol.
func (fl *Flow) Proto() Proto { return fl.Orig.Proto }

// Assured reports whether the kernel protects the flow from early drop on the packet path.
func (fl *Flow) Assured() bool { return fl.Status&Assured != 0 }

// Closing reports whether the garbage collector may take the flow on a full table even when it is
// assured: TCP in FIN_WAIT to CLOSE, SCTP in its shutdown states, DCCP closing
// (nf_conntrack_proto_*.c, can_early_drop, 6.18).
func (fl *Flow) Closing() bool { return fl.State.Closing() }
