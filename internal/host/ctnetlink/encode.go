package ctnetlink

import (
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// appendFlow appends the attributes of a flow: the original tuple, and the parts that are present and
// wanted. It is the inverse of decoder.decode.
func appendFlow(b []byte, fl *flow.Flow, want flow.Fields) []byte {
	has := fl.Present & want
	b = appendTuple(b, attrTupleOrig, &fl.Orig, fl, has, flow.ZoneOrig)
	if has&flow.HasReply != 0 {
		b = appendTuple(b, attrTupleReply, &fl.Reply, fl, has, flow.ZoneReply)
	}
	if has&flow.HasStatus != 0 {
		b = put32(b, attrStatus, uint32(fl.Status))
	}
	if has&flow.HasTimeout != 0 {
		b = put32(b, attrTimeout, fl.Timeout)
	}
	b = appendProtoInfo(b, fl, has)
	if has&flow.HasMark != 0 {
		b = put32(b, attrMark, fl.Mark)
	}
	if has&flow.HasZone != 0 && fl.ZoneDir == flow.ZoneBoth {
		b = put16(b, attrZone, fl.Zone)
	}
	b = appendNames(b, fl, has)
	b = appendAccounting(b, fl, has)
	b = appendSequences(b, fl, has)
	if has&flow.HasUnknown != 0 {
		b = append(b, fl.UnknownAttrs...)
	}
	return b
}

func appendTuple(b []byte, typ uint16, t *flow.Tuple, fl *flow.Flow, has flow.Fields, dir flow.ZoneDir) []byte {
	b, start := openNest(b, typ)
	b = appendTupleParts(b, t)
	if has&flow.HasZone != 0 && fl.ZoneDir == dir {
		b = put16(b, tupleZone, fl.Zone)
	}
	return closeNest(b, start)
}

func appendTupleParts(b []byte, t *flow.Tuple) []byte {
	b, ip := openNest(b, tupleIP)
	src, dst := uint16(ipV4Src), uint16(ipV4Dst)
	if t.Src.Is6() || t.Dst.Is6() {
		src, dst = ipV6Src, ipV6Dst
	}
	if t.Src.IsValid() {
		b = put(b, src, t.Src.AsSlice()...)
	}
	if t.Dst.IsValid() {
		b = put(b, dst, t.Dst.AsSlice()...)
	}
	b = closeNest(b, ip)
	b, proto := openNest(b, tupleProto)
	b = put8(b, protoNum, uint8(t.Proto))
	switch {
	case t.Proto == flow.ICMP || t.Proto == flow.ICMPv6:
		off := uint16(0)
		if t.Proto == flow.ICMPv6 {
			off = protoICMPv6Off
		}
		b = put16(b, protoICMPID+off, t.ICMPID)
		b = put8(b, protoICMPTyp+off, t.ICMPType)
		b = put8(b, protoICMPCod+off, t.ICMPCode)
	case t.Proto.HasPorts() || t.Proto == flow.GRE || t.SrcPort != 0 || t.DstPort != 0:
		b = put16(b, protoSrcPort, t.SrcPort)
		b = put16(b, protoDstPort, t.DstPort)
	}
	return closeNest(b, proto)
}

func appendProtoInfo(b []byte, fl *flow.Flow, has flow.Fields) []byte {
	if has&(flow.HasState|flow.HasProtoInfo) == 0 {
		return b
	}
	p := fl.State.Proto()
	if has&flow.HasState == 0 {
		p = fl.Orig.Proto
	}
	nest := infoNestOf(p)
	if nest == 0 {
		return b
	}
	b, outer := openNest(b, attrProtoInfo)
	b, inner := openNest(b, nest)
	if has&flow.HasState != 0 {
		b = put8(b, infoState, fl.State.Number())
	}
	switch {
	case has&flow.HasProtoInfo == 0:
	case p == flow.TCP:
		b = put8(b, tcpWScaleOrig, fl.TCP.WScaleOrig)
		b = put8(b, tcpWScaleReply, fl.TCP.WScaleReply)
		b = put(b, tcpFlagsOrig, fl.TCP.FlagsOrig, 0xff) // the mask counts only when a flow is written
		b = put(b, tcpFlagsReply, fl.TCP.FlagsReply, 0xff)
	case p == flow.SCTP:
		b = put32(b, sctpVTagOrig, fl.SCTP.VTagOrig)
		b = put32(b, sctpVTagReply, fl.SCTP.VTagReply)
	}
	return closeNest(closeNest(b, inner), outer)
}

// infoNestOf is the attribute that holds a protocol's information, 0 when it has none.
func infoNestOf(p flow.Proto) uint16 {
	switch p {
	case flow.TCP:
		return infoTCP
	case flow.DCCP:
		return infoDCCP
	case flow.SCTP:
		return infoSCTP
	}
	return 0
}

func appendNames(b []byte, fl *flow.Flow, has flow.Fields) []byte {
	if has&flow.HasHelper != 0 {
		nb, start := openNest(b, attrHelp)
		b = closeNest(putString(nb, 1, fl.Helper), start)
	}
	if has&flow.HasSecCtx != 0 {
		nb, start := openNest(b, attrSecCtx)
		b = closeNest(putString(nb, 1, fl.SecCtx), start)
	}
	if has&flow.HasLabels != 0 {
		b = put(b, attrLabels, fl.Labels...)
	}
	if has&flow.HasMaster != 0 {
		b = appendTuple(b, attrTupleMaster, &fl.Master, fl, 0, flow.ZoneBoth)
	}
	return b
}

func appendAccounting(b []byte, fl *flow.Flow, has flow.Fields) []byte {
	if has&flow.HasCounters != 0 {
		b = appendCounters(b, attrCountersOrig, fl.OrigCount)
		b = appendCounters(b, attrCountersReply, fl.ReplyCount)
	}
	if has&flow.HasTimestamp != 0 {
		nb, start := openNest(b, attrTimestamp)
		nb = put64(nb, 1, nanoseconds(fl.Start))
		b = closeNest(put64(nb, 2, nanoseconds(fl.Stop)), start)
	}
	if has&flow.HasEventTime != 0 {
		b = put64(b, attrTimestampEvent, nanoseconds(fl.EventTime))
	}
	if has&flow.HasUse != 0 {
		b = put32(b, attrUse, fl.Use)
	}
	if has&flow.HasID != 0 {
		b = put32(b, attrID, fl.ID)
	}
	return b
}

func appendCounters(b []byte, typ uint16, c flow.Counters) []byte {
	b, start := openNest(b, typ)
	b = put64(b, 1, c.Packets)
	return closeNest(put64(b, 2, c.Bytes), start)
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func appendSequences(b []byte, fl *flow.Flow, has flow.Fields) []byte {
	if has&flow.HasSeqAdj != 0 {
		b = appendSeqAdj(b, attrSeqAdjOrig, fl.OrigSeqAdj)
		b = appendSeqAdj(b, attrSeqAdjReply, fl.ReplySeqAdj)
	}
	if has&flow.HasSynproxy != 0 {
		b = appendThree(b, attrSynproxy, fl.SynproxyISN, fl.SynproxyITS, fl.SynproxyTSO)
	}
	return b
}

func appendSeqAdj(b []byte, typ uint16, s flow.SeqAdj) []byte {
	return appendThree(b, typ, s.CorrectionPos, s.OffsetBefore, s.OffsetAfter)
}

func appendThree(b []byte, typ uint16, one, two, three uint32) []byte {
	b, start := openNest(b, typ)
	b = put32(put32(put32(b, 1, one), 2, two), 3, three)
	return closeNest(b, start)
}
