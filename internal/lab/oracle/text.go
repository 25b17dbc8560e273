package oracle

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parse reads a packet of a sequence from the form that its String method writes.
func Parse(line string) (Packet, error) {
	r := reader{}
	if err := r.read(strings.TrimSpace(line)); err != nil {
		return nil, fmt.Errorf("packet %q: %w", line, err)
	}
	p, err := r.packet()
	if err == nil && r.bad != "" {
		err = fmt.Errorf("%s is no number that fits", r.bad)
	}
	if err == nil && len(r.values) > 0 {
		err = fmt.Errorf("what is %v?", r.values)
	}
	if err != nil {
		return nil, fmt.Errorf("packet %q: %w", line, err)
	}
	return p, nil
}

// reader holds a line's fields; each is taken out as it is used.
type reader struct {
	reply  bool
	flags  string // of a segment
	values map[string]string
	bad    string
}

func (r *reader) read(line string) error {
	r.values = map[string]string{}
	if head, text, ok := strings.Cut(line, " text="); ok {
		s, err := strconv.Unquote(text)
		if err != nil {
			return err
		}
		r.values["text"], line = s, head
	}
	switch {
	case strings.HasPrefix(line, ">"):
	case strings.HasPrefix(line, "<"):
		r.reply = true
	case strings.HasPrefix(line, "wait="), strings.HasPrefix(line, "set="):
		line = " " + line
	default:
		return fmt.Errorf("no direction")
	}
	words := strings.Split(line[1:], " ")
	if !strings.Contains(words[0], "=") {
		r.flags, words = words[0], words[1:]
	}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			value = "1"
		}
		if _, twice := r.values[name]; twice || name == "" {
			return fmt.Errorf("field %q", w)
		}
		r.values[name] = value
	}
	return nil
}

// take returns a field and forgets it.
func (r *reader) take(name string) (string, bool) {
	v, ok := r.values[name]
	delete(r.values, name)
	return v, ok
}

// number returns a numeric field, otherwise when it is absent.
func (r *reader) number(name string, otherwise int64, lo, hi int64) int64 {
	text, ok := r.take(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < lo || n > hi {
		r.bad = name
	}
	return n
}

func (r *reader) u8(name string) byte    { return byte(r.number(name, 0, 0, 255)) }
func (r *reader) u16(name string) uint16 { return uint16(r.number(name, 0, 0, 65535)) }
func (r *reader) i32(name string) int32  { return int32(r.number(name, 0, -1<<31, 1<<31-1)) }
func (r *reader) is(name string) bool    { return r.number(name, 0, 1, 1) == 1 }

func (r *reader) packet() (Packet, error) {
	has := func(name string) bool { _, ok := r.values[name]; return ok }
	switch {
	case has("wait"):
		text, _ := r.take("wait")
		d, err := time.ParseDuration(text)
		return Wait(d), err
	case has("set"):
		name, _ := r.take("set")
		return Setting{Name: name, Value: r.number("value", 0, -1<<62, 1<<62)}, nil
	case has("proto"):
		return Datagram{Reply: r.reply, Proto: r.u8("proto"), Type: r.u8("type"), Code: r.u8("code"), Len: r.u16("len"),
			BadSum: r.is("badsum"), BadLen: r.is("badlen")}, nil
	case has("sctp"):
		return r.association()
	case has("open"):
		return Opening{Reply: r.reply, Proto: r.u8("open"), From: r.u16("from"), To: r.u16("to"), Flags: r.u8("flags")}, nil
	case has("gre"):
		return Call{Reply: r.reply, Version: r.u8("gre"), ID: r.u16("id")}, nil
	}
	text, said := r.take("text")
	s, err := r.segment()
	if said {
		return Line{Segment: s, Text: text}, err
	}
	return s, err
}

func (r *reader) association() (Packet, error) {
	a := Association{Reply: r.reply, Tag: Tag(r.number("tag", 0, 0, int64(TagWrong))), TBit: r.is("T")}
	kinds, _ := r.take("sctp")
	for _, kind := range strings.Split(kinds, ",") {
		n, err := strconv.ParseUint(kind, 10, 8)
		if err != nil {
			return nil, err
		}
		a.Chunks = append(a.Chunks, byte(n))
	}
	return a, nil
}

const flagLetters = "FSRPAU"

func (r *reader) segment() (Segment, error) {
	s := Segment{Reply: r.reply, SeqOff: r.i32("seq"), AckOff: r.i32("ack"), SACKOff: r.i32("sack"), Len: r.u16("len"), Window: r.u16("win"),
		WScale: int8(r.number("wscale", -1, 0, 127)), SACKOK: r.is("sackok"), BadSum: r.is("badsum")}
	for _, c := range r.flags {
		at := strings.IndexRune(flagLetters, c)
		if at < 0 {
			return s, fmt.Errorf("flag %q", c)
		}
		s.Flags |= 1 << at
	}
	return s, nil
}
