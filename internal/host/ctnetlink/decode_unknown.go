package ctnetlink

import "ctkeeper/internal/conntrack/flow"

// keep stores an attribute that this version does not know, as it was received.
func (d *decoder) keep(fl *flow.Flow, whole []byte) {
	if d.want&flow.HasUnknown == 0 {
		return
	}
	fl.Present |= flow.HasUnknown
	fl.UnknownAttrs = append(fl.UnknownAttrs, whole...)
	for len(fl.UnknownAttrs)%4 != 0 {
		fl.UnknownAttrs = append(fl.UnknownAttrs, 0)
	}
}

// keepNested stores an unknown attribute from inside a known one, in a nest of its own with the same
// path (innermost type first).
func (d *decoder) keepNested(fl *flow.Flow, v []byte, typ uint16, path ...uint16) {
	if d.want&flow.HasUnknown == 0 {
		return
	}
	fl.Present |= flow.HasUnknown
	fl.UnknownAttrs = appendUnknown(fl.UnknownAttrs, v, typ, path...)
}

func appendUnknown(b, v []byte, typ uint16, path ...uint16) []byte {
	var starts [4]int
	for i := len(path) - 1; i >= 0; i-- {
		b, starts[i] = openNest(b, path[i])
	}
	b = put(b, typ, v...)
	for i := range path {
		b = closeNest(b, starts[i])
	}
	return b
}
