package rank

import (
	"fmt"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/flow"
)

// By is a grouping: one key or two.
type By struct {
	parts [2]Part
	n     int
}

// NewBy is the grouping by one key, or by two.
func NewBy(first Part, second ...Part) By {
	b := By{n: 1}
	b.parts[0] = first
	if len(second) > 0 {
		b.parts[1], b.n = second[0], 2
	}
	return b
}

// Parts are the grouping's keys.
func (b By) Parts() []Part { return b.parts[:b.n] }

// keyWords are the words for the keys; the first of a key is the one that is shown.
var keyWords = []struct {
	word string
	key  Key
}{
	{"src", Src}, {"dst", Dst}, {"sport", SrcPort}, {"dport", DstPort}, {"proto", Proto}, {"state", State},
	{"zone", Zone}, {"mark", Mark}, {"status", Status}, {"idle", Idle}, {"remaining", Remaining}, {"service", Service},
	{"source", Src}, {"destination", Dst}, {"port", DstPort}, {"protocol", Proto}, {"timeout", Remaining},
}

// KeyNames lists the words that ParseBy knows, as they are shown; src and dst take a prefix too.
func KeyNames() []string {
	var names []string
	for _, w := range keyWords {
		if (Part{Key: w.key}).String() == w.word {
			names = append(names, w.word)
		}
	}
	return names
}

// ParseBy reads KEY or KEY,KEY: "src", "src/24,dport", "dst/64", "src/16/48" (IPv4 and IPv6).
func ParseBy(s string) (By, error) {
	words := strings.Split(s, ",")
	if len(words) > 2 {
		return By{}, fmt.Errorf("%q has %d keys; flows are grouped by one or two", s, len(words))
	}
	b := By{n: len(words)}
	for i, w := range words {
		p, err := parsePart(strings.TrimSpace(w))
		if err != nil {
			return By{}, err
		}
		b.parts[i] = p
	}
	if b.n == 2 && b.parts[0] == b.parts[1] {
		return By{}, fmt.Errorf("%q names the same key twice", s)
	}
	return b, nil
}

func parsePart(s string) (Part, error) {
	word, bits, cut := strings.Cut(s, "/")
	for _, w := range keyWords {
		if w.word != strings.ToLower(word) {
			continue
		}
		if !cut {
			return Part{Key: w.key}, nil
		}
		if w.key != Src && w.key != Dst {
			return Part{}, fmt.Errorf("%q: only src and dst take a prefix length", s)
		}
		return parsePrefix(s, w.key-Src+SrcPrefix, bits)
	}
	if s == "" {
		return Part{}, fmt.Errorf("a key is missing; known are %s", strings.Join(KeyNames(), ", "))
	}
	return Part{}, fmt.Errorf("no key %q; perhaps %s (known are %s)", word, nearestKey(strings.ToLower(word)), strings.Join(KeyNames(), ", "))
}

// parsePrefix reads one length, which is IPv4's up to 32 and IPv6's beyond, or both.
func parsePrefix(s string, k Key, bits string) (Part, error) {
	p := Part{Key: k, Bits4: defaultBits4, Bits6: defaultBits6}
	first, second, both := strings.Cut(bits, "/")
	n, err := strconv.ParseUint(first, 10, 8)
	if err != nil || n > 128 || both && n > 32 {
		return p, fmt.Errorf("%q: the prefix length is 0 to 32 (IPv4) or 33 to 128 (IPv6), or both: src/24/64", s)
	}
	if n > 32 {
		p.Bits6 = uint8(n)
		return p, nil
	}
	p.Bits4 = uint8(n)
	if both {
		if n, err = strconv.ParseUint(second, 10, 8); err != nil || n > 128 {
			return p, fmt.Errorf("%q: an IPv6 prefix length is 0 to 128", s)
		}
		p.Bits6 = uint8(n)
	}
	return p, nil
}

// nearestKey is the word whose letters differ least.
func nearestKey(word string) string {
	best, least := "", 1<<30
	for _, w := range keyWords {
		if d := lettersApart(word, w.word); d < least {
			best, least = Part{Key: w.key}.String(), d
		}
	}
	return best
}

// lettersApart is how many letters one word has that the other lacks.
func lettersApart(a, b string) int {
	var n [256]int
	for i := range len(a) {
		n[a[i]]++
	}
	for i := range len(b) {
		n[b[i]]--
	}
	d := 0
	for _, v := range n {
		d += max(v, -v)
	}
	return d
}

// String is the key as ParseBy reads it.
func (p Part) String() string {
	k := p.Key
	if k == SrcPrefix || k == DstPrefix {
		k -= SrcPrefix - Src
	}
	for _, w := range keyWords {
		if w.key != k {
			continue
		}
		switch {
		case k == p.Key:
			return w.word
		case p.Bits6 == defaultBits6:
			return fmt.Sprintf("%s/%d", w.word, p.Bits4)
		case p.Bits4 == defaultBits4 && p.Bits6 > 32:
			return fmt.Sprintf("%s/%d", w.word, p.Bits6)
		}
		return fmt.Sprintf("%s/%d/%d", w.word, p.Bits4, p.Bits6)
	}
	return ""
}

// String is the grouping as ParseBy reads it.
func (b By) String() string {
	if b.n == 2 {
		return b.parts[0].String() + "," + b.parts[1].String()
	}
	return b.parts[0].String()
}

// Fields are the optional parts of a flow that the ranking looks at, for whoever reads the flows.
func (b By) Fields() flow.Fields {
	f := Fields
	for _, p := range b.Parts() {
		if p.Key == Mark {
			f |= flow.HasMark
		}
	}
	return f
}
