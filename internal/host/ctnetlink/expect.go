package ctnetlink

import (
	"context"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/flow"
)

// Attributes of an expectation (enum ctattr_expect).
const (
	expMaster = 1 + iota
	expTuple
	expMask
	expTimeout
	expID
	expHelper
	expZone
	expFlags
	expClass
	expNAT
	expFunc
)

// Expectations calls fn for each entry of the expectation table; the entry is only good until fn returns.
func (c *Conn) Expectations(ctx context.Context, fn func(*flow.Expectation) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var e flow.Expectation
	return c.ask(ctx, "dump expectations", subsysExp|msgGet, unix.NLM_F_DUMP, unix.AF_UNSPEC, 0, nil, func(_ header, msg []byte) error {
		if len(msg) < bodyStart {
			return &DecodeError{What: "message without a body"}
		}
		if err := c.dec.expectation(msg[bodyStart:], msg[headerLen], &e); err != nil {
			return err
		}
		return fn(&e)
	})
}

func (d *decoder) expectation(b []byte, family uint8, e *flow.Expectation) error {
	*e = flow.Expectation{Family: flow.Family(family), Unknown: e.Unknown[:0]}
	d.at = bodyStart
	for {
		typ, v, rest, ok := next(b)
		if !ok {
			return d.end(rest)
		}
		if err := d.expectAttr(typ, v, e); err != nil {
			return err
		}
		d.at += len(b) - len(rest)
		b = rest
	}
}

func (d *decoder) expectAttr(typ uint16, v []byte, e *flow.Expectation) error {
	switch typ {
	case expMaster:
		return d.plainTuple(v, &e.Master)
	case expTuple:
		return d.plainTuple(v, &e.Tuple)
	case expMask:
		return d.plainTuple(v, &e.Mask)
	case expHelper:
		e.Helper = d.name(v)
		return nil
	case expFunc:
		e.Func = d.name(v)
		return nil
	case expNAT:
		return d.expectNAT(v, e)
	case expZone:
		if len(v) != 2 {
			return d.bad("zone length")
		}
		e.Zone = binary.BigEndian.Uint16(v)
		return nil
	case expTimeout, expID, expFlags, expClass:
		if len(v) != 4 {
			return d.bad("length of a 32-bit value")
		}
		*map[uint16]*uint32{expTimeout: &e.Timeout, expID: &e.ID, expFlags: (*uint32)(&e.Flags), expClass: &e.Class}[typ] = binary.BigEndian.Uint32(v)
		return nil
	}
	e.Unknown = put(e.Unknown, typ, v...)
	return nil
}

// expectNAT takes in the translation that the expected flow will get.
func (d *decoder) expectNAT(v []byte, e *flow.Expectation) error {
	e.NAT = true
	for {
		typ, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		switch {
		case typ == 1 && len(a) == 4:
			e.NATDir = binary.BigEndian.Uint32(a)
		case typ == 2:
			if err := d.plainTuple(a, &e.NATTuple); err != nil {
				return err
			}
		default:
			e.Unknown = appendUnknown(e.Unknown, a, typ, expNAT)
		}
		v = rest
	}
}

// plainTuple reads a tuple that belongs to no flow at hand.
func (d *decoder) plainTuple(v []byte, to *flow.Tuple) error {
	want := d.want
	d.want = 0 // what it does not know has no flow to be kept in
	defer func() { d.want = want }()
	return d.tuple(0, v, nil, to, flow.ZoneBoth)
}
