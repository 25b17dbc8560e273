package sysctlconf

import (
	"strings"
)

// Dialect is one program's reading of a file.
type Dialect string

// The programs whose reading is known (tested against systemd 252, procps 4.0.2 and BusyBox 1.35).
const (
	Systemd Dialect = "systemd-sysctl"
	Procps  Dialect = "procps"
	Busybox Dialect = "busybox"
)

// Kind is what a line is to a program.
type Kind string

// Kinds of lines.
const (
	Blank   Kind = "blank"
	Comment Kind = "comment"
	Assign  Kind = "assign"  // key = value
	Exclude Kind = "exclude" // -key alone: globs leave the key out
	Invalid Kind = "invalid" // neither
)

const (
	blanks      = " \t\r"
	systemdTrim = " \t\n\r"
	procpsTrim  = " \t\n\v\f\r"
)

// Entry is what one line, or a part of it, says to one program.
type Entry struct {
	Line, Col int // of the key, or of the line's first character that is not blank; both from 1
	Kind      Kind
	Key       string // as it stands, without dash and blanks
	Path      string // below /proc/sys, with slashes, as that program builds it
	Value     string
	ValueCol  int
	// IgnoreFailure is the dash before an assignment.
	IgnoreFailure bool
	// Glob keys stand for every key that matches.
	Glob bool
}

// Read lists what each line of a file says to a program, in order; blank lines and comments are left out.
func Read(d Dialect, data []byte) []Entry {
	var entries []Entry
	for number, line := range strings.Split(string(data), "\n") {
		for _, p := range parts(d, line) {
			e := readPart(d, p.text)
			if e.Kind == Blank || e.Kind == Comment {
				continue
			}
			e.Line = number + 1
			e.Col += p.offset + 1
			if e.Kind == Assign {
				e.ValueCol += p.offset + 1
			}
			entries = append(entries, e)
		}
	}
	return entries
}

type part struct {
	text   string
	offset int
}

// parts cuts a line where a program sees a line end that is no newline: systemd at carriage returns and
// NULs; C programs see nothing behind a NUL.
func parts(d Dialect, line string) []part {
	if d != Systemd {
		text, _, _ := strings.Cut(line, "\x00")
		return []part{{text, 0}}
	}
	var all []part
	start := 0
	for i := 0; i <= len(line); i++ {
		if i == len(line) || line[i] == '\r' || line[i] == 0 {
			all = append(all, part{line[start:i], start})
			start = i + 1
		}
	}
	return all
}

func readPart(d Dialect, text string) Entry {
	if d == Busybox {
		return readBusybox(text)
	}
	trim := systemdTrim
	if d == Procps {
		trim = procpsTrim
	}
	body := strings.TrimLeft(text, trim)
	e := Entry{Col: len(text) - len(body), Kind: Blank}
	if d == Procps && len(body) < 2 && !strings.HasPrefix(body, "=") || strings.Trim(body, trim) == "" {
		return e
	}
	if body[0] == '#' || body[0] == ';' {
		e.Kind = Comment
		return e
	}
	key, value, found := strings.Cut(body, "=")
	bare, dash := strings.CutPrefix(key, "-")
	switch {
	case found:
		e.Kind, e.IgnoreFailure = Assign, dash
		e.Value = strings.Trim(value, trim)
		e.ValueCol = len(text) - len(strings.TrimLeft(value, trim))
	case dash:
		e.Kind = Exclude
	default:
		e.Kind = Invalid
		e.Key = strings.TrimRight(body, trim)
		return e
	}
	if dash {
		e.Col++
	}
	e.Key = strings.TrimRight(bare, trim)
	if d == Systemd {
		e.Col += len(e.Key) - len(strings.TrimLeft(e.Key, trim))
		e.Key = strings.TrimLeft(e.Key, trim)
	}
	path := e.Key
	if d == Procps {
		path = strings.TrimPrefix(path, "-") // a second dash is dropped too
	}
	e.Path = Path(d, path)
	e.Glob = IsGlob(e.Path)
	return e
}

// readBusybox reads a line as BusyBox's configuration reader does: "#" ends a line anywhere, ";" is no
// comment, a key ends at a blank or "=", and a dash is part of the key.
func readBusybox(text string) Entry {
	text, _, _ = strings.Cut(text, "#")
	body := strings.TrimLeft(text, " \t")
	e := Entry{Col: len(text) - len(body), Kind: Blank}
	if strings.TrimSpace(body) == "" {
		return e
	}
	end := strings.IndexAny(body, " \t=")
	if end <= 0 {
		e.Kind, e.Key = Invalid, strings.TrimSpace(body)
		return e
	}
	value := strings.TrimLeft(body[end:], " \t")
	value = strings.TrimLeft(strings.TrimPrefix(value, "="), " \t")
	e.Kind, e.Key, e.Value = Assign, body[:end], strings.TrimRight(value, procpsTrim)
	e.ValueCol = len(text) - len(value)
	e.Path = Path(Busybox, e.Key)
	if e.Value == "" {
		e.Kind = Invalid
	}
	return e
}
