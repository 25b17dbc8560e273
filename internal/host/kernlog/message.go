package kernlog

import (
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

// classify understands a message that stands without prefix at the start of text.
func classify(text string) (Line, bool) {
	text = strings.TrimRight(text, " \t\r\n\x00")
	for _, f := range []func(string) (Line, bool){conntrackMessage, suppressedMessage, repeatedMessage, synMessage, limitMessage} {
		if l, ok := f(text); ok {
			l.Text = text
			return l, true
		}
	}
	return Line{}, false
}

// conntrackMessage understands what conntrack and its helpers say, with their prefix once or twice.
func conntrackMessage(text string) (Line, bool) {
	rest, family := text, ""
	for {
		name, after, ok := cutModule(rest)
		if !ok {
			break
		}
		rest, family = after, name
	}
	if family == "" {
		return helperMessage(text)
	}
	rest = strings.TrimLeft(rest, " ")
	l := Line{Kind: snapshot.LogConntrackOther, Family: family, Code: otherCode(rest)}
	switch {
	case strings.HasPrefix(rest, "table full"):
		return tableFull(l, rest[len("table full"):])
	case strings.HasPrefix(rest, "maximum limit of "):
		l.Kind, l.Code = snapshot.LogTableFull, "maximum_limit"
		l.Count, _, l.HasCount = cutNumber(rest[len("maximum limit of "):])
	case strings.HasPrefix(rest, "expectation table full"):
		l.Kind, l.Code = snapshot.LogExpectFull, "expectation_full"
	}
	return l, true
}

// tableFull reads what follows "table full": nothing, ", dropping packet", " in netns N, dropping packet".
func tableFull(l Line, rest string) (Line, bool) {
	l.Kind, l.Code = snapshot.LogTableFull, "table_full"
	if after, ok := strings.CutPrefix(rest, " in netns "); ok {
		n, tail, ok := cutNumber(after)
		if !ok {
			return Line{}, false
		}
		l.NetnsInode, l.Code, rest = n, "table_full_netns", tail
	}
	if rest != "" && rest[0] != ',' && rest[0] != '.' && rest[0] != ' ' {
		return Line{}, false
	}
	return l, true
}

// cutModule cuts one module prefix off: "nf_conntrack: ", "ip_conntrack: ", "ip6_conntrack: ",
// "nf_conntrack_ipv6: ", and the banner's "nf_conntrack version".
func cutModule(s string) (family, rest string, ok bool) {
	for _, m := range []struct{ prefix, family string }{
		{"nf_conntrack", modernFamily}, {"ip_conntrack", legacyFamily}, {"ip6_conntrack", legacyFamily},
	} {
		after, ok := strings.CutPrefix(s, m.prefix)
		if !ok {
			continue
		}
		for _, v := range []string{"_ipv4", "_ipv6", "_core", "_l3proto_ipv4", "_l3proto_ipv6"} {
			if a, ok := strings.CutPrefix(after, v+":"); ok {
				after = ":" + a
				break
			}
		}
		if a, ok := strings.CutPrefix(after, ":"); ok {
			return m.family, strings.TrimLeft(a, " "), true
		}
		if strings.HasPrefix(after, " version ") || strings.HasPrefix(after, " (") && strings.Contains(after, " buckets") {
			return m.family, after, true
		}
	}
	return "", "", false
}

func otherCode(rest string) string {
	switch {
	case strings.HasPrefix(rest, "falling back to vmalloc"):
		return "vmalloc"
	case strings.HasPrefix(rest, "version ") || strings.HasPrefix(rest, "("):
		return "banner"
	case strings.HasPrefix(rest, "automatic helper assignment is deprecated"):
		return "helper_deprecated"
	case strings.HasPrefix(rest, "default automatic helper assignment"):
		return "helper_off"
	case strings.HasPrefix(rest, "max number of expected connections"):
		return "expectations_of_helper"
	}
	return "conntrack_other"
}

// helperMessage understands nf_ct_<protocol or helper>: lines, written for log_invalid or by a helper
// that drops, and the generic tracker's advice.
func helperMessage(text string) (Line, bool) {
	l := Line{Kind: snapshot.LogConntrackOther, Family: modernFamily}
	if strings.HasPrefix(text, "conntrack: generic helper won't handle protocol") {
		l.Code = "generic_helper"
		l.Count, _, l.HasCount = cutNumber(strings.TrimLeft(strings.TrimPrefix(text, "conntrack: generic helper won't handle protocol"), " "))
		return l, true
	}
	after, ok := strings.CutPrefix(text, "nf_ct_")
	if !ok {
		if after, ok = strings.CutPrefix(text, "ip_ct_"); !ok {
			return Line{}, false
		}
		l.Family = legacyFamily
	}
	name, rest, ok := strings.Cut(after, ":")
	if !ok || name == "" || strings.ContainsAny(name, " =") {
		return Line{}, false
	}
	l.Subject, l.Code = name, "invalid_logged"
	if strings.HasPrefix(strings.TrimLeft(rest, " "), "dropping packet") {
		l.Code = "helper_dropped"
	}
	return l, true
}

// suppressedMessage understands the lines that a rate limit leaves. Only those of the network warnings'
// own limit stand beside conntrack's messages; any other is of another subsystem.
func suppressedMessage(text string) (Line, bool) {
	text, printk := strings.CutPrefix(text, "printk: ")
	if rest, ok := strings.CutPrefix(text, "Suppressed "); ok { // journald's own limit
		n, after, ok := cutNumber(rest)
		if !ok || !strings.HasPrefix(after, " messages from ") {
			return Line{}, false
		}
		return Line{Kind: snapshot.LogSuppressedNotNet, Code: "suppressed_other", Count: n, HasCount: true, Subject: "journald"}, true
	}
	name, rest, ok := strings.Cut(text, ": ")
	if !ok && printk { // "printk: 4489 messages suppressed."
		name, rest = "printk", text
	}
	n, after, ok := cutNumber(rest)
	if !ok || strings.ContainsRune(name, ' ') {
		return Line{}, false
	}
	l := Line{Kind: snapshot.LogSuppressedNotNet, Code: "suppressed_other", Count: n, HasCount: true, Subject: name}
	switch strings.TrimRight(after, ".") {
	case " callbacks suppressed":
		if name == "net_ratelimit" || name == "__ratelimit" {
			l.Kind, l.Code = snapshot.LogSuppressed, "suppressed"
		}
	case " messages suppressed":
		if name == "printk" || name == "NET" {
			l.Kind, l.Code = snapshot.LogSuppressed, "suppressed"
		}
	case " output lines suppressed due to ratelimiting":
	default:
		return Line{}, false
	}
	return l, true
}

// repeatedMessage understands syslogd's "last message repeated N times".
func repeatedMessage(text string) (Line, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(text, "--- "), "last message repeated ")
	if !ok {
		return Line{}, false
	}
	n, after, ok := cutNumber(rest)
	if !ok || !strings.HasPrefix(after, " time") {
		return Line{}, false
	}
	return Line{Kind: snapshot.LogRepeated, Code: "repeated", Count: n, HasCount: true}, true
}

// synMessage understands the warning of a full accept or request queue, from 2.6 to now.
func synMessage(text string) (Line, bool) {
	i := strings.Index(text, "ossible SYN flooding on port ")
	if i < 1 || i > 64 || text[i-1] != 'p' && text[i-1] != 'P' {
		return Line{}, false
	}
	if head := text[:i-1]; head != "" && !strings.HasSuffix(head, ": ") {
		return Line{}, false
	}
	rest := text[i+len("ossible SYN flooding on port "):]
	port, action, _ := strings.Cut(rest, ". ")
	l := Line{Kind: snapshot.LogSYNFlooding, Code: "syn_cookies", Subject: strings.TrimRight(port, ".")}
	if strings.HasPrefix(strings.ToLower(strings.TrimLeft(action, " ")), "dropping") {
		l.Code = "syn_dropped"
	}
	return l, true
}

// limitMessage understands the messages of the other limits that a full table is taken for.
func limitMessage(text string) (Line, bool) {
	low := strings.ToLower(text[:min(len(text), 160)])
	low = strings.ReplaceAll(low, "neighbour table", "neighbor table")
	for _, m := range limitMessages {
		i := strings.Index(low, m.words)
		if i < 0 || i > 0 && !strings.HasSuffix(low[:i], ": ") || i > 48 {
			continue
		}
		l := Line{Kind: m.kind, Code: m.code}
		switch m.kind {
		case snapshot.LogNeighbourOverflow:
			l.Subject = tableName(low[:i])
		case snapshot.LogFiles:
			l.Count, _, l.HasCount = cutNumber(low[len(m.words)+i:])
		case snapshot.LogFork:
			l.Subject = strings.TrimSpace(strings.TrimPrefix(text[len(m.words)+i:], " in"))
		}
		return l, true
	}
	return Line{}, false
}

var limitMessages = [...]struct {
	words string
	kind  snapshot.LogKind
	code  string
}{
	{"neighbor table overflow", snapshot.LogNeighbourOverflow, "neighbour_overflow"},
	{"tcp: out of memory", snapshot.LogSocketMemory, "socket_memory"},
	{"out of socket memory", snapshot.LogSocketMemory, "socket_memory"},
	{"too many orphaned sockets", snapshot.LogOrphans, "orphans"},
	{"too many of orphaned sockets", snapshot.LogOrphans, "orphans"},
	{"time wait bucket table overflow", snapshot.LogTimeWaitOverflow, "time_wait_overflow"},
	{"route cache is full", snapshot.LogRouteCache, "route_cache"},
	{"dst cache overflow", snapshot.LogRouteCache, "route_cache"},
	{"vfs: file-max limit ", snapshot.LogFiles, "file_limit"},
	{"fork rejected by pids controller", snapshot.LogFork, "fork_rejected"},
}

// tableName is the neighbour table that a prefix names, "" when it names none.
func tableName(prefix string) string {
	for _, t := range []string{"arp_cache", "ndisc_cache", "clip_arp_cache"} {
		if strings.Contains(prefix, t) {
			return t
		}
	}
	return ""
}

// cutNumber reads the decimal number at the start of s.
func cutNumber(s string) (n uint64, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseUint(s[:i], 10, 64)
	return n, s[i:], err == nil
}
