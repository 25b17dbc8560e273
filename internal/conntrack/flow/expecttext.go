package flow

import "strconv"

// AppendText appends the expectation as the conntrack tool lists it, without the end of the line.
func (e *Expectation) AppendText(b []byte) []byte {
	b = append(strconv.AppendUint(b, uint64(e.Timeout), 10), ' ')
	b = appendNumber(b, "proto=", uint64(e.Tuple.Proto))
	b = appendTuple(b, &e.Tuple)
	mask := e.Mask
	mask.Proto = e.Tuple.Proto
	b = append(appendHost(append(b, "mask-src="...), mask.Src), ' ')
	b = append(appendHost(append(b, "mask-dst="...), mask.Dst), ' ')
	b = appendPorts(b, &mask)
	b = append(appendHost(append(b, "master-src="...), e.Master.Src), ' ')
	b = append(appendHost(append(b, "master-dst="...), e.Master.Dst), ' ')
	b = appendPorts(b, &e.Master)
	if e.Zone != 0 {
		b = appendNumber(b, "zone=", uint64(e.Zone))
	}
	b = e.appendFlags(b)
	b = appendNumber(b, "class=", uint64(e.Class))
	b = append(append(append(b, "helper="...), e.Helper...), ' ')
	return b[:len(b)-1]
}

func (e *Expectation) appendFlags(b []byte) []byte {
	end := byte(0)
	for i, name := range [...]string{"PERMANENT", "INACTIVE", "USERSPACE"} {
		if e.Flags&(1<<i) == 0 {
			continue
		}
		if end != 0 {
			b = append(b, ',')
		}
		b, end = append(b, name...), ' '
	}
	if end != 0 {
		b = append(b, end)
	}
	return b
}

// AppendJSON appends the expectation as one JSON object: family, proto, timeout, tuple, mask, master, zone,
// class, helper, flags.
func (e *Expectation) AppendJSON(b []byte) []byte {
	b = append(append(append(b, `{"family":"`...), e.Family.String()...), '"')
	b = append(append(append(b, `,"proto":"`...), e.Tuple.Proto.Name()...), '"')
	b = strconv.AppendUint(append(b, `,"timeout":`...), uint64(e.Timeout), 10)
	mask := e.Mask
	mask.Proto = e.Tuple.Proto
	b = e.Tuple.appendJSON(append(b, `,"tuple":`...), Counters{}, false)
	b = mask.appendJSON(append(b, `,"mask":`...), Counters{}, false)
	b = e.Master.appendJSON(append(b, `,"master":`...), Counters{}, false)
	b = strconv.AppendUint(append(b, `,"zone":`...), uint64(e.Zone), 10)
	b = strconv.AppendUint(append(b, `,"class":`...), uint64(e.Class), 10)
	b = appendString(append(b, `,"helper":`...), e.Helper)
	return append(strconv.AppendUint(append(b, `,"flags":`...), uint64(e.Flags), 10), '}')
}
