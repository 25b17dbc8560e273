package flow

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the flow as one JSON object to b, without allocating. What the flow's source did not
// tell is absent. Keys, in order: proto, proto_number, family, state, status, timeout, orig, reply, zone,
// zone_dir, mark, helper, secctx, labels (hexadecimal), start, stop, use, conntrack_id, master.
// A tuple has src, dst, then sport and dport, or type, code and id (ICMP), or srckey and dstkey (GRE),
// then packets and bytes.
func (fl *Flow) AppendJSON(b []byte) []byte {
	b = append(b, `{"proto":"`...)
	b = append(b, fl.Proto().Name()...)
	b = append(b, `","proto_number":`...)
	b = strconv.AppendUint(b, uint64(fl.Proto()), 10)
	b = append(b, `,"family":"`...)
	b = append(b, fl.Family.String()...)
	b = append(b, '"')
	if fl.State != NoState {
		b = append(b, `,"state":"`...)
		b = append(b, fl.State.String()...)
		b = append(b, '"')
	}
	if fl.Has(HasStatus) {
		b = fl.Status.appendJSON(append(b, `,"status":`...))
	}
	if fl.Has(HasTimeout) {
		b = strconv.AppendUint(append(b, `,"timeout":`...), uint64(fl.Timeout), 10)
	}
	counted := fl.Has(HasCounters)
	b = fl.Orig.appendJSON(append(b, `,"orig":`...), fl.OrigCount, counted)
	b = fl.Reply.appendJSON(append(b, `,"reply":`...), fl.ReplyCount, counted)
	return append(fl.appendRest(b), '}')
}

func (fl *Flow) appendRest(b []byte) []byte {
	if fl.Has(HasZone) {
		b = strconv.AppendUint(append(b, `,"zone":`...), uint64(fl.Zone), 10)
		if fl.ZoneDir != ZoneBoth {
			b = append(b, `,"zone_dir":"`...)
			b = append(append(b, [...]string{"", "orig", "reply"}[fl.ZoneDir]...), '"')
		}
	}
	if fl.Has(HasMark) {
		b = strconv.AppendUint(append(b, `,"mark":`...), uint64(fl.Mark), 10)
	}
	if fl.Has(HasHelper) {
		b = appendString(append(b, `,"helper":`...), fl.Helper)
	}
	if fl.Has(HasSecCtx) {
		b = appendString(append(b, `,"secctx":`...), fl.SecCtx)
	}
	if fl.Has(HasLabels) {
		b = append(b, `,"labels":"`...)
		b = append(hex.AppendEncode(b, fl.Labels), '"')
	}
	b = appendTime(b, "start", fl.Start)
	b = appendTime(b, "stop", fl.Stop)
	if fl.Has(HasUse) {
		b = strconv.AppendUint(append(b, `,"use":`...), uint64(fl.Use), 10)
	}
	if fl.Has(HasID) {
		b = strconv.AppendUint(append(b, `,"conntrack_id":`...), uint64(fl.ID), 10)
	}
	if fl.Has(HasMaster) {
		b = fl.Master.appendJSON(append(b, `,"master":`...), Counters{}, false)
	}
	return b
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(t.UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

// MarshalJSON is AppendJSON for encoding/json.
func (fl *Flow) MarshalJSON() ([]byte, error) { return fl.AppendJSON(nil), nil }

func (t *Tuple) appendJSON(b []byte, c Counters, counted bool) []byte {
	b = appendAddr(append(b, `{"src":"`...), t.Src)
	b = appendAddr(append(b, `","dst":"`...), t.Dst)
	b = append(b, '"')
	switch {
	case t.Proto.HasPorts():
		b = appendPair(b, "sport", t.SrcPort, "dport", t.DstPort)
	case t.Proto == GRE:
		b = appendPair(b, "srckey", t.SrcPort, "dstkey", t.DstPort)
	case t.Proto == ICMP, t.Proto == ICMPv6:
		b = appendPair(b, "type", uint16(t.ICMPType), "code", uint16(t.ICMPCode))
		b = strconv.AppendUint(append(b, `,"id":`...), uint64(t.ICMPID), 10)
	}
	if counted {
		b = strconv.AppendUint(append(b, `,"packets":`...), c.Packets, 10)
		b = strconv.AppendUint(append(b, `,"bytes":`...), c.Bytes, 10)
	}
	return append(b, '}')
}

func appendPair(b []byte, name1 string, v1 uint16, name2 string, v2 uint16) []byte {
	b = append(append(append(b, `,"`...), name1...), `":`...)
	b = strconv.AppendUint(b, uint64(v1), 10)
	b = append(append(append(b, `,"`...), name2...), `":`...)
	return strconv.AppendUint(b, uint64(v2), 10)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return a.AppendTo(b)
}

func (s Status) appendJSON(b []byte) []byte {
	b = append(b, '[')
	first := true
	for i, name := range statusNames {
		if bit := Status(1 << i); s&bit == 0 || bit == Confirmed {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), name...), '"')
	}
	return append(b, ']')
}

// String is ipv4 or ipv6, as /proc/net/nf_conntrack writes it.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return "unknown"
}

// appendString appends s as a JSON string; control characters and bytes that are no UTF-8 are replaced.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, "\\ufffd"...)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
