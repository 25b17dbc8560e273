package boot

import (
	"bytes"
	"slices"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/sysctlconf"
)

// Fix returns a file's content with every certain fix for it made, and how many lines that changed.
// Comments, order, blank lines and line ends stay.
func Fix(name string, content []byte, problems []Problem) ([]byte, int) {
	f := sysctlconf.Parse(content)
	changed := map[int]bool{}
	for _, p := range problems {
		if p.File != name || p.Fix == nil {
			continue
		}
		e := p.Fix
		// A line that a loader sees as several is left to people.
		if l, found := f.Line(e.Line); !found || strings.ContainsAny(l.Text, "\r\x00") {
			continue
		}
		ok := false
		if e.Text != nil {
			ok = f.SetText(e.Line, *e.Text)
		}
		if e.Key != "" {
			ok = f.SetKey(e.Line, e.Key) || ok
		}
		if e.Value != "" {
			ok = f.SetValue(e.Line, e.Value) || ok
		}
		if ok {
			changed[e.Line] = true
		}
	}
	return f.Bytes(), len(changed)
}

// FixFile lints and fixes one file of the input until nothing certain is left to do, and returns its new
// content; the same slice when there was nothing.
func FixFile(in Input, name string) ([]byte, int) {
	in.Files = slices.Clone(in.Files)
	i := slices.IndexFunc(in.Files, func(f snapshot.File) bool { return f.Path == name })
	if i < 0 {
		return nil, 0
	}
	total := 0
	for range 8 {
		content, changed := Fix(name, in.Files[i].Content, Lint(in))
		if changed == 0 || bytes.Equal(content, in.Files[i].Content) {
			break
		}
		in.Files[i].Content, total = content, max(total, changed)
	}
	return in.Files[i].Content, total
}
