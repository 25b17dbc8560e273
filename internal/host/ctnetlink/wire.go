package ctnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// native is the byte order of netlink's own headers; ctnetlink's integers are big-endian.
var native = binary.NativeEndian

const (
	headerLen = unix.SizeofNlMsghdr // 16
	bodyStart = headerLen + 4       // after nfgenmsg
	attrLen   = 4
	nested    = uint16(unix.NLA_F_NESTED)
	attrType  = 0x3fff

	subsysCT  = uint16(unix.NFNL_SUBSYS_CTNETLINK) << 8
	subsysExp = uint16(unix.NFNL_SUBSYS_CTNETLINK_EXP) << 8
)

// Message types below subsysCT (enum cntl_msg_types) and subsysExp.
const (
	msgNew = iota
	msgGet
	msgDelete
	msgGetCtrZero
	msgGetStatsCPU
	msgGetStats
	msgGetDying
	msgGetUnconfirmed

	msgExpGetStatsCPU = 3
)

const (
	flagDumpIntr     = unix.NLM_F_DUMP_INTR
	flagDumpFiltered = unix.NLM_F_DUMP_FILTERED
)

// Top-level attributes (enum ctattr_type, 6.18).
const (
	attrTupleOrig = 1 + iota
	attrTupleReply
	attrStatus
	attrProtoInfo
	attrHelp
	attrNATSrc
	attrTimeout
	attrMark
	attrCountersOrig
	attrCountersReply
	attrUse
	attrID
	attrNATDst
	attrTupleMaster
	attrSeqAdjOrig
	attrSeqAdjReply
	attrSecMark
	attrZone
	attrSecCtx
	attrTimestamp
	attrMarkMask
	attrLabels
	attrLabelsMask
	attrSynproxy
	attrFilter
	attrStatusMask
	attrTimestampEvent
)

// Attributes inside a tuple, its addresses and its protocol part.
const (
	tupleIP    = 1
	tupleProto = 2
	tupleZone  = 3

	ipV4Src = 1
	ipV4Dst = 2
	ipV6Src = 3
	ipV6Dst = 4

	protoNum     = 1
	protoSrcPort = 2
	protoDstPort = 3
	protoICMPID  = 4
	protoICMPTyp = 5
	protoICMPCod = 6
	// ICMPv6 has its own three numbers, in the same order.
	protoICMPv6Off = 3
)

// Attributes inside protocol information.
const (
	infoTCP  = 1
	infoDCCP = 2
	infoSCTP = 3

	infoState = 1 // in all three

	tcpWScaleOrig  = 2
	tcpWScaleReply = 3
	tcpFlagsOrig   = 4
	tcpFlagsReply  = 5

	sctpVTagOrig  = 2
	sctpVTagReply = 3
)

func align4(n int) int { return (n + 3) &^ 3 }

// header describes one netlink message in a buffer.
type header struct {
	len   int
	typ   uint16
	flags uint16
	seq   uint32
}

func parseHeader(b []byte) header {
	return header{
		len:   int(native.Uint32(b)),
		typ:   native.Uint16(b[4:]),
		flags: native.Uint16(b[6:]),
		seq:   native.Uint32(b[8:]),
	}
}

// begin appends a netlink header and an nfgenmsg; finish sets its length.
func begin(b []byte, typ, flags uint16, seq uint32, family, version uint8) []byte {
	b = native.AppendUint32(b, 0)
	b = native.AppendUint16(b, typ)
	b = native.AppendUint16(b, flags)
	b = native.AppendUint32(b, seq)
	b = native.AppendUint32(b, 0)
	return append(b, family, version, 0, 0)
}

func finish(b []byte, start int) []byte {
	native.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// put appends an attribute with its padding.
func put(b []byte, typ uint16, value ...byte) []byte {
	b = native.AppendUint16(b, uint16(attrLen+len(value)))
	b = native.AppendUint16(b, typ)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func put8(b []byte, typ uint16, v uint8) []byte { return put(b, typ, v) }

func put16(b []byte, typ, v uint16) []byte { return put(b, typ, byte(v>>8), byte(v)) }

func put32(b []byte, typ uint16, v uint32) []byte {
	return put(b, typ, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func put64(b []byte, typ uint16, v uint64) []byte {
	return put(b, typ, binary.BigEndian.AppendUint64(nil, v)...)
}

func putString(b []byte, typ uint16, s string) []byte { return put(b, typ, append([]byte(s), 0)...) }

// openNest appends a nested attribute's header; closeNest sets its length.
func openNest(b []byte, typ uint16) ([]byte, int) {
	start := len(b)
	return native.AppendUint16(append(b, 0, 0), typ|nested), start
}

func closeNest(b []byte, start int) []byte {
	native.PutUint16(b[start:], uint16(len(b)-start))
	return b
}
