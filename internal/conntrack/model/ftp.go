package model

import (
	"bytes"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// ftpState is where lines begin in each direction: the sequence numbers that followed the last two ends
// of line. The helper reads a segment only if it begins a line.
type ftpState struct {
	next [2][2]uint32
	n    [2]uint8
}

func (f *ftpState) begins(dir uint8, seq uint32) bool {
	for i := range f.n[dir] {
		if f.next[dir][i] == seq {
			return true
		}
	}
	return false
}

// ended notes that a line ended before seq, in place of the older of the two unless that is newer.
func (f *ftpState) ended(dir uint8, seq uint32) {
	next := &f.next[dir]
	if f.begins(dir, seq) {
		return
	}
	if f.n[dir] < 2 {
		next[f.n[dir]] = seq
		f.n[dir]++
		return
	}
	oldest := 1
	if int32(next[0]-next[1]) < 0 {
		oldest = 0
	}
	if int32(seq-next[oldest]) > 0 {
		next[oldest] = seq
	}
}

// ftpFound is what a command or an answer was found to say.
type ftpFound uint8

const (
	ftpNone ftpFound = iota
	ftpPartial
	ftpAddress
)

// ftpPlace is the end that a command or an answer names.
type ftpPlace struct {
	addr   [16]byte
	family uint8
	port   uint16
}

// helpFTP reads one segment. One that begins with a command that it cannot read to its end is dropped, so
// that the sender sends it again, whole as it hopes.
func (m *Model) helpFTP(k *kin, s *step, data []byte) bool {
	if len(data) == 0 {
		return true
	}
	seq := s.p.TCP.Seq
	if k.ftp.begins(s.dir, seq) {
		from := k.tuples[s.dir]
		at := ftpPlace{addr: from.Src, family: from.Family}
		found, word := searchFTP(data, s.dir, &at)
		switch {
		case found == ftpPartial:
			s.reason = Reason{code: reasonPartial, dir: s.dir, class: word}
			return false
		case found == ftpAddress && (at.family != from.Family || at.addr == from.Src) && !m.expectData(k, s.dir, at):
			s.reason = Reason{code: reasonNoExpectation}
			return false
		}
	}
	if data[len(data)-1] == '\n' {
		k.ftp.ended(s.dir, seq+uint32(len(data)))
	}
	return true
}

// expectData expects the data connection: from the other end, any port, to the place named.
func (m *Model) expectData(k *kin, dir uint8, at ftpPlace) bool {
	peer := k.tuples[dir^1]
	t := packet.Tuple{Src: peer.Src, Dst: peer.Dst, DPort: at.port, Proto: uint8(flow.TCP), Family: at.family, Zone: peer.Zone}
	if at.family == 4 {
		clear(t.Src[4:])
		clear(t.Dst[4:])
	}
	return m.expect(&expectation{master: k, tuple: t, anyPort: true})
}

// ftpWords are what can be said in a direction: PORT and EPRT by the client, 227 and 229 by the server.
var ftpWords = [2][2]string{{"PORT", "EPRT"}, {"227 ", "229 "}}

// searchFTP looks for a direction's words and reads what the first that matches says.
func searchFTP(data []byte, dir uint8, at *ftpPlace) (found ftpFound, word uint8) {
	skips, reads := [2]byte{' ', ' '}, [2]func([]byte) bool{
		func(b []byte) bool { return portCommand(b, '\r', at) },
		func(b []byte) bool { return extendedCommand(b, at) },
	}
	if dir == 1 {
		skips, reads = [2]byte{0, '('}, [2]func([]byte) bool{
			func(b []byte) bool { return passiveAnswer(b, at) },
			func(b []byte) bool { return extendedAnswer(b, at) },
		}
	}
	for i, w := range ftpWords[dir] {
		if found := matchFTP(data, w, skips[i], reads[i]); found != ftpNone {
			return found, uint8(i)
		}
	}
	return ftpNone, 0
}

// matchFTP matches a word at the beginning of a line, skips to what follows, and reads it.
func matchFTP(data []byte, word string, skip byte, read func([]byte) bool) ftpFound {
	n := min(len(data), len(word))
	if !bytes.EqualFold(data[:n], []byte(word[:n])) {
		return ftpNone
	}
	if len(data) <= len(word) {
		return ftpPartial
	}
	rest := data[len(word):]
	if skip != 0 {
		i := bytes.IndexByte(rest, skip)
		if i < 0 {
			return ftpPartial
		}
		rest = rest[i+1:]
	}
	if !read(rest) {
		return ftpPartial
	}
	return ftpAddress
}

// numbers reads len(to) numbers between separators, ended by term, or by anything if that is 0.
func numbers(b []byte, to []uint32, sep, term byte) (length int, ok bool) {
	i := 0
	for n, c := range b {
		switch {
		case isDigit(c):
			to[i] = to[i]*10 + uint32(c-'0')
		case c == sep:
			if i++; i == len(to) {
				return 0, false
			}
		default:
			return n, n > 0 && (term == 0 || c == term) && i == len(to)-1
		}
	}
	return 0, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (at *ftpPlace) setIPv4(n []uint32) {
	v := n[0]<<24 | n[1]<<16 | n[2]<<8 | n[3]
	at.addr[0], at.addr[1], at.addr[2], at.addr[3] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
}

// portCommand reads h1,h2,h3,h4,p1,p2.
func portCommand(b []byte, term byte, at *ftpPlace) bool {
	var n [6]uint32
	if _, ok := numbers(b, n[:], ',', term); !ok {
		return false
	}
	at.setIPv4(n[:4])
	at.port = uint16(n[4]<<8 | n[5])
	return true
}

// passiveAnswer reads the six numbers after the first digit, whatever stands around them.
func passiveAnswer(b []byte, at *ftpPlace) bool {
	i := bytes.IndexFunc(b, func(r rune) bool { return r >= '0' && r <= '9' })
	return i >= 0 && portCommand(b[i:], 0, at)
}

// portUpTo reads a port that the delimiter ends; 0 is none.
func portUpTo(b []byte, delim byte, at *ftpPlace) bool {
	var port uint16
	for _, c := range b {
		switch {
		case c == delim:
			at.port = port
			return port != 0
		case !isDigit(c):
			return false
		}
		port = port*10 + uint16(c-'0')
	}
	return false
}

func isDelimiter(c byte) bool { return !isDigit(c) && c >= 33 && c <= 126 }

// extendedCommand reads |1|192.0.2.1|6275| or |2|2001:db8::1|6275|.
func extendedCommand(b []byte, at *ftpPlace) bool {
	if len(b) <= 3 || !isDelimiter(b[0]) || b[2] != b[0] {
		return false
	}
	delim, kind := b[0], b[1]
	if at.family == 4 && kind != '1' || at.family == 6 && kind != '2' {
		return false
	}
	b = b[3:]
	if kind == '1' {
		var n [4]uint32
		length, ok := numbers(b, n[:], '.', delim)
		if !ok {
			return false
		}
		at.setIPv4(n[:])
		return portUpTo(b[length+1:], delim, at)
	}
	end := bytes.IndexByte(b, delim)
	if end < 0 {
		return false
	}
	addr, err := netip.ParseAddr(string(b[:end]))
	if err != nil || addr.Zone() != "" || addr.Is4() {
		return false
	}
	at.addr = addr.As16()
	return portUpTo(b[end+1:], delim, at)
}

// extendedAnswer reads |||6446|.
func extendedAnswer(b []byte, at *ftpPlace) bool {
	return len(b) > 3 && isDelimiter(b[0]) && b[1] == b[0] && b[2] == b[0] && portUpTo(b[3:], b[0], at)
}
