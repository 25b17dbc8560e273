package ctnetlink

import (
	"encoding/binary"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

func (d *decoder) counters(typ uint16, v []byte, fl *flow.Flow, to *flow.Counters) error {
	if d.want&flow.HasCounters == 0 {
		return nil
	}
	fl.Present |= flow.HasCounters
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		switch {
		case t == 1 && len(a) == 8:
			to.Packets = binary.BigEndian.Uint64(a)
		case t == 2 && len(a) == 8:
			to.Bytes = binary.BigEndian.Uint64(a)
		case t == pad:
		default:
			d.keepNested(fl, a, t, typ)
		}
		v = rest
	}
}

// pad is the number of the padding attribute in the nests that hold 64-bit values.
const pad = 3

func (d *decoder) timestamps(v []byte, fl *flow.Flow) error {
	if d.want&flow.HasTimestamp == 0 {
		return nil
	}
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		var err error
		switch t {
		case 1:
			err = d.instant(a, flow.HasTimestamp, fl, &fl.Start)
		case 2:
			err = d.instant(a, flow.HasTimestamp, fl, &fl.Stop)
		case pad:
		default:
			d.keepNested(fl, a, t, attrTimestamp)
		}
		if err != nil {
			return err
		}
		v = rest
	}
}

func (d *decoder) instant(v []byte, has flow.Fields, fl *flow.Flow, to *time.Time) error {
	if len(v) != 8 {
		return d.bad("length of a time")
	}
	if d.want&has == 0 {
		return nil
	}
	fl.Present |= has
	if ns := binary.BigEndian.Uint64(v); ns != 0 {
		*to = time.Unix(0, int64(ns)).UTC()
	}
	return nil
}
