package filter

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// term reads one condition.
func (p *parser) term() (node, error) {
	if p.done() {
		return nil, p.errorf("a condition is missing")
	}
	word := p.peek()
	if n, ok := bareTerm(word); ok {
		p.at++
		return n, nil
	}
	p.at++
	switch word {
	case "src", "dst", "reply-src", "reply-dst", "addr", "host":
		return p.addr(word)
	case "sport", "dport", "port":
		return p.port(word)
	case "timeout", "idle", "packets", "bytes":
		return p.compare(word)
	case "proto", "family", "state", "status", "mark", "zone", "helper":
		return p.named(word)
	}
	return nil, p.badValue("unknown condition %q", word)
}

// bareTerm knows the conditions that are one word.
func bareTerm(word string) (node, bool) {
	switch word {
	case "ipv4":
		return familyTerm(flow.IPv4), true
	case "ipv6":
		return familyTerm(flow.IPv6), true
	case "unreplied":
		return statusTerm{0, flow.SeenReply, false}, true
	case "snat":
		return statusTerm{flow.SrcNAT, flow.SrcNAT, false}, true
	case "dnat":
		return statusTerm{flow.DstNAT, flow.DstNAT, false}, true
	case "nat":
		return statusTerm{0, flow.SrcNAT | flow.DstNAT, true}, true
	}
	if proto, ok := flow.ParseProto(word); ok && (word[0] < '0' || word[0] > '9') {
		return protoTerm(proto), true
	}
	if bit, ok := flow.ParseStatus(strings.ToUpper(strings.ReplaceAll(word, "-", "_"))); ok && word != "helper" {
		return statusTerm{bit, bit, false}, true
	}
	return nil, false
}

func (p *parser) addr(word string) (node, error) {
	p.accept("=", "==")
	text, err := p.word(word)
	if err != nil {
		return nil, err
	}
	prefix, ok := parsePrefix(text)
	if !ok {
		return nil, p.badValue("%q is no address or prefix", text)
	}
	sides := map[string]side{"src": origSrc, "dst": origDst, "reply-src": replySrc, "reply-dst": replyDst}
	s, ok := sides[word]
	if !ok {
		s = anySide
	}
	return &addrTerm{s, prefix}, nil
}

func parsePrefix(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix.Masked(), true
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

func (p *parser) port(word string) (node, error) {
	p.accept("=", "==")
	text, err := p.word(word)
	if err != nil {
		return nil, err
	}
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		first, last, isRange = strings.Cut(text, ":")
	}
	if !isRange {
		last = first
	}
	lo, errLo := strconv.ParseUint(first, 10, 16)
	hi, errHi := strconv.ParseUint(last, 10, 16)
	if errLo != nil || errHi != nil || lo > hi {
		return nil, p.badValue("%q is no port or range of ports (0-65535)", text)
	}
	s := anySide
	switch word {
	case "sport":
		s = origSrc
	case "dport":
		s = origDst
	}
	return portTerm{s, uint16(lo), uint16(hi)}, nil
}

func (p *parser) compare(word string) (node, error) {
	op := ""
	for _, o := range [...]string{"<=", ">=", "!=", "==", "<", ">", "="} {
		if p.accept(o) {
			op = o
			break
		}
	}
	if op == "" {
		return nil, p.errorf("%s needs one of < <= = >= > !=", word)
	}
	text, err := p.word(word)
	if err != nil {
		return nil, err
	}
	what := map[string]quantity{"timeout": qTimeout, "idle": qIdle, "packets": qPackets, "bytes": qBytes}[word]
	parse, kind := parseAmount, "number (1000, 10k, 1M)"
	if what == qTimeout || what == qIdle {
		parse, kind = parseSeconds, "duration (90, 90s, 5m, 1h, 2d)"
	}
	v, ok := parse(text)
	if !ok {
		return nil, p.badValue("%q is no %s", text, kind)
	}
	return compareTerm{what, op, v}, nil
}

// parseSeconds reads a duration: seconds, Go's units, or days.
func parseSeconds(s string) (uint64, bool) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return n, true
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return n * 86400, err == nil
	}
	d, err := time.ParseDuration(s)
	return uint64(d / time.Second), err == nil && d >= 0
}

// parseAmount reads a number with an optional decimal k, M or G.
func parseAmount(s string) (uint64, bool) {
	factor := uint64(1)
	if n := len(s); n > 1 {
		switch s[n-1] {
		case 'k', 'K':
			factor = 1e3
		case 'm', 'M':
			factor = 1e6
		case 'g', 'G':
			factor = 1e9
		}
		if factor > 1 {
			s = s[:n-1]
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return n * factor, err == nil
}

func (p *parser) named(word string) (node, error) {
	p.accept("=", "==")
	text, err := p.word(word)
	if err != nil {
		return nil, err
	}
	n, ok := namedTerm(word, text)
	if !ok {
		return nil, p.badValue("%q is no %s", text, word)
	}
	return n, nil
}

func namedTerm(word, text string) (node, bool) {
	switch word {
	case "proto":
		proto, ok := flow.ParseProto(strings.ToLower(text))
		return protoTerm(proto), ok
	case "family":
		return familyNode(strings.ToLower(text))
	case "state":
		return stateNode(strings.ToUpper(text))
	case "status":
		return statusNode(strings.ToUpper(text))
	case "mark":
		return markNode(text)
	case "zone":
		zone, err := strconv.ParseUint(text, 0, 16)
		return zoneTerm(zone), err == nil
	}
	return helperTerm(text), true
}

func familyNode(text string) (node, bool) {
	switch text {
	case "ipv4", "inet", "4":
		return familyTerm(flow.IPv4), true
	case "ipv6", "inet6", "6":
		return familyTerm(flow.IPv6), true
	}
	return nil, false
}

func stateNode(text string) (node, bool) {
	var t stateTerm
	found := false
	for i, proto := range [...]flow.Proto{flow.TCP, flow.SCTP, flow.DCCP} {
		if s, ok := flow.ParseState(proto, text); ok {
			t[i], found = s, true
		}
	}
	return t, found
}

// statusNode reads the conntrack tool's list: names joined by commas, all of which must hold.
func statusNode(text string) (node, bool) {
	var t statusTerm
	for name := range strings.SplitSeq(text, ",") {
		switch name {
		case "UNREPLIED", "UNSET":
			t.mask |= flow.SeenReply
			continue
		}
		bit, ok := flow.ParseStatus(name)
		if !ok {
			return nil, false
		}
		t.mask |= bit
		t.value |= bit
	}
	return t, true
}

func markNode(text string) (node, bool) {
	value, mask, masked := strings.Cut(text, "/")
	v, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return nil, false
	}
	m := uint64(0xffffffff)
	if masked {
		if m, err = strconv.ParseUint(mask, 0, 32); err != nil {
			return nil, false
		}
	}
	return markTerm{uint32(v & m), uint32(m)}, true
}
