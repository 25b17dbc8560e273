package kernlog

import (
	"strconv"
	"strings"
	"time"
)

// months are the starts of the months' names in the languages that logs are met in, January first. A
// name is found by the longest start that fits, so that "mars" and "marzo" need no entry beside "mar".
var months = [12][]string{
	{"jan", "ene", "gen", "gjan", "janv", "sty", "led", "oca", "янв", "tammi", "ян", "sij", "січ"},
	{"feb", "fév", "fev", "fèv", "lut", "úno", "şub", "sub", "фев", "helmi", "лют"},
	{"mar", "mär", "maa", "mrt", "mrz", "bře", "мар", "maalis", "бер", "már"},
	{"apr", "avr", "abr", "kwi", "dub", "nis", "апр", "huhti", "ápr", "кві"},
	{"may", "mai", "mag", "maj", "mei", "kvě", "мая", "май", "touko", "máj", "тра"},
	{"jun", "juin", "giu", "cze", "čer", "čvn", "haz", "июн", "kesä", "jún", "чер"},
	{"jul", "juil", "lug", "lip", "čvc", "červenec", "tem", "июл", "heinä", "júl"},
	{"aug", "aoû", "aou", "ago", "sie", "srp", "ağu", "авг", "elo", "сер"},
	{"sep", "set", "wrz", "zář", "eyl", "сен", "syys", "sze", "вер"},
	{"oct", "okt", "ott", "out", "paź", "říj", "eki", "окт", "loka", "жов"},
	{"nov", "lis", "kas", "ноя", "marras"},
	{"dec", "déc", "dic", "dez", "des", "gru", "pro", "ara", "дек", "joulu", "гру"},
}

// parseMonth returns the month that a word names: "Mar", "mars", "févr.", "april", "11月"; 0 for none.
func parseMonth(word string) time.Month {
	if n, ok := strings.CutSuffix(word, "月"); ok {
		if m, err := strconv.Atoi(n); err == nil && m >= 1 && m <= 12 {
			return time.Month(m)
		}
		return 0
	}
	if len(word) > 24 || len(word) < 3 {
		return 0
	}
	word = strings.ToLower(strings.TrimRight(word, ".,"))
	best, length := time.Month(0), 0
	for i, names := range months {
		for _, n := range names {
			if len(n) > length && strings.HasPrefix(word, n) {
				best, length = time.Month(i+1), len(n)
			}
		}
	}
	return best
}

// weekday reports whether a word can be the name of a day that stands before a date: letters only.
func weekday(word string) bool {
	word = strings.TrimRight(word, ".,")
	if word == "" || len(word) > 24 || strings.HasSuffix(word, ":") {
		return false
	}
	for _, r := range word {
		if r < 'A' || r > 'Z' && r < 'a' || r > 'z' && r < 0x80 {
			return false
		}
	}
	return true
}
