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
	// Now is the time by which a flow's age is told when its start is known; zero leaves it out.
	Now time.Time
}

// AppendText appends a flow as the conntrack tool prints it, without the end of the line.
func AppendText(b []byte, fl *Flow, o TextOptions) []byte {
	if o.Extended {
		b = appendPadded(b, fl.Family.String(), uint64(fl.Family))
	}
	b = appendPadded(b, protoName(fl.Proto()), uint64(fl.Proto()))
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
	b = appendTail(b, fl, o)
	if n := len(b); n > 0 && b[n-1] == ' ' {
		b = b[:n-1]
	}
	return b
}

func appendTail(b []byte, fl *Flow, o TextOptions) []byte {
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
	if fl.Has(HasTimestamp) && !o.Now.IsZero() && !fl.Start.IsZero() {
		b = appendNumber(b, "delta-time=", uint64(max(0, o.Now.Sub(fl.Start)/time.Second)))
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

func appendNumber(b []byte, name string, n uint64) []byte {
	return append(strconv.AppendUint(append(b, name...), n, 10), ' ')
}

// appendPadded appends a name padded to eight characters and a number.
func appendPadded(b []byte, name string, n uint64) []byte {
	b = append(b, name...)
	for i := len(name); i < 8; i++ {
		b = append(b, ' ')
	}
	return append(strconv.AppendUint(append(b, ' '), n, 10), ' ')
}

// protoName is the name that the text forms use: protocols without a tracker of their own have none.
func protoName(p Proto) string {
	if s := p.String(); s[0] > '9' {
		return s
	}
	return "unknown"
}

func appendTuple(b []byte, t *Tuple) []byte {
	b = appendTextAddr(append(b, "src="...), t.Src)
	b = appendTextAddr(append(b, "dst="...), t.Dst)
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

func appendTextAddr(b []byte, a netip.Addr) []byte { return append(a.AppendTo(b), ' ') }

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
