package wording

import (
	"regexp"
	"slices"
	"testing"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
)

var gap = regexp.MustCompile(`\{(\w+)`)

func gaps(s string) []string {
	var names []string
	for _, m := range gap.FindAllStringSubmatch(s, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestEverySentenceInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, area := range areas() {
		for _, s := range area {
			code := s.code
			if s.en == "" || s.fr == "" {
				t.Errorf("%s: lacks a language: en %q, fr %q", code, s.en, s.fr)
			}
			if !slices.Equal(gaps(s.en), gaps(s.fr)) {
				t.Errorf("%s: gaps differ: en %v, fr %v", code, gaps(s.en), gaps(s.fr))
			}
			if seen[code] {
				t.Errorf("%s: stands in two places", code)
			}
			seen[code] = true
		}
	}
	if len(seen) == 0 {
		t.Fatal("no sentence was looked at")
	}
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		lang Lang
		tmpl string
		p    message.Params
		want string
	}{
		{English, "{n:count} {n:plural|flow|flows}", message.Params{"n": 1234}, "1,234 flows"},
		{English, "{n:count} {n:plural|flow|flows}", message.Params{"n": 1.0}, "1 flow"},
		{French, "{n:count} {n:plural|flux|flux}", message.Params{"n": uint64(262144)}, "262\u00a0144 flux"},
		{English, "{t:seconds}", message.Params{"t": int64(432000)}, "432000 s = 5 d"},
		{French, "{t:seconds}", message.Params{"t": 7875}, "7875\u00a0s = 2\u00a0h\u00a011\u00a0min"},
		{English, "{b:bytes}", message.Params{"b": uint64(100663296)}, "96 MiB"},
		{French, "{b:bytes}", message.Params{"b": 1.5 * 1024}, "1,5\u00a0Kio"},
		{English, "{p:percent}", message.Params{"p": 0.453}, "45%"},
		{English, "{gone} stays", nil, "{gone} stays"},
		{English, "{list}", message.Params{"list": []string{"a", "b"}}, "a, b"},
		{English, "an open { brace", nil, "an open { brace"},
	} {
		if got := fill(c.lang, c.tmpl, c.p); got != c.want {
			t.Errorf("fill(%s, %q, %v) = %q, want %q", c.lang, c.tmpl, c.p, got, c.want)
		}
	}
}

func TestEverySettingHasItsSentences(t *testing.T) {
	for _, s := range settings.All() {
		for _, code := range []string{string(s.Effect), s.Advice} {
			if !Has(code) {
				t.Errorf("%s: no sentence %s", s.Name, code)
			}
		}
	}
}
