package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// kind is how the kernel reads a text that is written to a key.
type kind uint8

const (
	kindReadOnly kind = iota
	kindSeconds       // an int of ticks
	kindBool
	kindByte
	kindByteSince514
	kindEvents
	kindMax
	kindBuckets
	kindExpectMax
	kindInt
	kindLong
)

// RefusedError is a text that the kernel does not take, with its error's name.
type RefusedError struct {
	Text  string
	Errno string // EINVAL, EACCES
	// Low and High bound what it would take, when the text is a number out of range.
	Low, High int64
	Number    bool
}

// Error tells what was refused and what would not be.
func (e *RefusedError) Error() string {
	if e.Number {
		return fmt.Sprintf("%s: %q is outside %d to %d", e.Errno, e.Text, e.Low, e.High)
	}
	return fmt.Sprintf("%s: %q", e.Errno, e.Text)
}

// Accept tells what a kernel does with a text written to the setting: the value that it takes, or a
// *RefusedError. An empty text changes nothing and is refused here too. The rules are those of
// proc_dointvec and its kin (kernel/sysctl.c, 6.18), checked against the kernel's own answers.
func (s Setting) Accept(k Kernel, text string) (int64, error) {
	if s.kind == kindReadOnly || s.ReadOnly {
		return 0, &RefusedError{Text: text, Errno: "EACCES"}
	}
	v, ok := leadingNumber(text)
	if !ok {
		return 0, &RefusedError{Text: text, Errno: "EINVAL"}
	}
	low, high := s.KernelRange(k)
	if v < low || v > high {
		return 0, &RefusedError{Text: text, Errno: "EINVAL", Low: low, High: high, Number: true}
	}
	return s.stored(k, v), nil
}

// stored is the value that reads back.
func (s Setting) stored(k Kernel, v int64) int64 {
	if s.kind == kindBuckets {
		return k.RoundBuckets(v)
	}
	return v
}

// KernelRange is what the kernel itself accepts, sensible or not.
func (s Setting) KernelRange(k Kernel) (low, high int64) {
	before := func(v Version) bool { return k.Known() && k.Version < v }
	anyInt := [2]int64{-maxInt - 1, maxInt}
	r := anyInt
	switch s.kind {
	case kindSeconds:
		r = [2]int64{-maxInt / k.hz(), maxInt / k.hz()}
	case kindBool:
		if !before(V(5, 4)) {
			r = [2]int64{0, 1}
		}
	case kindByte:
		r = [2]int64{0, 255}
	case kindByteSince514:
		if !before(V(5, 14)) {
			r = [2]int64{0, 255}
		}
	case kindEvents:
		r = [2]int64{0, 2}
		if before(V(5, 19)) {
			r[1] = 1
		}
	case kindMax:
		r = maxRange(k)
	case kindBuckets:
		r = [2]int64{1, maxInt / 8}
	case kindExpectMax:
		if !before(V(6, 15)) {
			r = [2]int64{1, maxInt}
		}
	case kindLong:
		r = [2]int64{0, 1<<63 - 1}
	}
	return r[0], r[1]
}

// maxRange: any int once, 0 (no limit) and up from 6.15, 1 and up from 6.19.
func maxRange(k Kernel) [2]int64 {
	switch {
	case k.Known() && k.Version < V(6, 15):
		return [2]int64{-maxInt - 1, maxInt}
	case !k.Known() || k.Version < V(6, 19):
		return [2]int64{0, maxInt}
	}
	return [2]int64{1, maxInt}
}

// Sane reports whether a value the kernel accepts leaves tracking whole: a timeout of 0 or less forgets
// flows at once, and a max of 0 is no limit.
func (s Setting) Sane(v int64) bool { return v >= s.Min && v <= s.Max }

// leadingNumber reads the first number of a text as the kernel does: blanks before it are skipped, 0x and
// 0 choose the base, and it must end at a blank, a newline or the end; what follows a blank is ignored.
func leadingNumber(text string) (int64, bool) {
	s := strings.TrimLeft(text, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	base, digits := 10, s
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	end := len(digits)
	if i := strings.IndexAny(digits, " \t\n"); i >= 0 {
		end = i
	}
	if base == 8 && end == 0 {
		return 0, true // "0 "
	}
	if strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "-") {
		return 0, false
	}
	n, err := strconv.ParseUint(digits[:end], base, 63)
	if err != nil {
		return 0, false
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

// Guess returns what a text that is no number probably meant: "65536." is 65536, "1 000 000" 1000000,
// "1d" 86400 for a timeout.
func (s Setting) Guess(text string) (int64, bool) {
	t := strings.Trim(strings.TrimSpace(text), `"'`+"`;,.+")
	t = strings.NewReplacer("_", "", ",", "", " ", "", "\u00a0", "", "'", "").Replace(t)
	if v, err := strconv.ParseInt(t, 10, 63); err == nil {
		return v, true
	}
	if whole, rest, ok := strings.Cut(t, "."); ok && strings.Trim(rest, "0") == "" {
		v, err := strconv.ParseInt(whole, 10, 63)
		return v, err == nil
	}
	if len(t) < 2 {
		return 0, false
	}
	v, err := strconv.ParseInt(t[:len(t)-1], 10, 32)
	factor, ok := s.suffix(t[len(t)-1])
	return v * factor, err == nil && ok
}

func (s Setting) suffix(c byte) (int64, bool) {
	if s.Unit == Seconds {
		f, ok := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[c]
		return f, ok
	}
	f, ok := map[byte]int64{'k': 1024, 'K': 1024, 'm': 1 << 20, 'M': 1 << 20}[c]
	return f, ok && s.Unit != Bool
}
