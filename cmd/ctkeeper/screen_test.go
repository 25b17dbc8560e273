package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// screen is what a terminal shows: as much of a VT220 and of xterm as the live view needs. What it does
// not know it notes, so that a test can fail for it.
type screen struct {
	columns, rows int
	cells         [][]rune
	x, y          int
	top, bottom   int // the region that scrolls
	wrap          bool
	modes         map[string]bool // private ones, by number
	styles        map[string]bool // all that were ever set
	last          rune
	rest          []byte
	unknown       []string
}

func newScreen(columns, rows int) *screen {
	s := &screen{modes: map[string]bool{"25": true}, styles: map[string]bool{}}
	s.resize(columns, rows)
	return s
}

// resize gives the screen another size; what was on it is gone, as after a resize nobody knows it.
func (s *screen) resize(columns, rows int) {
	s.columns, s.rows, s.top, s.bottom = columns, rows, 0, rows-1
	s.clear()
	s.x, s.y = 0, 0
}

func (s *screen) clear() {
	s.cells = make([][]rune, s.rows)
	for i := range s.cells {
		s.cells[i] = s.blank()
	}
}

func (s *screen) blank() []rune { return []rune(strings.Repeat(" ", s.columns)) }

// String is the text on the screen.
func (s *screen) String() string {
	var b strings.Builder
	for _, row := range s.cells {
		b.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return b.String()
}

// Write takes what the program prints.
func (s *screen) Write(b []byte) {
	b = append(s.rest, b...)
	for len(b) > 0 {
		n := s.step(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	s.rest = append([]byte(nil), b...)
}

// step takes one character or sequence; 0 when it is not whole yet.
func (s *screen) step(b []byte) int {
	switch {
	case b[0] == 0x1b:
		return s.escape(b)
	case b[0] < ' ':
		s.controlCharacter(b[0])
		return 1
	case !utf8.FullRune(b):
		return 0
	}
	r, n := utf8.DecodeRune(b)
	s.put(r)
	return n
}

func (s *screen) controlCharacter(c byte) {
	switch c {
	case '\r':
		s.x, s.wrap = 0, false
	case '\n':
		s.lineFeed()
	case '\b':
		s.x, s.wrap = max(0, s.x-1), false
	case '\t':
		s.x = min(s.columns-1, s.x/8*8+8)
	}
}

func (s *screen) lineFeed() {
	if s.y == s.bottom {
		s.scroll(1)
	} else {
		s.y = min(s.rows-1, s.y+1)
	}
}

// scroll moves the region's lines up by n, or down.
func (s *screen) scroll(n int) { s.shiftLines(s.top, n) }

func (s *screen) shiftLines(from, n int) {
	for range max(n, -n) {
		if n > 0 {
			copy(s.cells[from:s.bottom+1], s.cells[from+1:s.bottom+1])
			s.cells[s.bottom] = s.blank()
		} else {
			copy(s.cells[from+1:s.bottom+1], s.cells[from:s.bottom])
			s.cells[from] = s.blank()
		}
	}
}

func (s *screen) put(r rune) {
	if s.wrap {
		s.x, s.wrap = 0, false
		s.lineFeed()
	}
	s.cells[s.y][s.x] = r
	s.last = r
	if s.x == s.columns-1 {
		s.wrap = true
	} else {
		s.x++
	}
}

// escape takes a sequence that begins with ESC.
func (s *screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '[':
		for i := 2; i < len(b); i++ {
			if b[i] >= '@' && b[i] <= '~' {
				s.control(string(b[2:i]), b[i])
				return i + 1
			}
		}
		return 0
	case ']', 'P', '_':
		for i := 2; i < len(b); i++ {
			if b[i] == 7 || b[i] == '\\' && b[i-1] == 0x1b {
				return i + 1
			}
		}
		return 0
	case 'M':
		if s.y == s.top {
			s.scroll(-1)
		} else {
			s.y = max(0, s.y-1)
		}
	}
	return 2
}

// control takes a control sequence: its parameters and its last character.
func (s *screen) control(params string, final byte) {
	if strings.HasPrefix(params, "?") && (final == 'h' || final == 'l') {
		for _, mode := range strings.Split(params[1:], ";") {
			s.modes[mode] = final == 'h'
			if mode == "1049" {
				s.clear()
			}
		}
		return
	}
	if final == 'm' {
		s.styles[params] = true
	}
	if params != "" && strings.ContainsAny(params[:1], "?<=>") || final == 'm' || strings.HasSuffix(params, "$") {
		return // queries and keyboards
	}
	n := parameter(params, 0, 1)
	switch final {
	case 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'Z', 'f', 'd', '`', 'a', 'e':
		s.moveCursor(params, final, n)
	case 'J', 'K', 'X', 'P', '@', 'b':
		s.edit(params, final, n)
	case 'L', 'M', 'S', 'T':
		s.lines(final, n)
	case 'r':
		s.top, s.bottom = parameter(params, 0, 1)-1, parameter(params, 1, s.rows)-1
		s.x, s.y = 0, 0
	case 'h', 'l', 'c', 'n', 'q', 't':
	default:
		s.unknown = append(s.unknown, params+string(final))
	}
}

func (s *screen) lines(final byte, n int) {
	switch final {
	case 'L':
		s.shiftLines(s.y, -n)
	case 'M':
		s.shiftLines(s.y, n)
	case 'S':
		s.scroll(n)
	case 'T':
		s.scroll(-n)
	}
}

func (s *screen) moveCursor(params string, final byte, n int) {
	switch final {
	case 'A':
		s.y -= n
	case 'B', 'e':
		s.y += n
	case 'C', 'a':
		s.x += n
	case 'D':
		s.x -= n
	case 'E':
		s.x, s.y = 0, s.y+n
	case 'F':
		s.x, s.y = 0, s.y-n
	case 'G', '`':
		s.x = n - 1
	case 'I': // tabs on, and back
		s.x = (s.x/8 + n) * 8
	case 'Z':
		s.x = (s.x + 7 - 8*n) / 8 * 8
	case 'd':
		s.y = n - 1
	default:
		s.y, s.x = n-1, parameter(params, 1, 1)-1
	}
	s.x, s.y, s.wrap = max(0, min(s.x, s.columns-1)), max(0, min(s.y, s.rows-1)), false
}

func (s *screen) edit(params string, final byte, n int) {
	row := s.cells[s.y]
	switch final {
	case 'J', 'K':
		s.erase(parameter(params, 0, 0), final == 'J')
	case 'X':
		copy(row[s.x:], []rune(strings.Repeat(" ", min(n, s.columns-s.x))))
	case 'P':
		n = min(n, s.columns-s.x)
		copy(row[s.x:], row[s.x+n:])
		copy(row[s.columns-n:], s.blank())
	case '@':
		n = min(n, s.columns-s.x)
		copy(row[s.x+n:], row[s.x:])
		copy(row[s.x:s.x+n], s.blank())
	case 'b':
		for range n {
			s.put(s.last)
		}
	}
}

// erase blanks the line from the cursor, up to it, or all; and the screen likewise.
func (s *screen) erase(what int, screen bool) {
	from, to := s.x, s.columns
	switch what {
	case 1:
		from, to = 0, s.x+1
	case 2:
		from = 0
	}
	copy(s.cells[s.y][from:to], s.blank())
	for y := range s.cells {
		if screen && (y > s.y && what != 1 || y < s.y && what != 0) {
			s.cells[y] = s.blank()
		}
	}
}

// parameter is the parameter with an index, or what stands for it.
func parameter(params string, i, otherwise int) int {
	parts := strings.Split(params, ";")
	if i < len(parts) {
		if n, err := strconv.Atoi(parts[i]); err == nil && (n > 0 || otherwise == 0) {
			return n
		}
	}
	return otherwise
}
