package ctnetlink

import (
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// Bits that select the parts of a tuple that the kernel compares (CTA_FILTER).
const (
	cmpSrc     = 1 << 0
	cmpDst     = 1 << 1
	cmpProto   = 1 << 3
	cmpSrcPort = 1 << 4
	cmpDstPort = 1 << 5
)

// kernelFilter is what of a filter is given to the kernel. A kernel that lacks a part ignores it or
// refuses it; either way everything is matched here again, so that only time is lost.
type kernelFilter struct {
	family  flow.Family
	tuple   flow.Tuple
	compare uint32
	exact   filter.Exact
}

// kernelPart takes from a filter what kernels apply rightly. IPv6 addresses are left out: most kernels
// that compare them at all give back the entries that differ.
func kernelPart(f filter.Filter) kernelFilter {
	k := kernelFilter{exact: f.Exact()}
	e := k.exact
	if e.Family == nil {
		return k // tuples are only compared within a family
	}
	k.family = *e.Family
	if k.family == flow.IPv4 && e.Src != nil && e.Src.Is4() {
		k.tuple.Src, k.compare = *e.Src, k.compare|cmpSrc
	}
	if k.family == flow.IPv4 && e.Dst != nil && e.Dst.Is4() {
		k.tuple.Dst, k.compare = *e.Dst, k.compare|cmpDst
	}
	if e.Proto == nil {
		return k
	}
	k.tuple.Proto, k.compare = *e.Proto, k.compare|cmpProto
	if e.SPort != nil && e.Proto.HasPorts() {
		k.tuple.SrcPort, k.compare = *e.SPort, k.compare|cmpSrcPort
	}
	if e.DPort != nil && e.Proto.HasPorts() {
		k.tuple.DstPort, k.compare = *e.DPort, k.compare|cmpDstPort
	}
	return k
}

func (k kernelFilter) active() bool {
	return k.family != 0 || k.exact.Mark != nil || k.exact.StatusMask != 0 || k.exact.Zone != nil
}

// version is nfgenmsg's: a kernel honours the family in some requests only when it is not 0.
func (k kernelFilter) version() uint8 {
	if k.family != 0 {
		return 1
	}
	return 0
}

func (k kernelFilter) append(b []byte) []byte {
	e := k.exact
	if e.Mark != nil {
		b = put32(put32(b, attrMark, *e.Mark), attrMarkMask, e.MarkMask)
	}
	if e.StatusMask != 0 {
		b = put32(put32(b, attrStatus, uint32(e.Status)), attrStatusMask, uint32(e.StatusMask))
	}
	if e.Zone != nil {
		b = put16(b, attrZone, *e.Zone)
	}
	if k.compare == 0 {
		return b
	}
	b, tuple := openNest(b, attrTupleOrig)
	b = closeNest(k.appendTuple(b), tuple)
	b, flags := openNest(b, attrFilter)
	b = put(b, 1, native.AppendUint32(nil, k.compare)...) // in the machine's byte order, alone among all
	b = put(b, 2, 0, 0, 0, 0)
	return closeNest(b, flags)
}

// appendTuple appends only what is compared.
func (k kernelFilter) appendTuple(b []byte) []byte {
	if k.compare&(cmpSrc|cmpDst) != 0 {
		nb, ip := openNest(b, tupleIP)
		if k.compare&cmpSrc != 0 {
			nb = put(nb, ipV4Src, k.tuple.Src.AsSlice()...)
		}
		if k.compare&cmpDst != 0 {
			nb = put(nb, ipV4Dst, k.tuple.Dst.AsSlice()...)
		}
		b = closeNest(nb, ip)
	}
	if k.compare&cmpProto != 0 {
		nb, proto := openNest(b, tupleProto)
		nb = put8(nb, protoNum, uint8(k.tuple.Proto))
		if k.compare&cmpSrcPort != 0 {
			nb = put16(nb, protoSrcPort, k.tuple.SrcPort)
		}
		if k.compare&cmpDstPort != 0 {
			nb = put16(nb, protoDstPort, k.tuple.DstPort)
		}
		b = closeNest(nb, proto)
	}
	return b
}
