package wording

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
)

var update = flag.Bool("update", false, "rewrite docs/settings.md")

const settingsDoc = "../../../docs/settings.md"

// TestSettingsDoc holds docs/settings.md against the registry; `go test ./internal/surface/wording -update` writes it.
func TestSettingsDoc(t *testing.T) {
	want := settingsPage()
	if *update {
		if err := os.WriteFile(settingsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(settingsDoc)
	if err != nil || string(got) != want {
		t.Errorf("docs/settings.md is not up to date (%v): go test ./internal/surface/wording -update", err)
	}
}

func settingsPage() string {
	var b strings.Builder
	b.WriteString("# Every setting\n\nMade from the registry (`internal/conntrack/settings`) by `go test ./internal/surface/wording -update`; do not edit.\n\n" +
		"The name is ctkeeper's own; every command takes any of the keys too, with dots or slashes. The default is that of Linux 6.18 on a\n" +
		"machine with 16 GiB. A timeout belongs to a network namespace, and a new namespace starts with the compiled-in default, never the\n" +
		"host's value; `max`, `buckets` and `expect_max` belong to the machine and are written in its first namespace only.\n\n" +
		"| name | keys | default | scope | what to know | what a change does |\n|---|---|---|---|---|---|\n")
	newest := settings.Kernel{Version: settings.V(6, 18), HZ: 250}
	for _, s := range settings.All() {
		var keys []string
		for _, k := range s.Keys {
			keys = append(keys, "`"+k.Name+"`"+span(k))
		}
		def := "–"
		if v, ok := s.Default(newest, 16<<30); ok {
			def = fmt.Sprint(v)
			if s.Unit == settings.Seconds {
				def = Seconds(English, v)
			}
		}
		say := func(code string) string { return Say(English, message.New(code)) }
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", s.Name, strings.Join(keys, "<br>"), def, s.Scope, say(s.Advice), say(string(s.Effect)))
	}
	return b.String()
}

// span tells which kernels have a key.
func span(k settings.Key) string {
	var parts []string
	if k.Family == settings.Parameter {
		parts = append(parts, "module parameter")
	}
	if k.Since != 0 {
		parts = append(parts, "since "+k.Since.String())
	}
	if k.Until != 0 {
		parts = append(parts, "before "+k.Until.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
