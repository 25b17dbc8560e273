package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPackagedConfiguration: the file that packages install says nothing, and what it shows as defaults are
// all keys with the values that they have.
func TestPackagedConfiguration(t *testing.T) {
	text := exampleConfig
	shown := regexp.MustCompile(`(?m)^#(\w)`).ReplaceAllString(text, "$1")
	for what, yaml := range map[string]string{"as it is": text, "with all that it shows": shown} {
		path := filepath.Join(t.TempDir(), "ctkeeper.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readServeConfig(path)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got.path = ""
		if len(got.Hosts)+len(got.Webhooks) == 0 {
			got.Hosts, got.Webhooks = nil, nil // empty lists are none
		}
		if diff := cmp.Diff(defaultServeConfig(), got, cmp.AllowUnexported(serveConfig{})); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	keys := reflect.TypeFor[serveConfig]()
	for i := range keys.NumField() {
		key, _, _ := strings.Cut(keys.Field(i).Tag.Get("yaml"), ",")
		if key == "" {
			continue
		}
		if !strings.Contains(text, "\n#"+key+":") {
			t.Errorf("ctkeeper.yaml does not show %s", key)
		}
	}
}

// TestReferencePages: the pages for configuration and metrics name every key and every metric, and groff reads
// them without a word where it is installed.
func TestReferencePages(t *testing.T) {
	dir := t.TempDir()
	var errs strings.Builder
	if code := run([]string{"man", "--dir", dir}, streams{nil, io.Discard, &errs}); code != 0 {
		t.Fatal(errs.String())
	}
	for file, want := range map[string]string{"ctkeeper.yaml.5": "cpu_budget: 1%", "ctkeeper-metrics.7": `ctkeeper_insert_failed_total{namespace}`} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: no %q, %v", file, want, err)
		}
		groff, err := exec.LookPath("groff")
		if err != nil {
			continue
		}
		if out, err := exec.Command(groff, "-K", "utf8", "-man", "-ww", "-z", "-Tutf8", filepath.Join(dir, file)).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
