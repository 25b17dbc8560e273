package wording

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

func format(lang Lang, kind string, v any) string {
	kind, choice, _ := strings.Cut(kind, "|")
	f, isNumber := number(v)
	if !isNumber {
		if list, ok := v.([]string); ok {
			return strings.Join(list, ", ")
		}
		return fmt.Sprint(v)
	}
	switch kind {
	case "count":
		return Count(lang, f)
	case "bytes":
		return Bytes(lang, f)
	case "seconds":
		return Seconds(lang, int64(f))
	case "duration":
		return Duration(lang, int64(f))
	case "percent":
		return Percent(lang, f)
	case "rate":
		return Rate(lang, f)
	case "plural":
		one, many, _ := strings.Cut(choice, "|")
		if isOne(lang, f) {
			return one
		}
		return many
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return decimal(lang, f, 2)
}

func isOne(lang Lang, f float64) bool {
	if lang == French {
		return math.Abs(f) < 2
	}
	return f == 1
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case uint32:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// Count writes a number with its thousands apart: 1,234 in English, 1 234 (no-break space) in French.
func Count(lang Lang, f float64) string {
	sep := ","
	if lang == French {
		sep = "\u00a0"
	}
	s := strconv.FormatInt(int64(math.Round(math.Abs(f))), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + sep + s[i:]
	}
	if f < 0 {
		return "-" + s
	}
	return s
}

// Bytes writes a size in binary units.
func Bytes(lang Lang, f float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	if lang == French {
		units = []string{"o", "Kio", "Mio", "Gio", "Tio"}
	}
	i := 0
	for math.Abs(f) >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	digits := 1
	if f == math.Trunc(f) || math.Abs(f) >= 100 {
		digits = 0
	}
	return decimal(lang, f, digits) + space(lang) + units[i]
}

// Seconds writes a duration as its seconds and, where that helps, in human form: "432000 s = 5 d".
func Seconds(lang Lang, s int64) string {
	human := Duration(lang, s)
	plain := strconv.FormatInt(s, 10) + space(lang) + "s"
	if human == plain {
		return plain
	}
	return plain + " = " + human
}

// Duration writes seconds in at most two human units: "5 d", "2 h 11 min".
func Duration(lang Lang, s int64) string {
	day := "d"
	if lang == French {
		day = "j"
	}
	units := []struct {
		name string
		size int64
	}{{day, 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	if s < 0 {
		return "-" + Duration(lang, -s)
	}
	for i, u := range units {
		if s < u.size {
			continue
		}
		text := strconv.FormatInt(s/u.size, 10) + space(lang) + u.name
		if rest := s % u.size; rest != 0 && i+1 < len(units) {
			if n := rest / units[i+1].size; n > 0 {
				text += space(lang) + strconv.FormatInt(n, 10) + space(lang) + units[i+1].name
			}
		}
		return text
	}
	return "0" + space(lang) + "s"
}

// Percent writes a share of one as a percentage.
func Percent(lang Lang, f float64) string {
	p := f * 100
	digits := 0
	if p != 0 && math.Abs(p) < 10 {
		digits = 1
	}
	if lang == French {
		return decimal(lang, p, digits) + "\u00a0%"
	}
	return decimal(lang, p, digits) + "%"
}

// Rate writes a number a second.
func Rate(lang Lang, f float64) string {
	digits := 0
	if f != 0 && math.Abs(f) < 10 {
		digits = 1
	}
	if digits == 0 {
		return Count(lang, f) + "/s"
	}
	return decimal(lang, f, digits) + "/s"
}

func decimal(lang Lang, f float64, digits int) string {
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if lang == French {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

func space(lang Lang) string {
	if lang == French {
		return "\u00a0"
	}
	return " "
}
