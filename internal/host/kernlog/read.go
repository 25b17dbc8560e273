package kernlog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

const (
	blockSize = 256 << 10
	// progressStep is how many bytes pass between two calls of Options.Progress.
	progressStep = 8 << 20
)

// Source is one log that can be opened.
type Source struct {
	// Name is what the snapshot calls it: a path, "journal", "-".
	Name string
	// Channel joins a file and its rotations, whose lines add up; "" means Name.
	Channel string
	// ModTime is what dates without a year are held against; zero: now.
	ModTime time.Time
	// Size is the number of bytes in the file, for progress; 0: not known.
	Size int64
	// ThisBoot tells that all messages are of the running boot.
	ThisBoot bool
	// Current tells that the source covers the time up to now.
	Current bool
	// Open opens it. The reader may be of any length.
	Open func(context.Context) (io.ReadCloser, error)
}

// Read sums a source. It keeps one block in memory, however long the log and its lines: of a line longer
// than a block only the start is looked at. When ctx ends, what was read so far stays summed and its
// error is returned.
func Read(ctx context.Context, src Source, sum *Summary) error {
	r, err := src.Open(ctx)
	if err != nil {
		return fmt.Errorf("open %s: %w", src.Name, err)
	}
	defer r.Close()
	name := src.Channel
	if name == "" {
		name = src.Name
	}
	s := scanner{cursor: sum.cursor(name, src.ModTime), src: src, buf: make([]byte, blockSize)}
	s.cursor.boot = src.ThisBoot
	err = s.run(ctx, r)
	s.info.Name = src.Name
	sum.sources = append(sum.sources, s.info)
	if err != nil {
		return fmt.Errorf("read %s: %w", src.Name, err)
	}
	sum.current = sum.current || src.Current
	return nil
}

// scanner goes through a log block by block and looks only at lines that hold a mark.
type scanner struct {
	cursor *cursor
	src    Source
	buf    []byte
	info   snapshot.LogSource
	bytes  int64
	told   int64
	// wait counts the lines that may still stand between a suppressed line and its warning.
	wait int
	// cutting is set while the rest of an overlong line is skipped.
	cutting bool
	// jsonTime is the last "time": line of dmesg --json, whose messages stand on lines of their own.
	jsonTime Stamp
}

func (s *scanner) run(ctx context.Context, r io.Reader) error {
	fill := 0
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(s.buf[fill:])
		fill += n
		s.bytes += int64(n)
		s.progress()
		end := bytes.LastIndexByte(s.buf[:fill], '\n') + 1
		if end == 0 && fill == len(s.buf) { // one line fills the block
			end = fill
			s.long(s.buf[:fill])
		} else if end > 0 && (fill > len(s.buf)/2 || err != nil) {
			s.block(s.buf[:end])
		} else if err == nil {
			continue
		}
		if err != nil {
			if end < fill {
				s.block(s.buf[end:fill])
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
		fill = copy(s.buf, s.buf[end:fill])
	}
}

// long looks at the start of a line that does not fit; its rest is skipped.
func (s *scanner) long(line []byte) {
	if !s.cutting {
		s.info.Lines++
		s.line(line[:maxText])
	}
	s.cutting = true
}

func (s *scanner) progress() {
	if s.cursor.sum.opts.Progress != nil && s.bytes-s.told >= progressStep {
		s.told = s.bytes
		s.cursor.sum.opts.Progress(Progress{Source: s.src.Name, Bytes: s.bytes, Size: s.src.Size})
	}
}

// block looks at whole lines. The next place of each mark is remembered, so that the text between two
// messages is searched once a mark and split nowhere.
func (s *scanner) block(b []byte) {
	if s.cutting {
		i := bytes.IndexByte(b, '\n')
		s.cutting = false
		if i < 0 {
			return
		}
		b = b[i+1:]
	}
	if len(b) == 0 {
		return
	}
	s.info.Lines += uint64(bytes.Count(b, []byte{'\n'}))
	if b[len(b)-1] != '\n' {
		s.info.Lines++
	}
	var next [len(marks)]int
	for i := range next {
		next[i] = -1
	}
	s.span(b)
	at := 0
	for at < len(b) {
		pos := nearest(b, at, &next)
		if pos < 0 {
			break
		}
		start := at + bytes.LastIndexByte(b[at:pos], '\n') + 1
		s.between(b[at:start])
		end := len(b)
		if i := bytes.IndexByte(b[pos:], '\n'); i >= 0 {
			end = pos + i + 1
		}
		s.line(b[start:end])
		at = end
	}
	s.between(b[at:])
}

// nearest returns the first place of any mark at or after at, -1 for none.
func nearest(b []byte, at int, next *[len(marks)]int) int {
	best := -1
	for i, m := range marks {
		if next[i] < at && next[i] < len(b) {
			next[i] = len(b)
			if j := bytes.Index(b[at:], m); j >= 0 {
				next[i] = at + j
			}
		}
		if next[i] < len(b) && (best < 0 || next[i] < best) {
			best = next[i]
		}
	}
	return best
}

// waitLines is how many lines of other programs may stand between a suppressed line and its warning in
// a file that all programs share.
const waitLines = 64

// between notes lines that hold no mark.
func (s *scanner) between(b []byte) {
	if len(b) == 0 {
		return
	}
	s.cursor.last = nil
	if i := bytes.LastIndex(b, []byte(`"time":`)); i >= 0 {
		text, _, _ := bytes.Cut(b[i+len(`"time":`):], []byte{','})
		if stamp, ok := bootStamp(string(bytes.TrimSpace(text))); ok && len(text) < 40 {
			s.jsonTime = stamp
		}
	}
	if s.cursor.pending == 0 {
		return
	}
	s.wait += bytes.Count(b, []byte{'\n'})
	if s.wait > waitLines || bytes.Contains(b, []byte("kernel:")) || b[0] == '[' || b[0] == '<' {
		s.cursor.pending, s.wait = 0, 0
	}
}

// line looks at one line that may hold a message.
func (s *scanner) line(raw []byte) {
	l, ok := Parse(raw)
	if !ok {
		s.cursor.last = nil
		return
	}
	if l.Stamp == (Stamp{}) && strings.HasPrefix(strings.TrimLeft(string(raw[:min(len(raw), 64)]), " \t"), `"msg"`) {
		l.Stamp = s.jsonTime
	}
	s.wait = 0
	s.cursor.add(l, strings.TrimRight(string(raw[:min(len(raw), 2*maxExample)]), "\r\n"))
}

// span notes the times of a block's first and last line: enough to say what time a log covers.
func (s *scanner) span(b []byte) {
	first, _, _ := bytes.Cut(b, []byte{'\n'})
	end := bytes.TrimRight(b, "\n")
	last := end[bytes.LastIndexByte(end, '\n')+1:]
	for _, line := range [][]byte{first, last} {
		line = line[:min(len(line), maxText)]
		p := strip(toText(string(line)))
		t, ok := p.stamp.Resolve(s.cursor.sum.opts.Location, s.cursor.ref, s.cursor.sum.opts.Booted)
		if !ok {
			continue
		}
		if s.info.First.IsZero() || t.Before(s.info.First) {
			s.info.First = t
		}
		if t.After(s.info.Last) {
			s.info.Last = t
		}
	}
}

func toText(s string) string { return strings.ToValidUTF8(s, "?") }
