// Package wording holds every sentence that people read, by code, in English and French.
//
// A sentence is a template with gaps: "{name}" or "{name:kind}". Kinds are count (1,234 / 1 234), bytes
// (64 MiB / 64 Mio), seconds (432000 s = 5 d), percent (a share 0..1), rate (a second), and
// "plural|one|many", which chooses by the number named. Each area keeps its sentences in a file of its
// own; a test holds that no code lacks a language and that both name the same gaps.
package wording

import (
	"fmt"
	"strings"

	"ctkeeper/internal/conntrack/message"
)

// Lang is a language that ctkeeper speaks.
type Lang string

// Languages.
const (
	English Lang = "en"
	French  Lang = "fr"
)

// sentence is one sentence in both languages. They are held in lists, which the program's file has ready; maps would be
// made whenever the program starts.
type sentence struct {
	code   string
	en, fr string
}

// ParseLang understands --lang and LANG values: "fr", "fr_FR.UTF-8", "C"; all but French is English.
func ParseLang(s string) Lang {
	s = strings.ToLower(s)
	if s == "fr" || strings.HasPrefix(s, "fr_") || strings.HasPrefix(s, "fr-") || strings.HasPrefix(s, "fr.") {
		return French
	}
	return English
}

// Say returns the sentence of a message. A code that has no sentence is shown as it is, with its
// parameters, so that nothing is ever hidden.
func Say(lang Lang, m message.Message) string {
	t, ok := find(m.Code)
	if !ok {
		return strings.TrimSpace(fmt.Sprint(m.Code, " ", m.Params))
	}
	s := t.en
	if lang == French {
		s = t.fr
	}
	return fill(lang, s, m.Params)
}

// Has reports whether a code has a sentence.
func Has(code string) bool {
	_, ok := find(code)
	return ok
}

// Area returns the sentences whose codes begin with prefix, without it, for a page that fills the gaps itself.
func Area(prefix string, lang Lang) map[string]string {
	out := map[string]string{}
	for _, area := range areas() {
		for _, t := range area {
			rest, ok := strings.CutPrefix(t.code, prefix)
			if !ok {
				continue
			}
			out[rest] = t.en
			if lang == French {
				out[rest] = t.fr
			}
		}
	}
	return out
}

// areas returns the tables of sentences, one an area.
func areas() [][]sentence {
	return [][]sentence{
		commonText, replayText, reportText, webText, whatIfText, serveText, recordText, flowsChangeText, drillText, statusText, hostText,
		doctorText, diagnoseText, diagnoseCauseText, diagnoseEvidenceText, diagnoseCureText,
		bootText, lintText,
		planText, measuredText, applyText, settingsText, explainText, flowsText, tuiText, flowsTopText,
	}
}

func find(code string) (sentence, bool) {
	for _, area := range areas() {
		for _, t := range area {
			if t.code == code {
				return t, true
			}
		}
	}
	return sentence{}, false
}

func fill(lang Lang, s string, params message.Params) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(s, '{')
		if open < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := strings.IndexByte(s[open:], '}')
		if end < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:open])
		name, kind, _ := strings.Cut(s[open+1:open+end], ":")
		value, ok := params[name]
		if ok {
			b.WriteString(format(lang, kind, value))
		} else {
			b.WriteString("{" + name + "}")
		}
		s = s[open+end+1:]
	}
}
