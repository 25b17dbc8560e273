package flow

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// TextResult says what a text form of the table held.
type TextResult struct {
	Flows uint64
	// Bad is how many lines were no flow; they are left out, never half read. First names the first.
	Bad   uint64
	First error
}

// maxLine bounds a line of a text form; the kernel's are far shorter.
const maxLine = 64 << 10

// ReadText reads a table in text form (see [ParseText]) and calls fn for each flow, which is only good
// until fn returns. Empty lines, and the conntrack tool's closing line, are passed over. name is what
// errors call the source.
func ReadText(r io.Reader, name string, fn func(*Flow) error) (TextResult, error) {
	var res TextResult
	var fl Flow
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxLine)
	for line := 1; sc.Scan(); line++ {
		text := strings.TrimSpace(sc.Text())
		if text == "" || strings.HasPrefix(text, "conntrack v") {
			continue
		}
		if err := ParseText(text, &fl); err != nil {
			if res.Bad++; res.First == nil {
				res.First = fmt.Errorf("%s:%d: %w", name, line, err)
			}
			continue
		}
		res.Flows++
		if err := fn(&fl); err != nil {
			return res, err
		}
	}
	if err := sc.Err(); err != nil {
		return res, fmt.Errorf("read %s: %w", name, err)
	}
	return res, nil
}

// ParseText fills fl from one line of /proc/net/nf_conntrack, of /proc/net/ip_conntrack, or of the
// conntrack tool's list. What these do not tell is absent; that addresses were translated is told by
// the reply tuple, and set in Status.
func ParseText(line string, fl *Flow) error {
	fl.Reset()
	p := textParser{fl: fl, words: strings.Fields(line)}
	if err := p.head(); err != nil {
		return err
	}
	fl.Present |= HasStatus
	fl.Status = Confirmed | SeenReply
	for _, w := range p.words {
		if err := p.word(w); err != nil {
			return fmt.Errorf("%q: %w", w, err)
		}
	}
	return p.finish()
}

// textParser holds a line's words that are still to be read, and which tuple they belong to.
type textParser struct {
	fl     *Flow
	words  []string
	tuples int  // begun
	icmpID bool // the present tuple's id was read
}

var (
	errShort   = errors.New("line ends before the flow does")
	errWord    = errors.New("unknown word")
	errOutside = errors.New("before the first address")
)

// head reads family, protocol, remaining time and state. Offloaded flows have neither of the last two.
func (p *textParser) head() error {
	if len(p.words) > 1 && (p.words[0] == "ipv4" || p.words[0] == "ipv6" || (p.words[0] == "unknown" && len(p.words) > 3 && isNumber(p.words[3]))) {
		n, err := strconv.ParseUint(p.words[1], 10, 8)
		if err != nil {
			return fmt.Errorf("family: %w", err)
		}
		p.fl.Family = Family(n)
		p.words = p.words[2:]
	}
	if len(p.words) < 3 {
		return errShort
	}
	n, err := strconv.ParseUint(p.words[1], 10, 8)
	if err != nil {
		return fmt.Errorf("protocol: %w", err)
	}
	p.fl.Orig.Proto, p.fl.Reply.Proto = Proto(n), Proto(n)
	p.words = p.words[2:]
	if n, err := strconv.ParseUint(p.words[0], 10, 32); err == nil {
		p.fl.Timeout, p.fl.Present = uint32(n), p.fl.Present|HasTimeout
		p.words = p.words[1:]
	}
	if len(p.words) > 0 && !strings.ContainsAny(p.words[0], "=[") {
		s, ok := ParseState(p.fl.Proto(), p.words[0])
		if !ok {
			return fmt.Errorf("unknown state %q", p.words[0])
		}
		p.fl.State, p.fl.Present = s, p.fl.Present|HasState
		p.words = p.words[1:]
	}
	return nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

func (p *textParser) word(w string) error {
	switch w {
	case "[UNREPLIED]":
		p.fl.Status &^= SeenReply
		return nil
	case "[ASSURED]":
		p.fl.Status |= Assured
		return nil
	case "[OFFLOAD]":
		p.fl.Status |= Offload
		return nil
	case "[HW_OFFLOAD]":
		p.fl.Status |= HWOffload
		return nil
	}
	k, v, ok := strings.Cut(w, "=")
	if !ok || v == "" {
		return errWord
	}
	if p.tuples == 0 && k != "src" {
		if k == "timeout" || k == "stream_timeout" { // GRE's own two
			return nil
		}
		return errOutside
	}
	if done, err := p.tupleWord(k, v); done || err != nil {
		return err
	}
	return p.flowWord(k, v)
}

// tuple is the tuple that the present words belong to.
func (p *textParser) tuple() *Tuple {
	if p.tuples == 1 {
		return &p.fl.Orig
	}
	return &p.fl.Reply
}

func (p *textParser) tupleWord(k, v string) (bool, error) {
	switch k {
	case "src":
		if p.tuples++; p.tuples > 2 {
			return true, errors.New("a third tuple")
		}
		p.icmpID = false
		return true, address(v, &p.tuple().Src)
	case "dst":
		return true, address(v, &p.tuple().Dst)
	}
	t := p.tuple()
	switch k {
	case "sport", "srckey":
		return true, number(v, &t.SrcPort)
	case "dport", "dstkey":
		return true, number(v, &t.DstPort)
	case "type":
		return true, number(v, &t.ICMPType)
	case "code":
		return true, number(v, &t.ICMPCode)
	case "id":
		icmp := p.fl.Proto() == ICMP || p.fl.Proto() == ICMPv6
		if !icmp || p.icmpID {
			return false, nil
		}
		p.icmpID = true
		return true, number(v, &t.ICMPID)
	}
	return p.counterWord(k, v)
}

func (p *textParser) counterWord(k, v string) (bool, error) {
	c := &p.fl.OrigCount
	if p.tuples == 2 {
		c = &p.fl.ReplyCount
	}
	switch k {
	case "packets":
		p.fl.Present |= HasCounters
		return true, number(v, &c.Packets)
	case "bytes":
		p.fl.Present |= HasCounters
		return true, number(v, &c.Bytes)
	}
	return false, nil
}

// flowWord takes in what belongs to the whole flow; names that are not known are passed over.
func (p *textParser) flowWord(k, v string) error {
	fl := p.fl
	switch k {
	case "mark":
		fl.Present |= HasMark
		return number(v, &fl.Mark)
	case "use":
		fl.Present |= HasUse
		return number(v, &fl.Use)
	case "id":
		fl.Present |= HasID
		return number(v, &fl.ID)
	case "zone", "zone-orig", "zone-reply":
		fl.Present |= HasZone
		fl.ZoneDir = map[string]ZoneDir{"zone": ZoneBoth, "zone-orig": ZoneOrig, "zone-reply": ZoneReply}[k]
		return number(v, &fl.Zone)
	case "secctx":
		fl.SecCtx, fl.Present = strings.Clone(v), fl.Present|HasSecCtx
	case "helper":
		fl.Helper, fl.Present = strings.Clone(v), fl.Present|HasHelper
	}
	return nil
}

func (p *textParser) finish() error {
	fl := p.fl
	if p.tuples != 2 || !fl.Orig.Dst.IsValid() || !fl.Reply.Dst.IsValid() {
		return errShort
	}
	fl.Present |= HasReply
	if fl.Family == 0 {
		fl.Family = IPv4
		if fl.Orig.Src.Is6() {
			fl.Family = IPv6
		}
	}
	if fl.Reply.Dst != fl.Orig.Src || fl.Reply.DstPort != fl.Orig.SrcPort {
		fl.Status |= SrcNAT
	}
	if fl.Reply.Src != fl.Orig.Dst || fl.Reply.SrcPort != fl.Orig.DstPort {
		fl.Status |= DstNAT
	}
	return nil
}

func address(v string, to *netip.Addr) (err error) {
	*to, err = netip.ParseAddr(v)
	return err
}

// number reads a decimal number, or a hexadecimal one with 0x.
func number[T uint8 | uint16 | uint32 | uint64](v string, to *T) error {
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		return err
	}
	if *to = T(n); uint64(*to) != n {
		return strconv.ErrRange
	}
	return nil
}
