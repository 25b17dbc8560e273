package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"ctkeeper/internal/advice/diagnose"
)

// Host fixtures: testdata/hosts/NAME.txtar is a host's files (or one snapshot.json) and, in its comment,
// the truth about that host. The lines of the comment that begin with one of these words are read, all
// others are prose:
//
//	base NAME              start from testdata/hosts/base/NAME.txtar
//	without PATH           a file of the base that this host lacks
//	fresh                  no table and no counters of the base
//	link PATH TARGET       a symbolic link
//	readonly PATH          a file of mode 0444, as max has inside a container
//	stat NAME=N …          proc/net/stat/nf_conntrack, on two CPUs, of a kernel ≥ 5.15
//	flows N PROTO STATE LEFT src=NET dst=ADDR dport=P [unreplied|assured]
//	                       N lines of proc/net/nf_conntrack; sources vary inside NET, a /8, /16, /24 or /32
//	verdict, severity, exit
//	finding CODE SEVERITY  must be there with that severity
//	forbid CODE            must not be there above ok
//	evidence TEXT          must be somewhere in the JSON
//
// Whatever finding is above ok and not named fails the test, so healthy hosts raise no false alarm.
type hostTruth struct {
	name                  string
	verdict, severity     string
	exit                  int
	findings              map[string]string
	forbid                []string
	files                 map[string][]byte
	links                 map[string]string
	flows, stat, readonly []string
	evidence              []string
	snapshotOnly          bool
}

func readHost(t *testing.T, file string) *hostTruth {
	t.Helper()
	h := &hostTruth{
		name: strings.TrimSuffix(filepath.Base(file), ".txtar"), exit: -1,
		findings: map[string]string{}, files: map[string][]byte{}, links: map[string]string{},
	}
	h.read(t, file)
	if h.verdict == "" || h.severity == "" || h.exit < 0 {
		t.Fatalf("%s: verdict, severity or exit is not stated", file)
	}
	_, h.snapshotOnly = h.files["snapshot.json"]
	return h
}

func (h *hostTruth) read(t *testing.T, file string) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(ar.Comment)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		h.directive(t, file, word, rest)
	}
	for _, f := range ar.Files {
		h.files[f.Name] = f.Data
	}
}

func (h *hostTruth) directive(t *testing.T, file, word, rest string) {
	t.Helper()
	fields := strings.Fields(rest)
	switch word {
	case "base":
		h.read(t, filepath.Join(filepath.Dir(file), "base", fields[0]+".txtar"))
	case "fresh":
		h.flows, h.stat = nil, nil
	case "without":
		delete(h.files, fields[0])
		delete(h.links, fields[0])
	case "readonly":
		h.readonly = append(h.readonly, fields...)
	case "link":
		h.links[fields[0]] = fields[1]
	case "stat":
		h.stat = fields
	case "flows":
		h.flows = append(h.flows, rest)
	case "verdict":
		h.verdict = rest
	case "severity":
		h.severity = rest
	case "exit":
		h.exit = number(t, rest)
	case "finding":
		h.findings[fields[0]] = fields[1]
	case "forbid":
		h.forbid = append(h.forbid, fields[0])
	case "evidence":
		h.evidence = append(h.evidence, rest)
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// unpack writes the host under a new directory and returns what --from takes.
func (h *hostTruth) unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if len(h.stat) > 0 {
		h.files["proc/net/stat/nf_conntrack"] = statFile(t, h.stat)
	}
	if len(h.flows) > 0 {
		h.files["proc/net/nf_conntrack"] = procFlows(t, h.flows)
	}
	for name, data := range h.files {
		writeHostFile(t, filepath.Join(dir, name), data)
	}
	for _, name := range h.readonly {
		if err := os.Chmod(filepath.Join(dir, name), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range h.links {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, p); err != nil {
			t.Fatal(err)
		}
	}
	if h.snapshotOnly {
		return filepath.Join(dir, "snapshot.json")
	}
	return dir
}

func writeHostFile(t *testing.T, p string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// statFile is /proc/net/stat/nf_conntrack of two CPUs: the first has all the events.
func statFile(t *testing.T, pairs []string) []byte {
	t.Helper()
	columns := []string{"entries", "clashres", "found", "new", "invalid", "ignore", "delete", "chainlength", "insert",
		"insert_failed", "drop", "early_drop", "icmp_error", "expect_new", "expect_create", "expect_delete", "search_restart"}
	values := make([]int, len(columns))
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		i := slices.Index(columns, name)
		if i < 0 {
			t.Fatalf("stat: no column %s", name)
		}
		values[i] = number(t, value)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, strings.Join(columns, " "))
	for cpu := range 2 {
		for i, v := range values {
			if cpu == 1 && i > 0 {
				v = 0
			}
			fmt.Fprintf(&b, "%08x ", v)
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// procFlows is /proc/net/nf_conntrack of the flows that the lines describe.
func procFlows(t *testing.T, lines []string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, line := range lines {
		f := strings.Fields(line)
		if len(f) < 7 {
			t.Fatalf("flows %s: too short", line)
		}
		state, mark, unreplied := f[2]+" ", "", ""
		if f[2] == "-" {
			state = ""
		}
		if slices.Contains(f, "assured") {
			mark = "[ASSURED] "
		}
		if slices.Contains(f, "unreplied") {
			unreplied = "[UNREPLIED] "
		}
		src, dst, port := strings.TrimPrefix(f[4], "src="), strings.TrimPrefix(f[5], "dst="), strings.TrimPrefix(f[6], "dport=")
		proto := map[string]string{"tcp": "tcp      6", "udp": "udp      17"}[f[1]]
		for i := range number(t, f[0]) {
			from, sport := address(t, src, i), 1024+i%64000
			fmt.Fprintf(&b, "ipv4     2 %s %s %ssrc=%s dst=%s sport=%d dport=%s %ssrc=%s dst=%s sport=%s dport=%d %smark=0 zone=0 use=2\n",
				proto, f[3], state, from, dst, sport, port, unreplied, dst, from, port, sport, mark)
		}
	}
	return b.Bytes()
}

// address is the i-th address of a /8, /16, /24 or /32.
func address(t *testing.T, net string, i int) string {
	t.Helper()
	base, bits, _ := strings.Cut(net, "/")
	p := strings.Split(base, ".")
	switch bits {
	case "8":
		return fmt.Sprintf("%s.%d.%d.%d", p[0], i/251%251, i*7%251, 1+i%251)
	case "16":
		return fmt.Sprintf("%s.%s.%d.%d", p[0], p[1], i/251%251, 1+i%251)
	case "24":
		return fmt.Sprintf("%s.%s.%s.%d", p[0], p[1], p[2], 1+i%251)
	}
	return base
}

func TestHosts(t *testing.T) {
	files, err := filepath.Glob("testdata/hosts/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Errorf("only %d host fixtures", len(files))
	}
	seen := map[string]bool{}
	for _, file := range files {
		h := readHost(t, file)
		for code := range h.findings {
			seen[code] = true
		}
		t.Run(h.name, func(t *testing.T) { h.check(t) })
	}
	for _, code := range diagnose.Codes() {
		if !seen[code] {
			t.Errorf("no host has the finding %s", code)
		}
	}
}

func (h *hostTruth) check(t *testing.T) {
	from := h.unpack(t)
	var out, errs bytes.Buffer
	code := run([]string{"doctor", "--from", from, "--format", "json"}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	var doc doctorDocument
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, errs.String(), out.String())
	}
	if doc.Verdict != h.verdict || string(doc.Severity) != h.severity || code != h.exit {
		t.Errorf("verdict %s, severity %s, exit %d; truth is %s, %s, %d", doc.Verdict, doc.Severity, code, h.verdict, h.severity, h.exit)
	}
	got := map[string]string{}
	for _, f := range doc.Findings {
		if got[f.Code] == "" || f.Severity != diagnose.OK {
			got[f.Code] = string(f.Severity)
		}
		if _, named := h.findings[f.Code]; !named && f.Severity != diagnose.OK {
			t.Errorf("false alarm: %s (%s)", f.Code, f.Severity)
		}
	}
	for code, severity := range h.findings {
		if got[code] != severity {
			t.Errorf("finding %s is %q, truth is %q", code, got[code], severity)
		}
	}
	for _, code := range h.forbid {
		if s, ok := got[code]; ok && s != "ok" {
			t.Errorf("finding %s must not be there", code)
		}
	}
	for _, text := range h.evidence {
		if !strings.Contains(out.String(), text) {
			t.Errorf("nothing says %q", text)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	h.checkText(t, from, code)
}

// checkText holds that the text reads on 80 columns in both languages and has no unfilled gap.
func (h *hostTruth) checkText(t *testing.T, from string, code int) {
	for _, lang := range []string{"en", "fr"} {
		var out, errs bytes.Buffer
		if got := run([]string{"doctor", "--from", from, "--lang", lang}, streams{in: strings.NewReader(""), out: &out, err: &errs}); got != code {
			t.Errorf("--lang %s exits %d, want %d: %s", lang, got, code, errs.String())
		}
		for line := range strings.Lines(out.String()) {
			// Commands and log lines that are longer stay whole, so that they can be copied.
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > doctorWidth && strings.Contains(strings.TrimSpace(line), " ") &&
				!strings.HasPrefix(line, "        ") {
				t.Errorf("%d columns: %s", n, line)
			}
			if strings.ContainsAny(line, "{}") {
				t.Errorf("unfilled gap: %s", line)
			}
		}
	}
}
