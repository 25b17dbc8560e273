package flow

import (
	"net/netip"
	"strconv"
	"strings"
)

// XMLHead and XMLFoot stand around the flows that [AppendXML] writes, each on a line of its own; the
// conntrack tool prints neither when there is no flow.
const (
	XMLHead = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n"
	XMLFoot = "</conntrack>\n"
)

// AppendXML appends a flow as the conntrack tool's `-o xml` prints it, without the end of the line. The
// tool names SCTP's and DCCP's states by TCP's names for the same numbers; so does this. Of the options
// only Times and Now count: the family and the identity are always there.
func AppendXML(b []byte, fl *Flow, o TextOptions) []byte {
	b = append(b, "<flow>"...)
	b = appendXMLTuple(b, fl, "original", &fl.Orig, &fl.OrigCount, ZoneOrig)
	if fl.Has(HasReply) {
		b = appendXMLTuple(b, fl, "reply", &fl.Reply, &fl.ReplyCount, ZoneReply)
	}
	b = append(b, `<meta direction="independent">`...)
	if fl.Has(HasState) {
		b = appendXMLText(b, "state", MakeState(TCP, fl.State.Number()).String())
	}
	b = appendXMLPart(b, fl, HasTimeout, "timeout", fl.Timeout)
	b = appendXMLPart(b, fl, HasMark, "mark", fl.Mark)
	if fl.Has(HasSecCtx) {
		b = appendXMLText(b, "secctx", fl.SecCtx)
	}
	if fl.ZoneDir == ZoneBoth {
		b = appendXMLPart(b, fl, HasZone, "zone", uint32(fl.Zone))
	}
	b = appendXMLPart(b, fl, HasUse, "use", fl.Use)
	b = appendXMLPart(b, fl, HasID, "id", fl.ID)
	if fl.Status&Assured != 0 {
		b = append(b, "<assured/>"...)
	}
	if fl.Has(HasStatus) && fl.Status&SeenReply == 0 {
		b = append(b, "<unreplied/>"...)
	}
	b = append(appendXMLTimes(b, fl, &o), "</meta>"...)
	if fl.Has(HasHelper) {
		b = appendXMLText(b, "helper", fl.Helper)
	}
	return append(b, "</flow>"...)
}

func appendXMLTuple(b []byte, fl *Flow, direction string, t *Tuple, c *Counters, zone ZoneDir) []byte {
	b = append(append(append(b, `<meta direction="`...), direction...), `"><layer3 protonum="`...)
	b = strconv.AppendUint(b, uint64(fl.Family), 10)
	b = append(append(append(b, `" protoname="`...), fl.Family.String()...), `">`...)
	b = appendXMLAddr(b, "src", t.Src)
	b = appendXMLAddr(b, "dst", t.Dst)
	b = strconv.AppendUint(append(b, `</layer3><layer4 protonum="`...), uint64(t.Proto), 10)
	b = append(append(append(b, `" protoname="`...), t.Proto.Name()...), `">`...)
	switch {
	case t.Proto == GRE:
		b = append(strconv.AppendUint(append(b, "<srckey>0x"...), uint64(t.SrcPort), 16), "</srckey>"...)
		b = append(strconv.AppendUint(append(b, "<dstkey>0x"...), uint64(t.DstPort), 16), "</dstkey>"...)
	case t.Proto.HasPorts():
		b = appendXMLNumber(b, "sport", uint64(t.SrcPort))
		b = appendXMLNumber(b, "dport", uint64(t.DstPort))
	}
	b = append(b, "</layer4>"...)
	if fl.Has(HasZone) && fl.ZoneDir == zone {
		b = appendXMLNumber(b, "zone", uint64(fl.Zone))
	}
	if fl.Has(HasCounters) {
		b = appendXMLNumber(append(b, "<counters>"...), "packets", c.Packets)
		b = append(appendXMLNumber(b, "bytes", c.Bytes), "</counters>"...)
	}
	return append(b, "</meta>"...)
}

func appendXMLTimes(b []byte, fl *Flow, o *TextOptions) []byte {
	if o.Times != nil && (!fl.Start.IsZero() || !fl.Stop.IsZero()) {
		b = append(b, "<timestamp>"...)
		if !fl.Start.IsZero() {
			b = appendXMLNumber(b, "start", uint64(fl.Start.UnixNano()))
		}
		if !fl.Stop.IsZero() {
			b = appendXMLNumber(b, "stop", uint64(fl.Stop.UnixNano()))
		}
		b = append(b, "</timestamp>"...)
	}
	if age, ok := fl.age(o.Now); ok {
		b = appendXMLNumber(b, "deltatime", age)
	}
	return b
}

func appendXMLPart(b []byte, fl *Flow, has Fields, name string, n uint32) []byte {
	if !fl.Has(has) {
		return b
	}
	return appendXMLNumber(b, name, uint64(n))
}

func appendXMLNumber(b []byte, name string, n uint64) []byte {
	b = append(append(append(b, '<'), name...), '>')
	return appendXMLEnd(strconv.AppendUint(b, n, 10), name)
}

func appendXMLAddr(b []byte, name string, a netip.Addr) []byte {
	return appendXMLEnd(appendHost(append(append(append(b, '<'), name...), '>'), a), name)
}

// appendXMLText escapes the text: one that was read from a file may hold anything.
func appendXMLText(b []byte, name, text string) []byte {
	b = append(append(append(b, '<'), name...), '>')
	if strings.ContainsAny(text, "<>&") {
		text = strings.NewReplacer("<", "&lt;", ">", "&gt;", "&", "&amp;").Replace(text)
	}
	return appendXMLEnd(append(b, text...), name)
}

func appendXMLEnd(b []byte, name string) []byte {
	return append(append(append(b, "</"...), name...), '>')
}
