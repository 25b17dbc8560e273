package main

import (
	"os"
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
	text, err := os.ReadFile("../../packaging/ctkeeper.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`(?m)^#(\w)`).ReplaceAllString(string(text), "$1")
	for what, yaml := range map[string]string{"as it is": string(text), "with all that it shows": shown} {
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
		if !strings.Contains(string(text), "\n#"+key+":") {
			t.Errorf("packaging/ctkeeper.yaml does not show %s", key)
		}
	}
}
