package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func runAlone(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, streams{in: strings.NewReader(""), out: &o, err: &e})
	return o.String(), e.String(), code
}

// TestStatusOfEveryHost holds that the screen exits as doctor does, and reads in both languages.
func TestStatusOfEveryHost(t *testing.T) {
	files, err := filepath.Glob("testdata/hosts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no hosts")
	}
	for _, file := range files {
		h := readHost(t, file)
		t.Run(h.name, func(t *testing.T) {
			from := h.unpack(t)
			for _, lang := range []string{"en", "fr"} {
				out, errs, code := runAlone(t, "--from", from, "--lang", lang)
				if code != h.exit || errs != "" {
					t.Errorf("exit %d, truth is %d: %s", code, h.exit, errs)
				}
				checkScreen(t, out, from)
			}
		})
	}
}

// checkScreen holds that a screen has at most 80 columns, 40 lines and no unfilled gap.
func checkScreen(t *testing.T, out, from string) {
	t.Helper()
	if n := strings.Count(out, "\n"); n > 40 {
		t.Errorf("%d lines:\n%s", n, out)
	}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if n := len([]rune(line)); n > doctorWidth && !strings.Contains(line, from) {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.ContainsAny(line, "{}") || strings.Contains(line, "status_") {
			t.Errorf("unfilled: %s", line)
		}
	}
}

// TestStatusContract holds the keys of schema ctkeeper.status/1.
func TestStatusContract(t *testing.T) {
	from := readHost(t, "testdata/hosts/full.txtar").unpack(t)
	out, _, code := runAlone(t, "--from", from, "--format", "json")
	if code != 2 || !strings.HasPrefix(out, "{\n  \"schema\": \"ctkeeper.status/1\",") {
		t.Fatalf("exit %d, begins %.60q", code, out)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	hasKeys(t, "document", doc, "schema", "verdict", "severity", "confidence", "host", "module", "namespaces", "findings", "settings", "next", "missing")
	table := doc["namespaces"].([]any)[0].(map[string]any)
	hasKeys(t, "namespace", table, "name", "count", "max", "occupancy", "pressure", "flows", "src")
	if n := len(table["src"].([]any)); n == 0 || n > topSources {
		t.Errorf("%d sources", n)
	}
	hasKeys(t, "finding", doc["findings"].([]any)[0].(map[string]any), "code", "severity", "text")
	hasKeys(t, "setting", doc["settings"].([]any)[0].(map[string]any), "name", "value", "default", "differs", "unit")
	next := doc["next"].([]any)[0].(map[string]any)
	if c := next["command"].(string); !strings.HasPrefix(c, "ctkeeper doctor --from ") {
		t.Errorf("next is %q", c)
	}
}

func TestStatusErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		hint string
	}{
		{[]string{"--no-such-flag"}, 3, ""},
		{[]string{"--format", "jsonl"}, 3, ""},
		{[]string{"--from", "/does/not/exist"}, 3, ""},
		{[]string{"docter"}, 2, "hint: ctkeeper doctor"},
	} {
		out, errs, code := runAlone(t, c.args...)
		if code != c.code || out != "" || !strings.HasPrefix(errs, "error: ") || !strings.Contains(errs, c.hint) {
			t.Errorf("ctkeeper %v exits %d with %q, %q", c.args, code, out, errs)
		}
	}
}

func TestBar(t *testing.T) {
	share := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		occupancy float64
		pinned    *float64
		want      string // runs of cells
	}{
		{0, share(0), "50."}, {1, share(1), "50#"}, {0.5, share(0.2), "10# 15+ 25."}, {0.001, share(0), "1+ 49."},
		{0.999, nil, "49= 1."}, {2, share(2), "50#"}, {0.3, share(0.9), "15# 35."},
	} {
		if got := runs(bar(c.occupancy, c.pinned)); got != c.want {
			t.Errorf("bar(%v) is %s, want %s", c.occupancy, got, c.want)
		}
	}
}

func runs(s string) string {
	var list []string
	for len(s) > 0 {
		n := len(s) - len(strings.TrimLeft(s, s[:1]))
		list = append(list, fmt.Sprint(n)+s[:1])
		s = s[n:]
	}
	return strings.Join(list, " ")
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"./a-b_c.json": "./a-b_c.json", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$x": "'$x'", "~x": "'~x'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q is written %s", in, got)
		}
	}
}

// TestStatusAsNobody runs the real program without any right: it answers, and names what root would add.
func TestStatusAsNobody(t *testing.T) {
	if os.Getenv("CTKEEPER_TEST_NOBODY") != "" {
		os.Exit(run([]string{"--format", "json"}, streams{os.Stdin, os.Stdout, os.Stderr}))
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to become nobody")
		}
		t.Skip("needs root to become nobody")
	}
	cmd := exec.Command(reachableCopy(t), "-test.run", "^TestStatusAsNobody$")
	cmd.Env = append(os.Environ(), "CTKEEPER_TEST_NOBODY=1")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, _ := cmd.Output() // its exit code is a verdict
	var doc statusDocument
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatalf("exit %d: %v\n%s", cmd.ProcessState.ExitCode(), err, out)
	}
	if len(doc.Namespaces) == 0 || doc.Namespaces[0].Max == nil {
		t.Errorf("max is readable by anybody, but: %+v", doc.Namespaces)
	}
	if !slices.ContainsFunc(doc.Missing, func(m missingDocument) bool { return m.Hint != "" }) {
		t.Errorf("nothing says what root would add: %+v", doc.Missing)
	}
	if !strings.HasPrefix(doc.Next[0].Command, "sudo ctkeeper") {
		t.Errorf("next is %+v", doc.Next)
	}
}

// reachableCopy copies this program to where any user may run it.
func reachableCopy(t *testing.T) string {
	t.Helper()
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	dir, err := os.MkdirTemp("", "ctk-nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "ctkeeper.test")
	to, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, self); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}
