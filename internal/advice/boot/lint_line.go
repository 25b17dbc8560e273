package boot

import (
	"errors"
	"fmt"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/sysctlconf"
)

// Place writes a reference as people read it: file:line.
func Place(r Ref) string {
	if r.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

const bom = "\ufeff"

// file judges each line of a sysctl file.
func (l *lint) file(u FileUse, name string, content []byte) {
	if u.Hidden != "" {
		l.add(at{file: name}, Info, nil, message.New("lint_file_hidden", "by", u.Hidden))
		return
	}
	if rest, ok := strings.CutPrefix(string(content), bom); ok {
		first, _, _ := strings.Cut(rest, "\n")
		first = strings.TrimSuffix(first, "\r")
		l.add(at{file: name, entry: sysctlconf.Entry{Line: 1, Kind: sysctlconf.Invalid}, col: 1}, Error, &Edit{Line: 1, Text: &first}, message.New("lint_byte_order_mark"))
	}
	for _, e := range sysctlconf.Read(Systemd, content) {
		l.line(name, e)
	}
}

func (l *lint) line(name string, e sysctlconf.Entry) {
	a := at{file: name, entry: e, col: e.Col}
	if e.Kind == sysctlconf.Invalid {
		if aboutConntrack(e.Key) || len(l.in.Alone) > 0 {
			l.add(a, Error, nil, message.New("lint_not_assignment", "text", e.Key))
		}
		return
	}
	if e.Glob || e.Kind != sysctlconf.Assign || strings.HasPrefix(e.Key, bom) {
		return
	}
	s, ok := byPath(e.Path)
	if !ok {
		l.unknown(a)
		return
	}
	a.setting = s
	l.key(a)
	l.value(a)
}

// byPath finds the setting that a path below /proc/sys belongs to.
func byPath(p string) (settings.Setting, bool) {
	real, ok := sysctlconf.Real(p)
	if !ok {
		return settings.Setting{}, false
	}
	for _, s := range settings.All() {
		if hasPath(s.Keys, real) {
			return s, true
		}
	}
	return settings.Setting{}, false
}

// aboutConntrack reports whether a key was meant for conntrack, misspelt or not.
func aboutConntrack(key string) bool {
	k := strings.ToLower(key)
	for _, part := range []string{"conntr", "contrack", "connntrack", "conntack", "netfilter"} {
		if strings.Contains(k, part) {
			return true
		}
	}
	return false
}

// otherNetfilter are keys below net.netfilter that are not conntrack's.
func otherNetfilter(p string) bool { return strings.HasPrefix(p, "net/netfilter/nf_log") }

// unknown judges a key that no kernel has.
func (l *lint) unknown(a at) {
	if !aboutConntrack(a.entry.Key) || otherNetfilter(a.entry.Path) {
		return
	}
	squeezed := strings.NewReplacer(" ", "", "\t", "", "/", ".", "-", "").Replace(a.entry.Key)
	if s, ok := byPath(strings.ReplaceAll(squeezed, ".", "/")); ok && strings.Contains(squeezed, ".") {
		a.setting = s
		l.add(a, Error, &Edit{Line: a.entry.Line, Key: squeezed}, message.New("lint_key_spelling", "key", a.entry.Key, "meant", squeezed))
		return
	}
	near, ok := settings.Nearest(a.entry.Key)
	if !ok {
		l.add(a, Error, nil, message.New("lint_unknown_key", "key", a.entry.Key))
		return
	}
	if s, found := settings.Lookup(near); found {
		if k, has := s.Sysctl(); has && !strings.Contains(near, ".") {
			near = k.Name
		}
	}
	l.add(a, Error, nil, message.New("lint_unknown_key_near", "key", a.entry.Key, "near", near))
}

// key judges a known key: is it here, and here in time?
func (l *lint) key(a at) {
	here := l.in.keysOf(a.setting)
	real, _ := sysctlconf.Real(a.entry.Path)
	switch {
	case !hasPath(here, real) && len(here) == 0:
		l.add(a, Error, nil, message.New("lint_key_absent", "key", a.entry.Key))
	case !hasPath(here, real):
		twin := here[0].Name
		l.add(a, Error, l.twinFix(a, twin), message.New("lint_key_family", "key", a.entry.Key, "twin", twin))
	case a.setting.ReadOnly:
		l.add(a, Error, nil, message.New("lint_read_only", "key", a.entry.Key))
	case l.boot.Module.When == WhenLate && l.boot.Module.Udev == nil && len(l.in.Alone) == 0:
		l.add(a, Error, nil, message.New("lint_too_early", "key", a.entry.Key, "file", ModulesLoad))
	}
	if a.entry.IgnoreFailure && l.blankAfterDash(a) {
		l.add(a, Warning, &Edit{Line: a.entry.Line, Key: a.entry.Key}, message.New("lint_blank_after_dash", "key", a.entry.Key))
	}
}

// blankAfterDash: systemd reads "- key", procps does not.
func (l *lint) blankAfterDash(a at) bool {
	f, _ := l.in.file(a.file)
	line, ok := sysctlconf.Parse(f.Content).Line(a.entry.Line)
	body := strings.TrimLeft(line.Text, " \t")
	return ok && strings.HasPrefix(body, "-") && strings.TrimLeft(body[1:], " \t") != body[1:]
}

// twinFix renames a key to the family that this kernel has, where that does what the line says and no
// other line says otherwise.
func (l *lint) twinFix(a at, twin string) *Edit {
	v, err := a.setting.Accept(l.in.Kernel, a.entry.Value)
	if err != nil || !a.setting.Sane(v) || l.breaksIdle(a.setting, v) {
		return nil
	}
	f, _ := l.boot.Setting(a.setting.Name)
	for _, loader := range Loaders() {
		if f.Outcome(loader).Source == SourceFile {
			return nil
		}
		for _, s := range f.Outcome(loader).Seen {
			if s.At.File != a.file || s.At.Line != a.entry.Line {
				return nil
			}
		}
	}
	return &Edit{Line: a.entry.Line, Key: twin}
}

// value judges the text that is written.
func (l *lint) value(a at) {
	if a.setting.ReadOnly {
		return
	}
	s, text := a.setting, a.entry.Value
	a.col = a.entry.ValueCol
	if text == "" {
		l.add(a, Error, nil, message.New("lint_value_empty", "key", a.entry.Key))
		return
	}
	v, err := s.Accept(l.in.Kernel, text)
	var refused *settings.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Number:
		l.add(a, Error, nil, message.New("lint_value_range", "value", text, "low", refused.Low, "high", refused.High))
	case err != nil:
		l.notNumber(a)
	case !s.Sane(v):
		l.add(a, Error, nil, message.New("lint_value_harmful", "value", v, "key", a.entry.Key, "low", s.Min))
	default:
		l.accepted(a, v)
	}
}

// notNumber judges a text that the kernel refuses.
func (l *lint) notNumber(a at) {
	text := a.entry.Value
	guess, ok := a.setting.Guess(text)
	if !ok {
		l.add(a, Error, nil, message.New("lint_not_number", "value", text))
		return
	}
	var fix *Edit
	if strings.Trim(text, `"'.;, `) == fmt.Sprint(guess) {
		fix = &Edit{Line: a.entry.Line, Value: fmt.Sprint(guess)}
	}
	l.add(a, Error, fix, message.New("lint_not_number_meant", "value", text, "meant", fmt.Sprint(guess)))
	if l.breaksIdle(a.setting, guess) {
		l.idle(a, guess)
	}
}

// accepted judges a value that the kernel takes.
func (l *lint) accepted(a at, v int64) {
	text := a.entry.Value
	first, rest, _ := strings.Cut(text, " ")
	if strings.TrimSpace(rest) != "" {
		l.add(a, Warning, &Edit{Line: a.entry.Line, Value: first}, message.New("lint_value_trailing", "value", text, "first", first))
	}
	if len(first) > 1 && first[0] == '0' && !strings.ContainsAny(first, "xX") {
		l.add(a, Warning, nil, message.New("lint_value_octal", "value", first, "number", v))
	}
	if l.breaksIdle(a.setting, v) {
		l.idle(a, v)
	}
	if d, ok := a.setting.Default(l.in.Kernel, l.in.Memory); ok && d == v {
		l.add(a, Info, nil, message.New("lint_equals_default", "value", v))
	} else if r, ok := l.in.Running[a.setting.Name]; ok && r.Int != nil && *r.Int == v {
		l.add(a, Info, nil, message.New("lint_equals_running", "value", v))
	}
}

// keepalive is after how long a dead peer is given up: the host's, or Linux's defaults.
func (l *lint) keepalive() int64 {
	if l.in.Keepalive > 0 {
		return l.in.Keepalive
	}
	return 7200 + 9*75
}

func (l *lint) breaksIdle(s settings.Setting, v int64) bool {
	return s.Name == "tcp_timeout_established" && v > 0 && v < l.keepalive()
}

func (l *lint) idle(a at, v int64) {
	l.add(a, Warning, nil, message.New("lint_breaks_idle", "value", v, "keepalive", l.keepalive()))
}
