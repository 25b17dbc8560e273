// Package kernlog reads the kernel's log: the grammar of the messages that matter when packets are
// refused, behind every prefix that a log puts before them, and the places where a log is kept.
//
//	line, ok := kernlog.Parse([]byte("<4>[  236.917295] nf_conntrack: nf_conntrack: table full, dropping packet"))
//	log, missing := kernlog.Host(ctx, hostfs.FS{}, kernlog.Options{Booted: booted})
//
// [Parse] and everything that it calls is pure. [Read] sums one source into a [Summary] in bounded memory;
// [Host] does so for every source of a host.
//
// What a log can tell is *that* something happened and *when*. The kernel's rate limit is shared by all
// network warnings, and a short burst leaves no "suppressed" line, so a number of lines is a lower bound
// and never a number of refused packets: that comes from the kernel's counters, which this room does not read.
package kernlog

import (
	"bytes"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

// Families of conntrack's messages.
const (
	modernFamily = "nf_conntrack"
	legacyFamily = "ip_conntrack"
)

// Line is one message that was understood.
type Line struct {
	Kind snapshot.LogKind
	// Code tells messages of one Kind apart: "table_full", "maximum_limit", "syn_cookies",
	// "syn_dropped", "invalid_logged", …; it has a sentence in the wording as "log_" + Code.
	Code string
	// Family is nf_conntrack or ip_conntrack for conntrack's own messages.
	Family string
	// NetnsInode is the namespace that the message names; 0 when it names none.
	NetnsInode uint64
	// Count is the number that the message gives: lines suppressed, repetitions, the limit reached.
	// HasCount tells it apart from a message that gives none.
	Count    uint64
	HasCount bool
	// Subject is what the message is about: a port, a table, a cgroup, the function that was limited.
	Subject string
	// Repeats is the number of repetitions of this very message that the line stands for
	// ("message repeated 5 times: [ … ]"); the message itself stands on a line of its own.
	Repeats uint64
	Stamp   Stamp
	// Text is the message without its prefix.
	Text string
}

// Conntrack reports whether the message is conntrack's own.
func (l Line) Conntrack() bool {
	switch l.Kind {
	case snapshot.LogTableFull, snapshot.LogExpectFull, snapshot.LogConntrackOther:
		return true
	}
	return false
}

// maxText bounds what of one line is looked at.
const maxText = 16 << 10

// marks are byte sequences of which every message holds at least one; what holds none is not looked at.
var marks = [...][]byte{
	[]byte("conntrack"), []byte("nf_ct_"), []byte("ppressed"), []byte(" repeated "), []byte("SYN flooding"),
	[]byte("overflow"), []byte("out of memory"), []byte("Out of socket memory"), []byte("orphaned sockets"),
	[]byte("file-max limit"), []byte("fork rejected"), []byte("Route cache is full"),
}

func marked(line []byte) bool {
	for _, m := range marks {
		if bytes.Contains(line, m) {
			return true
		}
	}
	return false
}

// Parse reads one line of a kernel log, whatever prefix stands before the message. It reports false for
// a line that holds none of the known messages, and for one that another program wrote: a shell's
// history that quotes the kernel is no evidence.
func Parse(line []byte) (Line, bool) {
	if len(line) > maxText {
		line = line[:maxText]
	}
	if !marked(line) {
		return Line{}, false
	}
	p := strip(toText(string(line)))
	if p.foreign {
		return Line{Stamp: p.stamp}, false
	}
	return p.line, p.known
}

// Search finds a known message anywhere in a text that a person typed or pasted: quoted, cut, with
// words before it. Logs are read with [Parse], which is strict.
func Search(text string) (Line, bool) {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = toText(text)
	for _, line := range strings.Split(text, "\n") {
		if l, ok := Parse([]byte(line)); ok {
			return l, true
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	for i := range text {
		if i > 0 && isWordByte(text[i-1]) {
			continue
		}
		if l, ok := classify(text[i:]); ok {
			return l, true
		}
	}
	return loose(text)
}

// loose understands the few words that people remember of a message.
func loose(text string) (Line, bool) {
	low := strings.ToLower(text)
	for _, w := range []struct{ words, message string }{
		{"expectation table full", "nf_conntrack: expectation table full"},
		{"table full", "nf_conntrack: table full, dropping packet"},
		{"syn flooding", "possible SYN flooding on port 0. Sending cookies."},
		{"neighbour table overflow", "Neighbour table overflow."},
		{"neighbor table overflow", "Neighbour table overflow."},
		{"out of socket memory", "Out of socket memory"},
		{"too many orphaned sockets", "TCP: too many orphaned sockets"},
		{"time wait bucket table overflow", "TCP: time wait bucket table overflow"},
		{"route cache is full", "Route cache is full: consider increasing sysctl net.ipv6.route.max_size."},
		{"fork rejected by pids controller", "cgroup: fork rejected by pids controller"},
	} {
		if strings.Contains(low, w.words) {
			l, ok := classify(w.message)
			l.Text, l.Subject = text, ""
			return l, ok
		}
	}
	return Line{}, false
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
