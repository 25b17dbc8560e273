// Package sysctlconf is the grammar of sysctl.conf and sysctl.d files, as each program that loads them reads it.
//
//	f := sysctlconf.Parse(data)              // lines, exactly as they stand: f.Bytes() gives data back
//	f.SetValue(3, "65536")                   // keeps the line's blanks and its end
//	entries := sysctlconf.Read(sysctlconf.Procps, data)
//
// The loaders differ in small things (a blank after the dash, a lone carriage return, a NUL), and so a
// line has a meaning only in a [Dialect]. The package is pure: it opens no file. Which files are read and
// in what order, and what the kernel makes of a value, is advice/boot's.
package sysctlconf

import (
	"bytes"
	"strings"
)

// Line is one line of a file: its text, and the bytes that end it ("\n", "\r\n", or "" for the last).
type Line struct {
	Text string
	End  string
}

// File is a file as lines. Nothing of it is lost: Bytes returns what Parse was given.
type File struct {
	Lines []Line
}

// Parse cuts a file into lines at each newline.
func Parse(data []byte) *File {
	f := &File{}
	for len(data) > 0 {
		text, rest, found := bytes.Cut(data, []byte{'\n'})
		line := Line{Text: string(text)}
		if found {
			line.End = "\n"
			if t, ok := strings.CutSuffix(line.Text, "\r"); ok {
				line.Text, line.End = t, "\r\n"
			}
		}
		f.Lines = append(f.Lines, line)
		data = rest
	}
	return f
}

// Bytes is the file as it stands.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for _, l := range f.Lines {
		b.WriteString(l.Text)
		b.WriteString(l.End)
	}
	return b.Bytes()
}

// Line returns the line of that number, counted from 1; none when there is no such line.
func (f *File) Line(number int) (Line, bool) {
	if number < 1 || number > len(f.Lines) {
		return Line{}, false
	}
	return f.Lines[number-1], true
}

// SetText replaces a line's text and keeps its end; it reports whether there is such a line.
func (f *File) SetText(number int, text string) bool {
	if number < 1 || number > len(f.Lines) || strings.ContainsAny(text, "\n") {
		return false
	}
	f.Lines[number-1].Text = text
	return true
}

// SetValue replaces what stands right of the first "=", and keeps the blanks around it.
func (f *File) SetValue(number int, value string) bool {
	l, ok := f.Line(number)
	key, old, found := strings.Cut(l.Text, "=")
	if !ok || !found {
		return false
	}
	lead := old[:len(old)-len(strings.TrimLeft(old, blanks))]
	trail := ""
	if body := strings.TrimLeft(old, blanks); body != "" {
		trail = body[len(strings.TrimRight(body, blanks)):]
	}
	return f.SetText(number, key+"="+lead+value+trail)
}

// SetKey replaces what stands left of the first "=", and keeps the dash and the blanks around the key.
func (f *File) SetKey(number int, key string) bool {
	l, ok := f.Line(number)
	if !ok {
		return false
	}
	left, right, found := strings.Cut(l.Text, "=")
	if !found {
		left, right = l.Text, ""
	}
	body := strings.TrimLeft(left, blanks)
	lead := left[:len(left)-len(body)]
	if b, dash := strings.CutPrefix(body, "-"); dash {
		lead, body = lead+"-", b
	}
	trail := body[len(strings.TrimRight(body, blanks)):]
	text := lead + key + trail
	if found {
		text += "=" + right
	}
	return f.SetText(number, text)
}

// Comment turns a line into a comment and puts a note before it, as a comment line of its own.
func (f *File) Comment(number int, note string) bool {
	l, ok := f.Line(number)
	if !ok {
		return false
	}
	// Each line end that some loader sees inside the line gets a mark of its own.
	text := strings.NewReplacer("\r", "\r# ", "\x00", "\x00# ").Replace(l.Text)
	commented := Line{Text: "# " + text, End: l.End}
	if note == "" {
		f.Lines[number-1] = commented
		return true
	}
	lines := append([]Line{}, f.Lines[:number-1]...)
	lines = append(lines, Line{Text: "# " + oneLine(note), End: f.end()}, commented)
	f.Lines = append(lines, f.Lines[number:]...)
	return true
}

// Append adds a line at the end, with the file's own line end.
func (f *File) Append(text string) {
	if n := len(f.Lines); n > 0 && f.Lines[n-1].End == "" {
		f.Lines[n-1].End = f.end()
	}
	f.Lines = append(f.Lines, Line{Text: oneLine(text), End: f.end()})
}

// end is the line end that most lines have.
func (f *File) end() string {
	crlf := 0
	for _, l := range f.Lines {
		if l.End == "\r\n" {
			crlf++
		}
	}
	if 2*crlf > len(f.Lines) {
		return "\r\n"
	}
	return "\n"
}

func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "\x00", " ").Replace(s)
}
