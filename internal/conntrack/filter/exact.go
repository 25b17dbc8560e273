package filter

import (
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// Exact is the part of a filter that a kernel can apply: exact values that every flow must have. A nil
// field is not asked for. Flows that pass it must still be matched by the whole filter, unless Whole.
type Exact struct {
	Family     *flow.Family
	Proto      *flow.Proto
	Src, Dst   *netip.Addr
	SPort      *uint16
	DPort      *uint16
	Zone       *uint16
	Mark       *uint32
	MarkMask   uint32
	Status     flow.Status
	StatusMask flow.Status
	// Whole is set when Exact says all that the filter says.
	Whole bool
}

// Exact returns what of the filter a kernel can apply.
func (f Filter) Exact() Exact {
	e := Exact{Whole: true}
	if f.root != nil {
		e.add(f.root)
	}
	return e
}

// add takes one conjunct in, or notes that it is left to Match.
func (e *Exact) add(n node) {
	switch t := n.(type) {
	case and:
		e.add(t.a)
		e.add(t.b)
	case familyTerm:
		e.Whole = set(&e.Family, flow.Family(t)) && e.Whole
	case protoTerm:
		e.Whole = set(&e.Proto, flow.Proto(t)) && e.Whole
	case zoneTerm:
		e.Whole = set(&e.Zone, uint16(t)) && e.Whole
	case *addrTerm:
		e.addAddr(t)
	case portTerm:
		e.addPort(t)
	case markTerm:
		e.addMark(t)
	case statusTerm:
		e.addStatus(t)
	case not:
		e.addNot(t)
	default:
		e.Whole = false
	}
}

// set fills a field that no conjunct has filled, or agrees with what filled it.
func set[T comparable](field **T, v T) bool {
	if *field == nil {
		*field = &v
	}
	return **field == v
}

func (e *Exact) addMark(t markTerm) {
	if e.Mark == nil {
		e.MarkMask = t.mask
	}
	e.Whole = set(&e.Mark, t.value) && e.MarkMask == t.mask && e.Whole
}

func (e *Exact) addAddr(t *addrTerm) {
	ok := t.prefix.IsSingleIP()
	switch {
	case ok && t.side == origSrc:
		ok = set(&e.Src, t.prefix.Addr())
	case ok && t.side == origDst:
		ok = set(&e.Dst, t.prefix.Addr())
	default:
		ok = false
	}
	// An address of a family is in flows of that family only.
	e.Whole = set(&e.Family, familyOf(t.prefix.Addr())) && ok && e.Whole
}

func (e *Exact) addPort(t portTerm) {
	ok := t.lo == t.hi
	switch {
	case ok && t.side == origSrc:
		ok = set(&e.SPort, t.lo)
	case ok && t.side == origDst:
		ok = set(&e.DPort, t.lo)
	default:
		ok = false
	}
	// A port filter of the kernel's needs the protocol beside it.
	e.Whole = ok && e.Proto != nil && e.Whole
}

func (e *Exact) addStatus(t statusTerm) {
	both := e.StatusMask & t.mask
	if t.any || e.Status&both != t.value&both {
		e.Whole = false
		return
	}
	e.Status |= t.value
	e.StatusMask |= t.mask
}

// addNot takes in the negation of a single status bit.
func (e *Exact) addNot(n not) {
	t, ok := n.a.(statusTerm)
	if !ok || t.any || t.mask&(t.mask-1) != 0 {
		e.Whole = false
		return
	}
	e.addStatus(statusTerm{value: t.mask &^ t.value, mask: t.mask})
}
