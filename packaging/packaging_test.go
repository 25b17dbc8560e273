// Package packaging_test holds what is shipped beside the program to the tools that will read it.
package packaging_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

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

// TestMetricsThatAreUsedExist: a renamed metric must not silence an alert or empty a panel.
func TestMetricsThatAreUsedExist(t *testing.T) {
	all := exporter.Metrics()
	exported := map[string]bool{}
	for _, m := range all {
		exported[m.Name] = true
	}
	for file, least := range map[string]int{"alerts.yaml": 8, "dashboard.json": 20} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`ctkeeper_\w+`).FindAllString(string(text), -1)
		if len(names) < least {
			t.Errorf("only %d metrics in %s", len(names), file)
		}
		for _, name := range names {
			if !exported[name] {
				t.Errorf("%s uses %s, which is not exported", file, name)
			}
		}
	}
}

// TestDashboard: panels do not overlap, and Prometheus reads every query of theirs.
func TestDashboard(t *testing.T) {
	promtool := tool(t, "promtool", "prometheus")
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID    string
		Panels []struct {
			Title, Description string
			GridPos            struct{ X, Y, W, H int }
			Targets            []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &d); err != nil || d.UID == "" || len(d.Panels) < 10 {
		t.Fatalf("%d panels, %v", len(d.Panels), err)
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	rule := func(expr string) {
		rules += fmt.Sprintf("  - {record: 'r:%d', expr: %q}\n", len(rules), strings.ReplaceAll(expr, "$", ""))
	}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%q says or asks nothing", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" || at[0] >= 24 {
					t.Fatalf("%q lies over %q or outside", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
		for _, q := range p.Targets {
			rule(q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		rule(a.Expr)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(promtool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, rules)
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
