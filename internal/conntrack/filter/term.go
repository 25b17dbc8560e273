package filter

import (
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// side chooses an address or port of a flow.
type side uint8

const (
	origSrc side = iota
	origDst
	replySrc
	replyDst
	anySide
)

type addrTerm struct {
	side   side
	prefix netip.Prefix
}

func (t *addrTerm) eval(f *flow.Flow, _ Idle) verdict {
	switch t.side {
	case origSrc:
		return is(t.prefix.Contains(f.Orig.Src))
	case origDst:
		return is(t.prefix.Contains(f.Orig.Dst))
	case replySrc:
		return is(t.prefix.Contains(f.Reply.Src))
	case replyDst:
		return is(t.prefix.Contains(f.Reply.Dst))
	}
	return is(t.prefix.Contains(f.Orig.Src) || t.prefix.Contains(f.Orig.Dst) ||
		t.prefix.Contains(f.Reply.Src) || t.prefix.Contains(f.Reply.Dst))
}

type portTerm struct {
	side   side
	lo, hi uint16
}

func (t portTerm) in(p uint16) bool { return t.lo <= p && p <= t.hi }

func (t portTerm) eval(f *flow.Flow, _ Idle) verdict {
	if !f.Proto().HasPorts() {
		return no
	}
	switch t.side {
	case origSrc:
		return is(t.in(f.Orig.SrcPort))
	case origDst:
		return is(t.in(f.Orig.DstPort))
	}
	return is(t.in(f.Orig.SrcPort) || t.in(f.Orig.DstPort))
}

type protoTerm flow.Proto

func (t protoTerm) eval(f *flow.Flow, _ Idle) verdict { return is(f.Proto() == flow.Proto(t)) }

type familyTerm flow.Family

func (t familyTerm) eval(f *flow.Flow, _ Idle) verdict { return is(f.Family == flow.Family(t)) }

// stateTerm holds the states of that name, one a protocol.
type stateTerm [3]flow.State

func (t stateTerm) eval(f *flow.Flow, _ Idle) verdict {
	if f.State == flow.NoState {
		return no
	}
	return is(f.State == t[0] || f.State == t[1] || f.State == t[2])
}

// statusTerm matches when the bits under mask are as in value; when any is set it matches if one of them is.
type statusTerm struct {
	value, mask flow.Status
	any         bool
}

func (t statusTerm) eval(f *flow.Flow, _ Idle) verdict {
	if !f.Has(flow.HasStatus) {
		return unknown
	}
	if t.any {
		return is(f.Status&t.mask != 0)
	}
	return is(f.Status&t.mask == t.value)
}

type markTerm struct{ value, mask uint32 }

func (t markTerm) eval(f *flow.Flow, _ Idle) verdict { return is(f.Mark&t.mask == t.value) }

type zoneTerm uint16

func (t zoneTerm) eval(f *flow.Flow, _ Idle) verdict { return is(f.Zone == uint16(t)) }

type helperTerm string

func (t helperTerm) eval(f *flow.Flow, _ Idle) verdict { return is(f.Helper == string(t)) }

// quantity is a number of a flow that can be compared.
type quantity uint8

const (
	qTimeout quantity = iota
	qIdle
	qPackets
	qBytes
)

type compareTerm struct {
	what  quantity
	op    string
	value uint64
}

func (t compareTerm) eval(f *flow.Flow, idle Idle) verdict {
	v, known := t.quantity(f, idle)
	if !known {
		return unknown
	}
	switch t.op {
	case "<":
		return is(v < t.value)
	case "<=":
		return is(v <= t.value)
	case ">":
		return is(v > t.value)
	case ">=":
		return is(v >= t.value)
	case "!=":
		return is(v != t.value)
	}
	return is(v == t.value)
}

func (t compareTerm) quantity(f *flow.Flow, idle Idle) (uint64, bool) {
	switch t.what {
	case qTimeout:
		return uint64(f.Timeout), f.Has(flow.HasTimeout)
	case qIdle:
		if idle == nil {
			return 0, false
		}
		s, known := idle(f)
		return uint64(max(s, 0)), known
	case qPackets:
		return f.OrigCount.Packets + f.ReplyCount.Packets, f.Has(flow.HasCounters)
	}
	return f.OrigCount.Bytes + f.ReplyCount.Bytes, f.Has(flow.HasCounters)
}
