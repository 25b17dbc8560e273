package packet

import "encoding/binary"

// martian reports IPv4 addresses that routing refuses whatever its tables: a multicast or broadcast
// source, and 0.0.0.0, which may only be the source of a broadcast (ip_route_input_slow; 6.18).
func martian(ip []byte) bool {
	src, dst := binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:])
	const broadcast = 0xffffffff
	switch {
	case src>>28 == 14 || src == broadcast:
		return true
	case dst == broadcast || src|dst == 0 || dst>>28 == 14:
		return false
	}
	return src == 0 || dst == 0
}

// Kinds of IPv4 options that are looked at.
const (
	optionEnd         = 0
	optionNone        = 1
	optionRecordRoute = 7
	optionTimestamp   = 0x44
	optionLooseRoute  = 0x83
	optionStrictRoute = 0x89
	optionRouterAlert = 0x94
	optionCIPSO       = 0x86
)

// options reports whether the IP layer takes a packet with these IPv4 options: well formed, each at most
// once, and no source route, which hosts and routers refuse by default.
func options(o []byte) bool {
	var seen [256]bool
	for len(o) > 0 {
		kind := o[0]
		switch kind {
		case optionEnd:
			return true
		case optionNone:
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return false
		}
		if !optionFits(o[:o[1]]) || seen[kind] && (kind == optionRecordRoute || kind == optionTimestamp || kind == optionCIPSO) {
			return false
		}
		seen[kind] = true
		o = o[o[1]:]
	}
	return true
}

// optionFits checks one option; the third byte of those that routers write to points behind what is written.
func optionFits(o []byte) bool {
	n := len(o)
	switch o[0] {
	case optionLooseRoute, optionStrictRoute:
		return false
	case optionRecordRoute:
		return n >= 3 && o[2] >= 4 && (int(o[2]) > n || int(o[2])+3 <= n)
	case optionTimestamp:
		if n < 4 || o[2] < 5 {
			return false
		}
		kind, at := o[3]&15, int(o[2])
		if at > n {
			return kind == 3 || o[3]>>4 != 15
		}
		return at+3 <= n && (kind != 1 && kind != 3 || at+7 <= n)
	case optionRouterAlert:
		return n >= 4
	case optionCIPSO:
		return cipsoFits(o)
	}
	return true
}

// cipsoFits checks a security label: a domain other than 0, then tags, each with its length.
func cipsoFits(o []byte) bool {
	if len(o) < 8 || binary.BigEndian.Uint32(o[2:]) == 0 {
		return false
	}
	for tags := o[6:]; len(tags) > 0; tags = tags[tags[1]:] {
		if len(tags) < 2 || tags[1] < 2 || int(tags[1]) > len(tags) {
			return false
		}
	}
	return true
}

// headless reports the first fragment of an IPv6 packet that does not hold the headers up to the
// transport's. Defragmentation leaves it alone, so that conntrack sees it as it came.
func headless(ip []byte, at int) bool {
	if binary.BigEndian.Uint16(ip[4:]) == 0 {
		return true
	}
	if binary.BigEndian.Uint16(ip[at+2:])&0xfff8 != 0 {
		return false
	}
	next, body, ok := skipHeaders(ip[at], ip[at+8:])
	if !ok {
		return false
	}
	switch next {
	case protoTCP:
		return len(body) < 20
	case protoUDP, protoICMPv6:
		return len(body) < 8
	}
	return len(body) < 1
}
