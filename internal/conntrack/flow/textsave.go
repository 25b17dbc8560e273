package flow

import (
	"encoding/binary"
	"strconv"
)

// AppendSave appends the options by which the conntrack tool adds this flow to a table, as its
// `-o save` prints them: marks, labels, helpers and counters are not among them. The tool has no name
// for SCTP's HEARTBEAT states, and turns verification tags round on little-endian machines; so does this.
func AppendSave(b []byte, fl *Flow) []byte {
	b = append(b, "-A "...)
	if fl.Has(HasTimeout) {
		b = appendNumber(b, "-t ", uint64(fl.Timeout))
	}
	if fl.Has(HasStatus) {
		b = appendSavedStatus(b, fl.Status)
	}
	if fl.Has(HasZone) {
		b = appendNumber(b, [...]string{"-w ", "--orig-zone ", "--reply-zone "}[fl.ZoneDir], uint64(fl.Zone))
	}
	b = append(appendHost(append(b, "-s "...), fl.Orig.Src), ' ')
	b = append(appendHost(append(b, "-d "...), fl.Orig.Dst), ' ')
	if fl.Has(HasReply) {
		b = appendSavedReply(b, fl)
	}
	b = appendSavedProto(append(b, "-p "...), fl)
	return b[:len(b)-1]
}

func appendSavedStatus(b []byte, s Status) []byte {
	b = append(b, "-u "...)
	start := len(b)
	for _, bit := range [...]Status{Expected, SeenReply, Assured, FixedTimeout} {
		if s&bit == 0 {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, bit.name()...)
	}
	if len(b) == start {
		b = append(b, "UNSET"...)
	}
	return append(b, ' ')
}

// appendSavedReply appends the reply's addresses: by the options for translation where the kernel
// translated them.
func appendSavedReply(b []byte, fl *Flow) []byte {
	src, dst := "-r ", "-q "
	if fl.Status&(DstNAT|DstNATDone) != 0 && fl.Reply.Src != fl.Orig.Dst {
		src = "-g "
	}
	if fl.Status&(SrcNAT|SrcNATDone) != 0 && fl.Reply.Dst != fl.Orig.Src {
		dst = "-n "
	}
	b = append(appendHost(append(b, src...), fl.Reply.Src), ' ')
	return append(appendHost(append(b, dst...), fl.Reply.Dst), ' ')
}

func appendSavedProto(b []byte, fl *Flow) []byte {
	p := fl.Proto()
	b = append(append(b, p.String()...), ' ')
	switch {
	case p == ICMP:
		return appendSavedICMP(b, &fl.Orig, "--icmp-type ", "--icmp-code ", "--icmp-id ")
	case p == ICMPv6:
		return appendSavedICMP(b, &fl.Orig, "--icmpv6-type ", "--icmpv6-code ", "--icmpv6-id ")
	case p == GRE:
		return appendSavedPorts(b, fl, [...]string{"--srckey ", "--dstkey ", "--reply-key-src ", "--reply-key-dst "})
	case p == DCCP && !fl.Has(HasState):
		return b // this kernel does not track it: there are no ports
	case p.HasPorts():
		b = appendSavedPorts(b, fl, [...]string{"--sport ", "--dport ", "--reply-port-src ", "--reply-port-dst "})
	}
	if fl.Has(HasState) {
		b = append(append(append(b, "--state "...), savedState(fl.State)...), ' ')
	}
	if p == SCTP && fl.Has(HasProtoInfo) {
		b = appendNumber(b, "--orig-vtag ", uint64(turned(fl.SCTP.VTagOrig)))
		b = appendNumber(b, "--reply-vtag ", uint64(turned(fl.SCTP.VTagReply)))
	}
	return b
}

func appendSavedICMP(b []byte, t *Tuple, typ, code, id string) []byte {
	b = appendNumber(b, typ, uint64(t.ICMPType))
	b = appendNumber(b, code, uint64(t.ICMPCode))
	return appendNumber(b, id, uint64(t.ICMPID))
}

func appendSavedPorts(b []byte, fl *Flow, names [4]string) []byte {
	ports := [...]uint16{fl.Orig.SrcPort, fl.Orig.DstPort, fl.Reply.SrcPort, fl.Reply.DstPort}
	n := len(ports)
	if !fl.Has(HasReply) {
		n = 2
	}
	for i, port := range ports[:n] {
		b = append(strconv.AppendUint(append(b, names[i]...), uint64(port), 10), ' ')
	}
	return b
}

func savedState(s State) string {
	if s == SCTPHeartbeatSent || s == SCTPHeartbeatAcked {
		return "(null)"
	}
	return s.String()
}

// turned is a big-endian number read as the machine's.
func turned(n uint32) uint32 {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return binary.NativeEndian.Uint32(b[:])
}
