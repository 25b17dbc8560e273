package ctnetlink

import (
	"encoding/binary"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// maxNames bounds the helper and label names that a decoder remembers, so that a hostile stream cannot
// make it grow.
const maxNames = 1024

// decoder turns messages into flows. It remembers names, so that a flow costs no allocation.
type decoder struct {
	want    flow.Fields
	names   map[string]string
	layouts layouts
	at      int // offset in the message of the top-level attribute at hand
}

// decode fills fl from the attributes after nfgenmsg. What is not wanted is skipped.
func (d *decoder) decode(b []byte, family uint8, fl *flow.Flow) error {
	l := d.layouts.of(len(b))
	if l.fits(b, d.want) {
		l.fill(b, fl)
		fl.Family = flow.Family(family)
		return nil
	}
	if err := d.walk(b, family, fl); err != nil {
		return err
	}
	l.miss(b, d.want)
	return nil
}

// walk is decode for a message however it is laid out.
func (d *decoder) walk(b []byte, family uint8, fl *flow.Flow) error {
	fl.Reset()
	fl.Family = flow.Family(family)
	d.at = bodyStart
	for len(b) >= attrLen {
		n := int(native.Uint16(b))
		if n < attrLen || n > len(b) {
			return d.bad("attribute length")
		}
		typ := native.Uint16(b[2:]) & attrType
		if err := d.attr(typ, b[attrLen:n], b[:n], fl); err != nil {
			return err
		}
		step := min(align4(n), len(b))
		b = b[step:]
		d.at += step
	}
	if len(b) > 0 {
		return d.bad("bytes after the last attribute")
	}
	return nil
}

func (d *decoder) bad(what string) error { return &DecodeError{Offset: d.at, What: what} }

// attr takes in one top-level attribute: the common ones here, the rest by rare.
func (d *decoder) attr(typ uint16, v, whole []byte, fl *flow.Flow) error {
	switch typ {
	case attrTupleOrig:
		return d.tuple(typ, v, fl, &fl.Orig, flow.ZoneOrig)
	case attrTupleReply:
		if d.want&flow.HasReply == 0 {
			return nil
		}
		fl.Present |= flow.HasReply
		return d.tuple(typ, v, fl, &fl.Reply, flow.ZoneReply)
	case attrStatus:
		return d.u32(v, flow.HasStatus, fl, (*uint32)(&fl.Status))
	case attrTimeout:
		return d.u32(v, flow.HasTimeout, fl, &fl.Timeout)
	case attrMark:
		return d.u32(v, flow.HasMark, fl, &fl.Mark)
	case attrID:
		return d.u32(v, flow.HasID, fl, &fl.ID)
	case attrUse:
		return d.u32(v, flow.HasUse, fl, &fl.Use)
	case attrProtoInfo:
		return d.protoInfo(v, fl)
	case attrCountersOrig:
		return d.counters(typ, v, fl, &fl.OrigCount)
	case attrCountersReply:
		return d.counters(typ, v, fl, &fl.ReplyCount)
	}
	return d.rare(typ, v, whole, fl)
}

func (d *decoder) rare(typ uint16, v, whole []byte, fl *flow.Flow) error {
	switch typ {
	case attrZone:
		return d.zone(v, fl)
	case attrHelp:
		return d.nestedName(typ, v, flow.HasHelper, fl, &fl.Helper)
	case attrSecCtx:
		return d.nestedName(typ, v, flow.HasSecCtx, fl, &fl.SecCtx)
	case attrLabels:
		if d.want&flow.HasLabels != 0 {
			fl.Present |= flow.HasLabels
			fl.Labels = append(fl.Labels[:0], v...)
		}
		return nil
	case attrTimestamp:
		return d.timestamps(v, fl)
	case attrTimestampEvent:
		return d.instant(v, flow.HasEventTime, fl, &fl.EventTime)
	case attrTupleMaster:
		return d.master(v, fl)
	case attrSeqAdjOrig:
		return d.seqAdj(typ, v, fl, &fl.OrigSeqAdj)
	case attrSeqAdjReply:
		return d.seqAdj(typ, v, fl, &fl.ReplySeqAdj)
	case attrSynproxy:
		return d.synproxy(v, fl)
	}
	d.keep(fl, whole)
	return nil
}

func (d *decoder) zone(v []byte, fl *flow.Flow) error {
	if len(v) < 2 {
		return d.bad("zone length")
	}
	if d.want&flow.HasZone != 0 {
		fl.Present |= flow.HasZone
		fl.Zone, fl.ZoneDir = binary.BigEndian.Uint16(v), flow.ZoneBoth
	}
	return nil
}

func (d *decoder) master(v []byte, fl *flow.Flow) error {
	if d.want&flow.HasMaster == 0 {
		return nil
	}
	fl.Present |= flow.HasMaster
	return d.tuple(attrTupleMaster, v, fl, &fl.Master, flow.ZoneBoth)
}

func (d *decoder) u32(v []byte, has flow.Fields, fl *flow.Flow, to *uint32) error {
	if len(v) < 4 {
		return d.bad("length of a 32-bit value")
	}
	if d.want&has != 0 {
		fl.Present |= has
		*to = binary.BigEndian.Uint32(v)
	}
	return nil
}

// next splits off the first attribute of a nest; ok is false at its end or when the length is wrong.
func next(b []byte) (typ uint16, v, rest []byte, ok bool) {
	if len(b) < attrLen {
		return 0, nil, b, false
	}
	n := int(native.Uint16(b))
	if n < attrLen || n > len(b) {
		return 0, nil, b, false
	}
	return native.Uint16(b[2:]) & attrType, b[attrLen:n], b[min(align4(n), len(b)):], true
}

// end checks that a nest was walked to its end.
func (d *decoder) end(rest []byte) error {
	if len(rest) > 0 {
		return d.bad("length inside a nested attribute")
	}
	return nil
}

func (d *decoder) nestedName(typ uint16, v []byte, has flow.Fields, fl *flow.Flow, to *string) error {
	if d.want&has == 0 {
		return nil
	}
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		if t == 1 {
			fl.Present |= has
			*to = d.name(a)
		} else {
			d.keepNested(fl, a, t, typ)
		}
		v = rest
	}
}

// name returns the string up to the first zero byte, remembered so that it is allocated once.
func (d *decoder) name(v []byte) string {
	for i, c := range v {
		if c == 0 {
			v = v[:i]
			break
		}
	}
	if s, ok := d.names[string(v)]; ok {
		return s
	}
	s := string(v)
	if d.names == nil {
		d.names = map[string]string{}
	}
	if len(d.names) < maxNames {
		d.names[s] = s
	}
	return s
}

// address makes an address of 4 or 16 bytes.
func address(v []byte) (netip.Addr, bool) {
	switch len(v) {
	case 4:
		return netip.AddrFrom4([4]byte(v)), true
	case 16:
		return netip.AddrFrom16([16]byte(v)), true
	}
	return netip.Addr{}, false
}
