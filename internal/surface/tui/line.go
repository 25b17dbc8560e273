package tui

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// line is what the user types in one line.
type line struct {
	text   []rune
	at     int // the cursor, in characters
	err    string
	column int // where err is, from 1; 0: nowhere
}

// longestLine bounds what is pasted.
const longestLine = 4096

func newLine(s string) line {
	text := []rune(s)
	return line{text: text, at: len(text)}
}

func (l *line) String() string { return string(l.text) }

func (l *line) insert(s string) {
	var add []rune
	for _, r := range s {
		if unicode.IsSpace(r) {
			r = ' '
		}
		if unicode.IsPrint(r) && len(l.text)+len(add) < longestLine {
			add = append(add, r)
		}
	}
	if len(add) == 0 {
		return
	}
	l.text = slices.Insert(l.text, l.at, add...)
	l.at += len(add)
	l.err, l.column = "", 0
}

// cut takes the characters from i to j out.
func (l *line) cut(i, j int) {
	l.text = slices.Delete(l.text, i, j)
	l.at = i
	l.err, l.column = "", 0
}

// key edits the line.
func (l *line) key(k tea.KeyPressMsg) {
	switch k.String() {
	case "left", "ctrl+b":
		l.at = max(0, l.at-1)
	case "right", "ctrl+f":
		l.at = min(len(l.text), l.at+1)
	case "home", "ctrl+a":
		l.at = 0
	case "end", "ctrl+e":
		l.at = len(l.text)
	case "backspace", "ctrl+h":
		if l.at > 0 {
			l.cut(l.at-1, l.at)
		}
	case "delete":
		if l.at < len(l.text) {
			l.cut(l.at, l.at+1)
		}
	case "ctrl+u":
		l.cut(0, l.at)
	case "ctrl+w":
		before := strings.TrimRight(string(l.text[:l.at]), " ")
		l.cut(len([]rune(before[:strings.LastIndex(before, " ")+1])), l.at)
	default:
		l.insert(k.Text)
	}
}
