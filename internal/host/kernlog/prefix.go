package kernlog

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// stripped is a line without its prefixes.
type stripped struct {
	line    Line
	known   bool
	stamp   Stamp
	foreign bool // another program wrote the line
	rest    string
	repeats uint64
	// dated tells that a date was met, after which host and program names may stand.
	dated bool
}

// maxPrefixes bounds how many prefixes may stand one before the other (a container's JSON around a
// kubelet's line around syslog's around the kernel's own is six).
const maxPrefixes = 16

// strip cuts prefixes off until a known message stands at the start, or nothing more is understood.
func strip(text string) stripped {
	p := stripped{rest: text}
	for range maxPrefixes {
		p.rest = strings.TrimLeft(p.rest, " \t\ufeff")
		if l, ok := classify(p.rest); ok {
			l.Stamp, l.Repeats = p.stamp, p.repeats
			p.line, p.known = l, true
			return p
		}
		if !p.cut() {
			return p
		}
	}
	return p
}

// cut removes one prefix and reports whether there was one.
func (p *stripped) cut() bool {
	if p.rest == "" || p.foreign {
		return false
	}
	for _, f := range []func(*stripped) bool{
		(*stripped).cutJSON, (*stripped).cutKmsg, (*stripped).cutPriority, (*stripped).cutLevel, (*stripped).cutKlog,
		(*stripped).cutDate, (*stripped).cutBracket, (*stripped).cutStream, (*stripped).cutRFC5424,
		(*stripped).cutField, (*stripped).cutRepeat, (*stripped).cutTag,
	} {
		if f(p) {
			return true
		}
	}
	return false
}

// see keeps the best stamp: a time of day from the outermost prefix, a time since boot beside it.
func (p *stripped) see(s Stamp) {
	if !s.Wall.IsZero() && p.stamp.Wall.IsZero() {
		p.stamp.Wall, p.stamp.Year, p.stamp.Zone = s.Wall, s.Year, s.Zone
	}
	if s.HasBoot && !p.stamp.HasBoot {
		p.stamp.Boot, p.stamp.HasBoot = s.Boot, true
	}
}

// cutPriority reads <4> or <4>1 (RFC 5424's version). A facility other than the kernel's is foreign in
// dmesg and kmsg, but syslog relays write the kernel's lines under others too, so it only ends here.
func (p *stripped) cutPriority() bool {
	if p.rest[0] != '<' {
		return false
	}
	n, rest, ok := cutNumber(p.rest[1:])
	if !ok || n > 191 || !strings.HasPrefix(rest, ">") {
		return false
	}
	p.rest = rest[1:]
	if after, ok := strings.CutPrefix(p.rest, "1 "); ok {
		p.rest = after
	}
	return true
}

// cutKmsg reads a record of /dev/kmsg: "4,1234,236917295,-;text".
func (p *stripped) cutKmsg() bool {
	head, text, ok := strings.Cut(p.rest, ";")
	if !ok || len(head) > 96 {
		return false
	}
	parts := strings.Split(head, ",")
	if len(parts) < 4 {
		return false
	}
	pri, errP := strconv.ParseUint(parts[0], 10, 32)
	_, errS := strconv.ParseUint(parts[1], 10, 64)
	usec, errT := strconv.ParseUint(parts[2], 10, 63)
	if errP != nil || errS != nil || errT != nil || usec > 1<<53 {
		return false
	}
	p.foreign = pri>>3 != 0
	p.see(Stamp{Boot: time.Duration(usec) * time.Microsecond, HasBoot: true})
	p.rest = text
	return true
}

// cutLevel reads what dmesg -x writes: "kern  :warn  : ".
func (p *stripped) cutLevel() bool {
	facility, rest, ok := strings.Cut(p.rest, ":")
	if !ok || len(facility) > 8 {
		return false
	}
	level, rest, ok := strings.Cut(rest, ":")
	if !ok || len(level) > 8 {
		return false
	}
	switch strings.TrimRight(level, " ") {
	case "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug":
	default:
		return false
	}
	p.foreign = strings.TrimRight(facility, " ") != "kern"
	p.rest = rest
	return true
}

// cutKlog reads the header that Kubernetes programs write: "W1106 02:39:55.123456   1234 file.go:12] ".
func (p *stripped) cutKlog() bool {
	s := p.rest
	if len(s) < 20 || !strings.ContainsRune("IWEFD", rune(s[0])) {
		return false
	}
	month, errM := strconv.Atoi(s[1:3])
	day, errD := strconv.Atoi(s[3:5])
	if errM != nil || errD != nil || month < 1 || month > 12 || day < 1 || day > 31 || s[5] != ' ' {
		return false
	}
	clock, rest, ok := cutClock(s[6:])
	if !ok {
		return false
	}
	head, text, ok := strings.Cut(rest, "] ")
	if !ok || len(head) > 128 {
		return false
	}
	p.see(Stamp{Wall: time.Date(4, time.Month(month), day, 0, 0, 0, 0, time.UTC).Add(clock)})
	p.rest = strings.TrimPrefix(strings.TrimLeft(text, " "), `"`)
	return true
}

// cutDate reads a date at the start, or a clock alone.
func (p *stripped) cutDate() bool {
	s, rest, ok := cutISO(p.rest)
	if !ok {
		s, rest, ok = cutBSD(p.rest)
	}
	if !ok {
		if word, after := cutWord(p.rest); weekday(word) && len(word) <= 5 { // journalctl -o short-full
			s, rest, ok = cutISO(strings.TrimLeft(after, " "))
		}
	}
	if !ok {
		if _, after, isClock := cutClock(p.rest); isClock && strings.HasPrefix(after, " ") {
			p.rest, p.dated = after, true
			return true
		}
		return p.cutUnix()
	}
	p.see(s)
	p.rest, p.dated = rest, true
	return true
}

// cutUnix reads journalctl -o short-unix: seconds since 1970 with a fraction.
func (p *stripped) cutUnix() bool {
	word, rest := cutWord(p.rest)
	dot := strings.IndexByte(word, '.')
	if dot < 9 || dot > 11 {
		return false
	}
	sec, after, ok := cutNumber(word)
	if !ok || sec > 1<<40 {
		return false
	}
	frac, tail := cutFraction(after)
	if tail != "" {
		return false
	}
	p.see(Stamp{Wall: time.Unix(int64(sec), int64(frac)).UTC(), Year: true, Zone: true})
	p.rest, p.dated = rest, true
	return true
}

// cutBracket reads [ 236.917295], [Mon Nov 23 20:05:30 2026], [T1234] and [236.9 <    0.1>].
func (p *stripped) cutBracket() bool {
	if p.rest[0] != '[' {
		return false
	}
	inside, rest, ok := strings.Cut(p.rest[1:], "]")
	if !ok || len(inside) > 64 {
		return false
	}
	inside = strings.TrimSpace(inside)
	if i := strings.IndexByte(inside, '<'); i >= 0 {
		inside = strings.TrimSpace(inside[:i])
	}
	if s, ok := bootStamp(inside); ok {
		p.see(s)
	} else if s, _, ok := cutBSD(inside); ok {
		p.see(s)
	} else if s, _, ok := cutISO(inside); ok {
		p.see(s)
	} else if !callerOrDelta(inside) {
		return false
	}
	// The kernel's own stamp may stand after "host kernel:" or instead of a date, with a host behind it.
	p.rest, p.dated = rest, true
	return true
}

func bootStamp(s string) (Stamp, bool) {
	sec, rest, ok := cutNumber(s)
	if !ok || sec > 1<<32 {
		return Stamp{}, false
	}
	frac, tail := cutFraction(rest)
	if tail != "" {
		return Stamp{}, false
	}
	return Stamp{Boot: time.Duration(sec)*time.Second + frac, HasBoot: true}, true
}

// callerOrDelta recognizes [T12], [C0], [    T1], [  +0.000012] and [Nov23 20:05].
func callerOrDelta(s string) bool {
	if s == "" {
		return true
	}
	if _, ok := bootStamp(strings.TrimLeft(s[1:], " ")); ok && strings.ContainsRune("TC+", rune(s[0])) {
		return true
	}
	word, rest := cutWord(s)
	return len(word) >= 4 && len(word) <= 8 && parseMonth(strings.TrimRight(word, "0123456789")) != 0 && strings.Contains(rest, ":")
}

// cutStream reads what container runtimes put after the date: "stdout F ".
func (p *stripped) cutStream() bool {
	for _, s := range []string{"stdout ", "stderr "} {
		rest, ok := strings.CutPrefix(p.rest, s)
		if ok && len(rest) > 2 && (rest[:2] == "F " || rest[:2] == "P ") {
			p.rest, p.dated = rest[2:], false
			return true
		}
	}
	return false
}

// cutRFC5424 reads "host kernel - - - text" after the date.
func (p *stripped) cutRFC5424() bool {
	if !p.dated {
		return false
	}
	parts := strings.SplitN(p.rest, " ", 5)
	if len(parts) < 5 || !strings.HasPrefix(parts[4], "-") && !strings.HasPrefix(parts[4], "[") {
		return false
	}
	if parts[1] != "kernel" && parts[1] != "-" {
		if !strings.HasSuffix(parts[1], ":") && parts[3] == "-" {
			p.foreign = !carrier(parts[1])
		} else {
			return false
		}
	}
	data := parts[4]
	if after, ok := strings.CutPrefix(data, "- "); ok {
		p.rest = after
		return true
	}
	for strings.HasPrefix(data, "[") {
		_, after, ok := strings.Cut(data, "]")
		if !ok {
			return false
		}
		data = after
	}
	if data == "-" {
		data = ""
	}
	p.rest = data
	return true
}

// cutField reads one field of journalctl -o verbose or -o export: "MESSAGE=text".
func (p *stripped) cutField() bool {
	rest, ok := strings.CutPrefix(p.rest, "MESSAGE=")
	if ok {
		p.rest = rest
	}
	return ok
}

// cutRepeat reads rsyslog's "message repeated 5 times: [ text]".
func (p *stripped) cutRepeat() bool {
	rest, ok := strings.CutPrefix(p.rest, "message repeated ")
	if !ok {
		return false
	}
	n, rest, ok := cutNumber(rest)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, " times: [")
	if !ok {
		return false
	}
	p.repeats = n
	p.rest = strings.TrimSuffix(strings.TrimRight(rest, " \r\n"), "]")
	return true
}

// cutTag reads the host and the program's name: "vn197 kernel: ", "kernel: ", "node kubelet[12]: ".
func (p *stripped) cutTag() bool {
	word, rest := cutWord(p.rest)
	if !strings.HasSuffix(word, ":") {
		if !p.dated || word == "" { // a host name stands only after a date
			return false
		}
		p.rest, p.dated = rest, false
		return rest != ""
	}
	p.dated = false
	name, _, _ := strings.Cut(strings.TrimSuffix(word, ":"), "[")
	if name == "kernel" || name == "vmunix" || carrier(name) {
		p.rest = rest
		return true
	}
	p.foreign = true
	return false
}

// carrier reports whether a program hands on the kernel's lines as they are.
func carrier(program string) bool {
	switch program {
	case "kernel", "klogd", "kubelet", "k3s", "rke2", "node-problem-detector", "containerd", "dockerd", "dmesg", "journal", "kmsg":
		return true
	}
	return false
}

// jsonLine holds the fields of the JSON logs that are known: journald's, docker's, dmesg's, and what
// most shippers write.
type jsonLine struct {
	Message    json.RawMessage `json:"MESSAGE"` // also "message": encoding/json ignores case
	Msg        string          `json:"msg"`
	Log        string          `json:"log"`
	Transport  string          `json:"_TRANSPORT"`
	Identifier string          `json:"SYSLOG_IDENTIFIER"`
	Realtime   string          `json:"__REALTIME_TIMESTAMP"`
	Source     string          `json:"_SOURCE_REALTIME_TIMESTAMP"`
	Boot       string          `json:"_SOURCE_MONOTONIC_TIMESTAMP"`
	Time       json.RawMessage `json:"time"`
	At         string          `json:"@timestamp"`
	Pri        *int            `json:"pri"`
}

// cutJSON reads a line that is one JSON object, or the "msg": "…" line of dmesg --json.
func (p *stripped) cutJSON() bool {
	if text, ok := strings.CutPrefix(p.rest, `"msg":`); ok {
		var msg string
		if json.Unmarshal([]byte(strings.TrimRight(strings.TrimSpace(text), ",")), &msg) != nil {
			return false
		}
		p.rest = msg
		return true
	}
	if p.rest[0] != '{' {
		return false
	}
	var j jsonLine
	if json.Unmarshal([]byte(p.rest), &j) != nil {
		return false
	}
	p.see(j.stamp())
	p.foreign = j.Transport != "" && j.Transport != "kernel" && !carrier(j.Identifier) || j.Pri != nil && *j.Pri>>3 != 0
	p.rest, p.dated = strings.TrimRight(j.text(), "\r\n"), false
	return true
}

// text is the message; journald writes one that is not UTF-8 as a list of bytes.
func (j jsonLine) text() string {
	var s string
	if json.Unmarshal(j.Message, &s) == nil && s != "" {
		return s
	}
	var raw []int
	if json.Unmarshal(j.Message, &raw) == nil && len(raw) > 0 {
		b := make([]byte, 0, len(raw))
		for _, n := range raw {
			b = append(b, byte(n))
		}
		return strings.ToValidUTF8(string(b), "?")
	}
	if j.Msg != "" {
		return j.Msg
	}
	return j.Log
}

func (j jsonLine) stamp() Stamp {
	for _, s := range []string{j.Source, j.Realtime} {
		if usec, err := strconv.ParseInt(s, 10, 64); err == nil && usec > 0 {
			return Stamp{Wall: time.UnixMicro(usec).UTC(), Year: true, Zone: true}
		}
	}
	if s, _, ok := cutISO(j.At); ok {
		return s
	}
	var text string
	if json.Unmarshal(j.Time, &text) == nil {
		if s, _, ok := cutISO(text); ok {
			return s
		}
	}
	if s, ok := bootStamp(strings.TrimSpace(string(j.Time))); ok {
		return s
	}
	return Stamp{}
}
