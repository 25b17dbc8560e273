// Package packaging_test holds what is shipped beside the program to the tools that will read it.
package packaging_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/exporter"
)

// tool finds a program; in CI it must be there.
func tool(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed (Debian package %s)", name, pkg)
	}
	return path
}

func TestAlertRules(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// TestAlertsUseMetricsThatExist: a renamed metric must not silence an alert.
func TestAlertsUseMetricsThatExist(t *testing.T) {
	rules, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := 5.0
	w := snapshot.Watch{At: time.Now(), Started: time.Now(), Namespaces: []snapshot.Watched{{Name: "host", Last: snapshot.Sample{Max: 5}, Flows: &snapshot.Flows{},
		Totals: map[string]uint64{"chain_toolong": 1}, Forecast: &snapshot.Forecast{Full: &full}}}}
	rec := httptest.NewRecorder()
	exporter.Handler(func() snapshot.Watch { return w }, exporter.Options{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	names := regexp.MustCompile(`ctkeeper_\w+`).FindAllString(string(rules), -1)
	if len(names) < 8 {
		t.Fatalf("only %d metrics in the rules", len(names))
	}
	for _, name := range names {
		if !strings.Contains(rec.Body.String(), "\n"+name+"{") && !strings.Contains(rec.Body.String(), "\n"+name+" ") {
			t.Errorf("alerts.yaml uses %s, which is not exported", name)
		}
	}
}

// unit is the service file with a program that exists here.
func unit(t *testing.T, presentOnly bool) string {
	t.Helper()
	text, err := os.ReadFile("ctkeeper.service")
	if err != nil {
		t.Fatal(err)
	}
	s := strings.Replace(string(text), "/usr/bin/ctkeeper serve", "/bin/true serve", 1)
	if presentOnly { // what the drop-in makes of it
		s = regexp.MustCompile(`(?m)^(AmbientCapabilities|CapabilityBoundingSet)=.*$`).ReplaceAllString(s, "$1=CAP_NET_ADMIN CAP_SYSLOG")
		s = strings.Replace(s, "RestrictNamespaces=net", "RestrictNamespaces=yes", 1)
	}
	path := filepath.Join(t.TempDir(), "ctkeeper.service")
	if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUnit(t *testing.T) {
	analyze := tool(t, "systemd-analyze", "systemd")
	var stderr strings.Builder
	cmd := exec.Command(analyze, "verify", "--man=no", unit(t, false))
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 { // it exits 0 on unknown keys
		t.Errorf("verify: %v\n%s", err, &stderr)
	}
	for present, limit := range map[bool]float64{false: 2.5, true: 2.0} {
		out, err := exec.Command(analyze, "security", "--offline=true", unit(t, present)).CombinedOutput()
		m := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("security: %v\n%s", err, out)
		}
		if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > limit {
			t.Errorf("exposure %s, at most %v (present only: %v)", m[1], limit, present)
		}
	}
	dropIn, err := os.ReadFile("present-only.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AmbientCapabilities=\nAmbientCapabilities=CAP_NET_ADMIN CAP_SYSLOG\n", "CapabilityBoundingSet=\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_SYSLOG\n", "RestrictNamespaces=yes"} {
		if !strings.Contains(string(dropIn), want) {
			t.Errorf("present-only.conf lacks %q", want)
		}
	}
}
