package model

import (
	"encoding/binary"
	"strings"

	"ctkeeper/internal/conntrack/flow"
)

// DCCP states, by the kernel's numbers.
const (
	dcNone uint8 = iota
	dcRequest
	dcRespond
	dcPartOpen
	dcOpen
	dcCloseReq
	dcClosing
	dcTimeWait
	dccpStates
)

// DCCP packets that the tracker tells apart from the others.
const (
	dccpRequest  = 0
	dccpResponse = 1
	dccpAck      = 3
	dccpReset    = 7
	dccpTypes    = 10
)

// dccpLetters name what the table says, in the order of the states; i is ignored, x invalid.
const dccpLetters = "NQSPOCGT"

// dccpTable is where a packet leads, by who sent it, its type, and the state: the kernel's
// dccp_state_table (nf_conntrack_proto_dccp.c, up to 6.14). The columns are the states NQSPOCGT: none,
// request, respond, partopen, open, closereq, closing, timewait.
var dccpTable = [2][dccpTypes]string{
	{ // client
		"QQSiiiiQ", "xiiiiiix", // request, response
		"xxxxOCGx", "xxPPOCGx", "xxPPOCGx", // data, ack, dataack
		"xxxxxxxx", "xxxGGGxx", "xTTTTTTi", // closereq, close, reset
		"xiiiiiii", "xiiiiiii", // sync, syncack
	}, { // server
		"xiiiiiiQ", "xSSiiiix",
		"xxxOOxGx", "xxxOOxGx", "xxxOOxGx",
		"xxxCCCCx", "xxxGGxGx", "xTTTTTTT",
		"xiiiiiii", "xiiiiiii",
	},
}

// dccp follows a connection. The track keeps what the kernel does: in flags[0] bit 0 whether the responder
// is the client, in side[0] the sequence number of the handshake, in last the last packet's type and direction.
func (m *Model) dccp(s *step) accept {
	if !m.prof.DCCP {
		s.timeout = m.set.Generic
		return accepted
	}
	if m.fault(s) || len(s.p.Payload) < 12 {
		return refusedPacket
	}
	b, tr := s.p.Payload, s.tr
	kind := b[8] >> 1 & 15
	if kind >= dccpTypes {
		s.reason = Reason{code: reasonDCCPType, proto: s.p.Proto()}
		return refusedPacket
	}
	if s.new {
		tr.last = dccpRequest
	} else if kind == dccpReset && tr.status&uint16(flow.SeenReply) == 0 {
		return killedFlow
	}
	next := dccpTable[s.dir^tr.flags[0]&1][kind][tr.state]
	seq := dccpSeq(b)
	switch next {
	case 'x':
		s.reason = Reason{code: reasonDCCPTransition, proto: s.p.Proto()}
		return refusedPacket
	case 'Q':
		if tr.state == dcTimeWait && s.dir^tr.flags[0]&1 == 1 {
			tr.flags[0] ^= 1 // opened anew from the other side
		}
	case 'S':
		if tr.state == dcRequest {
			tr.side[0].end, tr.side[0].maxend = uint32(seq), uint32(seq>>32)
		}
	case 'P':
		if tr.state == dcRespond && kind == dccpAck && dccpAckSeq(b) == uint64(tr.side[0].maxend)<<32|uint64(tr.side[0].end) {
			tr.status |= uint16(flow.Assured)
		}
	case 'i':
		answers := tr.last == dccpRequest|(s.dir^1)<<4 && kind == dccpResponse
		if !answers {
			tr.last = kind | s.dir<<4
			s.reason = Reason{code: reasonDCCPIgnored, proto: s.p.Proto()}
			return ignored
		}
		tr.flags[0] = s.dir ^ 1 // a request that was ignored is answered: the roles are what these two say
		tr.side[0].end, tr.side[0].maxend = uint32(seq), uint32(seq>>32)
		next = 'S'
	}
	tr.last = kind | s.dir<<4
	tr.state = uint8(strings.IndexByte(dccpLetters, next))
	s.timeout = m.set.DCCP[tr.state]
	return accepted
}

// dccpSeq is a packet's sequence number: 48 bits in the extended header, else 24.
func dccpSeq(b []byte) uint64 {
	high := uint64(binary.BigEndian.Uint16(b[10:]))
	if b[8]&1 == 0 {
		return uint64(b[9])<<16 | high
	}
	if len(b) < 16 {
		return high << 32
	}
	return high<<32 | uint64(binary.BigEndian.Uint32(b[12:]))
}

// dccpAckSeq is the number that a packet acknowledges.
func dccpAckSeq(b []byte) uint64 {
	at := 12
	if b[8]&1 != 0 {
		at = 16
	}
	if len(b) < at+8 {
		return 0
	}
	return uint64(binary.BigEndian.Uint16(b[at+2:]))<<32 | uint64(binary.BigEndian.Uint32(b[at+4:]))
}
