package kernlog

import (
	"strconv"
	"strings"
	"time"
)

// Stamp is a line's time as far as the line tells it.
type Stamp struct {
	// Wall is the time of day. Year is false when the log writes none (BSD syslog), Zone when it
	// names no zone: the reader knows better than the line then.
	Wall       time.Time
	Year, Zone bool
	// Boot is the time since boot; HasBoot tells that there is one.
	Boot    time.Duration
	HasBoot bool
}

// Resolve turns a stamp into a time: what lacks a zone is read in loc, a date without year is the latest
// one not after ref, and a time since boot counts from booted. It reports false when nothing tells.
func (s Stamp) Resolve(loc *time.Location, ref, booted time.Time) (time.Time, bool) {
	if loc == nil {
		loc = time.UTC
	}
	if !s.Wall.IsZero() {
		t := s.Wall
		if !s.Year {
			if ref.IsZero() {
				return time.Time{}, false
			}
			return lastBefore(t, ref, loc), true
		}
		if !s.Zone {
			t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		}
		return t.UTC(), true
	}
	if s.HasBoot && !booted.IsZero() {
		return booted.Add(s.Boot).UTC(), true
	}
	return time.Time{}, false
}

// lastBefore gives a date without year the latest year that does not put it a day after ref.
func lastBefore(t, ref time.Time, loc *time.Location) time.Time {
	limit := ref.Add(24 * time.Hour)
	year := limit.In(loc).Year()
	for range 8 { // a 29 February may be years back
		at := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		if !at.After(limit) && at.Day() == t.Day() {
			return at.UTC()
		}
		year--
	}
	return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc).UTC()
}

// cutISO reads 2026-11-22T23:39:22,917295+00:00 and its many relatives from the start of s.
func cutISO(s string) (Stamp, string, bool) {
	var st Stamp
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return st, s, false
	}
	t, err := time.Parse("2006-01-02 15:04:05", s[:10]+" "+s[11:19])
	if err != nil {
		return st, s, false
	}
	rest := s[19:]
	frac, rest := cutFraction(rest)
	t = t.Add(frac)
	st.Year = true
	switch {
	case strings.HasPrefix(rest, "Z"):
		rest, st.Zone = rest[1:], true
	case strings.HasPrefix(rest, " UTC"):
		rest, st.Zone = rest[4:], true
	default:
		if off, after, ok := cutOffset(rest); ok {
			t = t.Add(-off)
			rest, st.Zone = after, true
		}
	}
	st.Wall = t
	return st, rest, rest == "" || rest[0] == ' ' || rest[0] == '\t' || rest[0] == ']'
}

func cutFraction(s string) (time.Duration, string) {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' {
		return 0, s
	}
	i, d, unit := 1, time.Duration(0), time.Second
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		unit /= 10
		d += time.Duration(s[i]-'0') * unit
		i++
	}
	if i == 1 {
		return 0, s
	}
	return d, s[i:]
}

// cutOffset reads +00:00, +0000 or +00, maybe after a blank (journald's short-iso has none).
func cutOffset(s string) (time.Duration, string, bool) {
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return 0, s, false
	}
	h, err := strconv.Atoi(s[1:3])
	if err != nil || h > 15 {
		return 0, s, false
	}
	rest, m := s[3:], 0
	digits := strings.TrimPrefix(rest, ":")
	if len(digits) >= 2 {
		if n, err := strconv.Atoi(digits[:2]); err == nil && n >= 0 && n < 60 {
			m, rest = n, digits[2:]
		}
	}
	off := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if s[0] == '-' {
		off = -off
	}
	return off, rest, true
}

// cutClock reads 16:57:39, maybe with a fraction.
func cutClock(s string) (time.Duration, string, bool) {
	s = strings.TrimLeft(s, " ")
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return 0, s, false
	}
	h, errH := strconv.Atoi(s[:2])
	m, errM := strconv.Atoi(s[3:5])
	sec, errS := strconv.Atoi(s[6:8])
	if errH != nil || errM != nil || errS != nil || h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 60 {
		return 0, s, false
	}
	frac, rest := cutFraction(s[8:])
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec)*time.Second + frac, rest, true
}

// cutBSD reads "Mar 21 16:57:39", with a weekday before, a year before the clock or after it, the day
// before the month, and months in other languages than English.
func cutBSD(s string) (Stamp, string, bool) {
	var d date
	rest := s
	for range 5 {
		if clock, tail, ok := cutClock(rest); ok {
			return d.at(clock, tail, s)
		}
		word, after := cutWord(rest)
		if !d.take(word) {
			break
		}
		rest = after
	}
	return Stamp{}, s, false
}

// date is what the words before a clock told.
type date struct {
	year, day int
	month     time.Month
}

// take reads one word: a year, a day, a month, or a weekday before them.
func (d *date) take(word string) bool {
	n, err := strconv.Atoi(strings.TrimRight(word, "."))
	m := parseMonth(word)
	switch {
	case err == nil && n > 1970 && n < 3000:
		d.year = n
	case err == nil && n >= 1 && n <= 31 && d.day == 0:
		d.day = n
	case m != 0 && d.month == 0:
		d.month = m
	default:
		return weekday(word) && d.month == 0 && d.day == 0
	}
	return true
}

// at joins the date with its clock, and with the year that may follow; whole is the text when it is none.
func (d *date) at(clock time.Duration, tail, whole string) (Stamp, string, bool) {
	if d.month == 0 || d.day == 0 {
		return Stamp{}, whole, false
	}
	if y, after, ok := cutYear(tail); ok && d.year == 0 {
		d.year, tail = y, after
	}
	st := Stamp{Year: d.year != 0}
	if !st.Year {
		d.year = 4 // a leap year, so that 29 February stands
	}
	st.Wall = time.Date(d.year, d.month, d.day, 0, 0, 0, 0, time.UTC).Add(clock)
	return st, tail, true
}

// cutYear reads the year after the clock, as dmesg -T writes it.
func cutYear(s string) (int, string, bool) {
	word, _ := cutWord(s)
	word = strings.TrimRight(word, "]:")
	n, err := strconv.Atoi(word)
	if err != nil || n <= 1970 || n >= 3000 {
		return 0, s, false
	}
	i := strings.Index(s, word) + len(word)
	return n, strings.TrimPrefix(s[i:], ":"), true
}

func cutWord(s string) (word, rest string) {
	s = strings.TrimLeft(s, " \t")
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}
