package flow

import (
	"net/netip"
	"strconv"
	"time"
)

// TextOptions say how a line is printed. The zero value is the conntrack tool's list.
type TextOptions struct {
	Extended bool // the family first, as `-o extended`
	ID       bool // the identity last, as `-o id`
	// Times is the zone in whose time it is told when the flow began, as `-o ktimestamp`; nil leaves it out.
	Times *time.Location
	// Now is the time by which a flow's age is told when its start is known; zero leaves it out.
	Now time.Time
}

// AppendText appends a flow as the conntrack tool prints it, without the end of the line.
func AppendText(b []byte, fl *Flow, o TextOptions) []byte {
	if o.Extended {
		b = appendPadded(b, fl.Family.String(), uint64(fl.Family))
	}
	b = appendPadded(b, fl.Proto().Name(), uint64(fl.Proto()))
	if fl.Has(HasTimeout) {
		b = append(strconv.AppendUint(b, uint64(fl.Timeout), 10), ' ')
	}
	if fl.Has(HasState) {
		b = append(append(b, fl.State.String()...), ' ')
	}
	b = appendTuple(b, &fl.Orig)
	b = appendZone(b, fl, ZoneOrig, "zone-orig=")
	b = appendCounters(b, fl, &fl.OrigCount)
	if fl.Has(HasStatus) && fl.Status&SeenReply == 0 {
		b = append(b, "[UNREPLIED] "...)
	}
	if fl.Has(HasReply) {
		b = appendTuple(b, &fl.Reply)
		b = appendZone(b, fl, ZoneReply, "zone-reply=")
		b = appendCounters(b, fl, &fl.ReplyCount)
	}
	b = appendTail(b, fl, &o)
	if n := len(b); n > 0 && b[n-1] == ' ' {
		b = b[:n-1]
	}
	return b
}

func appendTail(b []byte, fl *Flow, o *TextOptions) []byte {
	switch {
	case fl.Status&HWOffload != 0:
		b = append(b, "[HW_OFFLOAD] "...)
	case fl.Status&Offload != 0:
		b = append(b, "[OFFLOAD] "...)
	case fl.Status&Assured != 0:
		b = append(b, "[ASSURED] "...)
	}
	if fl.Has(HasMark) {
		b = appendNumber(b, "mark=", uint64(fl.Mark))
	}
	if fl.Has(HasSecCtx) {
		b = append(append(append(b, "secctx="...), fl.SecCtx...), ' ')
	}
	b = appendZone(b, fl, ZoneBoth, "zone=")
	if fl.Has(HasTimestamp) {
		b = appendTimes(b, fl, o)
	}
	if fl.Has(HasHelper) {
		b = append(append(append(b, "helper="...), fl.Helper...), ' ')
	}
	if fl.Has(HasUse) {
		b = appendNumber(b, "use=", uint64(fl.Use))
	}
	if o.ID && fl.Has(HasID) {
		b = appendNumber(b, "id=", uint64(fl.ID))
	}
	return b
}

// appendTimes appends the age, and when the flow began and ended.
func appendTimes(b []byte, fl *Flow, o *TextOptions) []byte {
	if age, ok := fl.age(o.Now); ok {
		b = appendNumber(b, "delta-time=", age)
	}
	if o.Times == nil {
		return b
	}
	if !fl.Start.IsZero() {
		b = append(fl.Start.In(o.Times).AppendFormat(append(b, "[start="...), time.ANSIC), "] "...)
	}
	if !fl.Stop.IsZero() {
		b = append(fl.Stop.In(o.Times).AppendFormat(append(b, "[stop="...), time.ANSIC), "] "...)
	}
	return b
}

// age is how many seconds a flow lasted, or has lasted now. The clock's whole seconds are compared with
// the start's, as the conntrack tool does: half a second may count as one.
func (fl *Flow) age(now time.Time) (uint64, bool) {
	switch {
	case fl.Start.IsZero():
		return 0, false
	case !fl.Stop.IsZero():
		return uint64(max(0, fl.Stop.Sub(fl.Start)/time.Second)), true
	case now.IsZero():
		return 0, false
	}
	return uint64(max(0, now.Unix()-fl.Start.Unix())), true
}

func appendNumber(b []byte, name string, n uint64) []byte {
	return append(strconv.AppendUint(append(b, name...), n, 10), ' ')
}

// appendPadded appends a name padded to eight characters and a number.
func appendPadded(b []byte, name string, n uint64) []byte {
	const spaces = "         "
	b = append(append(b, name...), spaces[min(len(name), 8):]...)
	return append(strconv.AppendUint(b, n, 10), ' ')
}

func appendTuple(b []byte, t *Tuple) []byte {
	b = append(appendHost(append(b, "src="...), t.Src), ' ')
	b = append(appendHost(append(b, "dst="...), t.Dst), ' ')
	return appendPorts(b, t)
}

// appendPorts appends what a tuple has beside its addresses.
func appendPorts(b []byte, t *Tuple) []byte {
	switch {
	case t.Proto.HasPorts():
		b = appendNumber(b, "sport=", uint64(t.SrcPort))
		b = appendNumber(b, "dport=", uint64(t.DstPort))
	case t.Proto == GRE:
		b = append(strconv.AppendUint(append(b, "srckey=0x"...), uint64(t.SrcPort), 16), ' ')
		b = append(strconv.AppendUint(append(b, "dstkey=0x"...), uint64(t.DstPort), 16), ' ')
	case t.Proto == ICMP || t.Proto == ICMPv6:
		b = appendNumber(b, "type=", uint64(t.ICMPType))
		b = appendNumber(b, "code=", uint64(t.ICMPCode))
		b = appendNumber(b, "id=", uint64(t.ICMPID))
	}
	return b
}

// appendHost appends an address as the C library writes it: one whose first 96 bits are zero, and no
// more, ends as an IPv4 address does.
func appendHost(b []byte, a netip.Addr) []byte {
	if !a.Is6() {
		return a.AppendTo(b)
	}
	raw := a.As16()
	if [12]byte(raw[:]) == [12]byte{} && (raw[12] != 0 || raw[13] != 0) {
		return netip.AddrFrom4([4]byte(raw[12:])).AppendTo(append(b, "::"...))
	}
	return a.AppendTo(b)
}

func appendZone(b []byte, fl *Flow, dir ZoneDir, name string) []byte {
	if fl.Has(HasZone) && fl.ZoneDir == dir {
		b = appendNumber(b, name, uint64(fl.Zone))
	}
	return b
}

func appendCounters(b []byte, fl *Flow, c *Counters) []byte {
	if !fl.Has(HasCounters) {
		return b
	}
	return appendNumber(appendNumber(b, "packets=", c.Packets), "bytes=", c.Bytes)
}
