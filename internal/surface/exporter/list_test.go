package exporter

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

// TestMetricsAreDocumented holds docs/metrics.md to what is exported.
func TestMetricsAreDocumented(t *testing.T) {
	all := Metrics()
	if len(all) < 40 {
		t.Fatalf("only %d metrics", len(all))
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\nWhat `/metrics` of `ctkeeper serve` holds; [serve.md](serve.md) tells how. Also in ctkeeper-metrics(7).\n\n" +
		"| metric | type | labels | |\n|---|---|---|---|\n")
	for _, m := range all {
		if counter := strings.HasSuffix(m.Name, "_total"); counter != (m.Type == "counter") || m.Help == "" || !strings.HasPrefix(m.Name, "ctkeeper_") {
			t.Errorf("%+v", m)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	const path = "../../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if diff := cmp.Diff(b.String(), string(text)); err != nil || diff != "" {
		t.Errorf("docs/metrics.md is not what is exported; -update writes it anew: %v\n%s", err, diff)
	}
}

// TestHostileNames: whatever a namespace is called, a scrape stays one that can be read.
func TestHostileNames(t *testing.T) {
	w := watch(6)
	for i, name := range []string{"a\"b", "a\nctkeeper_flows{namespace=\"x\"} 5", "\\", "\xff\xfe", "", strings.Repeat("long ", 4000)} {
		w.Namespaces[i].Name = name
	}
	text := scrape(t, w, Options{NodeExporterNames: true}, "")
	if n := strings.Count(text, "\nctkeeper_flows{"); n != 6 {
		t.Errorf("%d of 6 namespaces", n)
	}
	for line := range strings.Lines(text) {
		if len(line) > 1000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	promtool(t, text)
}
