package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ctkeeper/internal/lab"
	"ctkeeper/internal/surface/tui"
	"ctkeeper/internal/surface/wording"
)

// A table in which nothing happens looks the same in every run, but for these.
var passing = []struct{ from, to string }{
	{`/run/netns/ctk-lab-\d+-\d+`, "NAMESPACE"},
	{`(?m)^(last|depuis) \d.*`, "$1 …"},
	{`(read|lus?) .*(ago|il y a).*`, "$1 …"},
	{` \(±.*\)`, ""},
	{` +(FROZEN|FIGÉ)`, " $1"},
	{`(early drops|évincés|refused|refusés|new|nouveaux|ended|finis) (\?|0/s)`, "$1 …"},
	{`≥?\d+  (\d+\.\d+\.|tcp/|udp/)`, "…  $1"}, // how many are long idle
	{` (of|sur) [\d,\x{a0}]+ `, " $1 MAX "},    // the machine's
	{`\(\d+([.,]\d)?\x{a0}?%\) \[[#+=.]*\]`, "(…) […]"},
	{`(pressure|pression) ([\d.,]+\x{a0}?%|\?)`, "$1 …"},
}

// still is a screen without what passes.
func still(text string) string {
	for _, p := range passing {
		text = regexp.MustCompile(p.from).ReplaceAllString(text, p.to)
	}
	return text
}

// golden compares what is on the screen, once it shows all of these, with what was once shown.
func (m *terminal) golden(name string, sees ...string) {
	m.t.Helper()
	m.sees(sees...)
	time.Sleep(100 * time.Millisecond) // the rest of the frame
	path, got := filepath.Join("testdata", "screen", name+".txt"), still(m.text())
	if *updateScripts {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		m.t.Errorf("%s (- expected, + shown):\n%s", name, diff)
	}
}

func quietTable(t *testing.T) *lab.Namespace {
	t.Helper()
	lab.Share(t) // nobody resizes the table meanwhile
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 1000, lab.Mix{Established: 40, TimeWait: 20, SynSent: 10, Sources: 30, Timeout: 3000})
	return ns
}

// TestTopInATerminal drives the real program by its keys, in both sizes and languages.
func TestTopInATerminal(t *testing.T) {
	ns := quietTable(t)
	for _, size := range []struct {
		name          string
		columns, rows int
	}{{"80x24", 80, 24}, {"200x60", 200, 60}} {
		for lang, words := range map[string][]string{
			"en": {"different", "flows by dport", "Keys", "column 16", "state,proto", "FROZEN"},
			"fr": {"distinctes", "flux par dport", "Touches", "colonne 16", "state,proto", "FIGÉ"},
		} {
			t.Run(size.name+"-"+lang, func(t *testing.T) {
				name := func(s string) string { return size.name + "-" + lang + "-" + s }
				m := startTerminal(t, size.columns, size.rows, nil, "--lang", lang, "flows", "top", "--netns", ns.Path)
				m.golden(name("src"), words[0], "10.0.0.1", "/s  ")
				m.typed("jj\r")
				m.golden(name("descended"), words[1], words[0], "tcp/80")
				m.typed("?")
				m.golden(name("help"), words[2])
				m.typed("x/src 10.0.0.0/8 xx\r")
				m.golden(name("filter"), words[3])
				m.typed("\x05\x15\r\x7fg\x15state,proto\r")
				m.sees(words[4], words[0], "ESTABLISHED")
				m.typed("sp")
				m.golden(name("states"), words[5], "SYN_SENT")
				m.typed("q")
				if code := m.end(); code != 0 {
					t.Errorf("exit %d", code)
				}
			})
		}
	}
}

func TestTopFollowsTheTerminalsSize(t *testing.T) {
	m := startTerminal(t, 80, 24, nil, "flows", "top", "--netns", quietTable(t).Path)
	m.sees("10.0.0.1")
	for _, size := range [][2]int{{200, 60}, {40, 12}, {10, 3}, {120, 10}, {80, 24}} {
		m.resize(size[0], size[1])
		if size[0] >= 20 {
			m.sees("flows by src", "10.0.0.")
		}
	}
	m.golden("80x24-en-src", "different", "/s  ")
	m.typed("\x03")
	if code := m.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestTopColours: sixteen colours at most, and none where none are wanted.
func TestTopColours(t *testing.T) {
	ns := quietTable(t)
	colour := regexp.MustCompile(`(^|;)(3[0-7]|4[0-7]|9[0-7]|38|48|10[0-7])(;|$)`)
	for _, env := range []string{"NO_COLOR=1", "TERM=xterm", "TERM=linux", "COLORTERM=truecolor"} {
		m := startTerminal(t, 80, 24, []string{env}, "flows", "top", "--netns", ns.Path)
		m.sees("10.0.0.1", "1,000 of")
		m.typed(" q")
		m.end()
		coloured := false
		for style := range m.screen.styles {
			coloured = coloured || colour.MatchString(style)
			if strings.Contains(style, "38;") || strings.Contains(style, "48;") {
				t.Errorf("%s: %q is beyond sixteen colours", env, style)
			}
		}
		if want := env != "NO_COLOR=1"; coloured != want {
			t.Errorf("%s: coloured %v: %v", env, coloured, m.screen.styles)
		}
	}
}

func TestTopGivesTheTerminalBack(t *testing.T) {
	ns := quietTable(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		m := startTerminal(t, 80, 24, nil, "flows", "top", "--netns", ns.Path)
		m.sees("10.0.0.1")
		if err := m.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := m.end(); code != 1 {
			t.Errorf("%v: exit %d", signal, code)
		}
	}
}

// TestTopEndsWithItsTerminal: who loses the connection leaves no program behind.
func TestTopEndsWithItsTerminal(t *testing.T) {
	m := startTerminal(t, 80, 24, nil, "flows", "top", "--netns", quietTable(t).Path)
	m.sees("10.0.0.1")
	if err := m.pty.Test.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("still runs")
	}
}

// TestTopDeletesWhatIsMarked: a yes takes the marked flows and no other, and not what is protected.
func TestTopDeletesWhatIsMarked(t *testing.T) {
	ns := quietTable(t)
	peer := []string{"SSH_CONNECTION=10.0.0.1 50000 192.0.2.1 22"}
	m := startTerminal(t, 80, 24, peer, "flows", "top", "--netns", ns.Path)
	m.sees("> ", "10.0.0.0")
	m.typed("   d") // 10.0.0.0, 10.0.0.1 and 10.0.0.2
	m.sees("Delete 68 flows (34 protected)?", "10.0.0.0 (34)")
	m.typed("n")
	m.sees("nothing was changed")
	m.typed("d")
	m.sees("Delete 68 flows")
	m.typed("y")
	m.sees("68 deleted, 0 gone already, 0 refused, 34 protected", "932 flows read")
	m.typed("g\x15src,state\r")
	m.sees("by src,state", "10.0.0.10")
	m.typed("j t60\r")
	m.sees("Give 14 flows 60 s", "(0 protected)?")
	m.typed("y")
	m.sees("14 retimed, 0 gone already")
	m.typed("q")
	if code := m.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
	for where, want := range map[string]int{"src 10.0.0.0": 0, "src 10.0.0.1": 34, "src 10.0.0.2": 0, "src 10.0.0.3": 34} {
		out, _, code := command("", "flows", "list", "--netns", ns.Path, where)
		if n := strings.Count(out, "\n"); code != 0 || n != want {
			t.Errorf("%s: %d flows, not %d", where, n, want)
		}
	}
	out, _, _ := command("", "flows", "list", "--netns", ns.Path, "timeout <= 60")
	if n := strings.Count(out, "\n"); n != 14 {
		t.Errorf("%d flows have the short timeout:\n%s", n, out)
	}
}

// TestTopWithoutATerminalPrints: a terminal that can do nothing, and a pipe, get the ranking once.
func TestTopWithoutATerminalPrints(t *testing.T) {
	ns := quietTable(t)
	m := startTerminal(t, 80, 24, []string{"TERM=dumb"}, "flows", "top", "--netns", ns.Path)
	if code := m.end(); code != 0 || !strings.Contains(m.text(), "10.0.0.") {
		t.Errorf("exit %d:\n%s", code, m.text())
	}
	out, errs, code := command("", "flows", "top", "--netns", ns.Path)
	if code != 0 || errs != "" || strings.ContainsRune(out, 0x1b) {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
}

func TestEveryKeyIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/flows.md")
	if err != nil {
		t.Fatal(err)
	}
	man, _, code := command("", "man", "flows", "top")
	keys := strings.Split(strings.TrimSpace(tui.Keys(wording.English)), "\n")
	if code != 0 || len(keys) < 20 {
		t.Fatalf("exit %d, %d keys", code, len(keys))
	}
	for _, line := range keys {
		key, does, _ := strings.Cut(line, "\t")
		if !strings.Contains(string(doc), "| `"+key+"` | "+does+" |") {
			t.Errorf("docs/flows.md lacks %s: %s", key, does)
		}
		if !strings.Contains(man, ".B "+roff(key)+"\n"+roff(does)+"\n") {
			t.Errorf("the manual lacks %s: %s", key, does)
		}
	}
}
