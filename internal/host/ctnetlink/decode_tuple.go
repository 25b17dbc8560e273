package ctnetlink

import (
	"encoding/binary"

	"ctkeeper/internal/conntrack/flow"
)

// tuple fills to from a tuple attribute. A zone inside it belongs to that direction alone.
func (d *decoder) tuple(typ uint16, v []byte, fl *flow.Flow, to *flow.Tuple, dir flow.ZoneDir) error {
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		var err error
		switch {
		case t == tupleIP:
			err = d.tupleIP(typ, a, fl, to)
		case t == tupleProto:
			err = d.tupleProto(typ, a, fl, to)
		case t == tupleZone && len(a) == 2 && dir != flow.ZoneBoth:
			if d.want&flow.HasZone != 0 {
				fl.Present |= flow.HasZone
				fl.Zone, fl.ZoneDir = binary.BigEndian.Uint16(a), dir
			}
		default:
			d.keepNested(fl, a, t, typ)
		}
		if err != nil {
			return err
		}
		v = rest
	}
}

func (d *decoder) tupleIP(typ uint16, v []byte, fl *flow.Flow, to *flow.Tuple) error {
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		switch t {
		case ipV4Src, ipV6Src:
			to.Src, ok = address(a)
		case ipV4Dst, ipV6Dst:
			to.Dst, ok = address(a)
		default:
			d.keepNested(fl, a, t, tupleIP, typ)
		}
		if !ok {
			return d.bad("length of an address")
		}
		v = rest
	}
}

func (d *decoder) tupleProto(typ uint16, v []byte, fl *flow.Flow, to *flow.Tuple) error {
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		if !protoPart(t, a, to) {
			d.keepNested(fl, a, t, tupleProto, typ)
		}
		v = rest
	}
}

// protoPart takes in one attribute of a tuple's protocol part and reports whether it knew it.
func protoPart(t uint16, a []byte, to *flow.Tuple) bool {
	switch len(a) {
	case 2:
		n := binary.BigEndian.Uint16(a)
		switch t {
		case protoSrcPort:
			to.SrcPort = n
		case protoDstPort:
			to.DstPort = n
		case protoICMPID, protoICMPID + protoICMPv6Off:
			to.ICMPID = n
		default:
			return false
		}
	case 1:
		switch t {
		case protoNum:
			to.Proto = flow.Proto(a[0])
		case protoICMPTyp, protoICMPTyp + protoICMPv6Off:
			to.ICMPType = a[0]
		case protoICMPCod, protoICMPCod + protoICMPv6Off:
			to.ICMPCode = a[0]
		default:
			return false
		}
	default:
		return false
	}
	return true
}
