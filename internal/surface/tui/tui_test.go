package tui

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/surface/wording"
)

var update = flag.Bool("update", false, "rewrite the screens in testdata")

// fake is a table of made-up flows.
type fake struct {
	now                         time.Time
	count, max, refused, early  uint64
	clashes                     uint64 // twice as many as drop counted of them
	cost                        time.Duration
	err                         error
	limit                       int
	asked                       []Request
	action                      Action
	deleted                     int
	previewErr, doErr, churnErr error
}

var (
	_ Source = (*fake)(nil)
	_ Change = (*fake)(nil)
)

func (f *fake) Gauge(context.Context) (Gauge, error) {
	count, limit, early, clashes := f.count, f.max, f.early, f.clashes
	drop := f.refused + clashes/2
	return Gauge{At: f.now, Count: &count, Max: &limit, Drop: &drop, Clashes: &clashes, EarlyDrop: &early}, f.err
}

func (f *fake) Churn(context.Context) (Churn, error) {
	a, e := 1234.0, 1200.0
	return Churn{Arrivals: &a, Ends: &e, Error: 25}, f.churnErr
}

func (f *fake) board(fl filter.Filter, by rank.By) *rank.Board {
	b := rank.NewBoard(rank.BoardOptions{By: by, Limit: f.limit, Timeouts: rank.NewTimeouts(map[string]int64{"tcp_timeout_established": 440000})})
	for flow := range lab.Flows(5000, lab.Mix{Established: 50, TimeWait: 15, SynSent: 20, IPv6: 10, Sources: 40}) {
		if fl.Match(flow, nil) {
			b.Add(flow)
		}
	}
	return b
}

func (f *fake) Rank(_ context.Context, r Request) (Ranking, error) {
	f.asked = append(f.asked, r)
	return Ranking{Ranking: f.board(r.Filter, r.By).Ranking(r.Rows), Cost: f.cost}, f.err
}

func (f *fake) Preview(_ context.Context, a Action) (Preview, error) {
	f.action = a
	b := f.board(a.Filter, rank.NewBy(rank.Part{Key: rank.Src}))
	r := b.Ranking(5)
	return Preview{Flows: r.Total.Count, Protected: 2, Top: r.Rows}, f.previewErr
}

func (f *fake) Do(_ context.Context, a Action, progress func(uint64)) (Result, error) {
	f.action = a
	f.deleted++
	progress(17)
	return Result{Done: 120, Gone: 3, Refused: 1, Protected: 2}, f.doErr
}

// driver drives a view without a terminal.
type driver struct {
	t *testing.T
	m *model
	f *fake
}

func start(t *testing.T, o Options) *driver {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &driver{t: t, f: &fake{now: now, count: 200000, max: 262144, cost: 340 * time.Millisecond}}
	o.Source = d.f
	if o.Lang == "" {
		o.Lang = wording.English
	}
	w := newWork(t.Context())
	d.m = newModel(o, w)
	t.Cleanup(func() {
		if err := w.join(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// run runs a command and all that follows from it.
func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	default:
		_, next := d.m.Update(msg)
		d.run(next)
	}
}

// pass lets seconds pass, with so many flows more and refusals in each.
func (d *driver) pass(seconds int, grows, refused uint64) {
	for range seconds {
		d.f.now = d.f.now.Add(time.Second)
		d.f.count, d.f.refused = min(d.f.count+grows, d.f.max), d.f.refused+refused
		d.m.now = d.f.now
		d.run(d.m.schedule())
	}
}

// keys presses keys: names in brackets, else characters.
func (d *driver) keys(keys ...string) {
	codes := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "backspace": tea.KeyBackspace, "tab": tea.KeyTab, "up": tea.KeyUp,
		"down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "delete": tea.KeyDelete,
	}
	for _, k := range keys {
		key := tea.Key{}
		switch name, ctrl := strings.CutPrefix(k, "ctrl+"); {
		case ctrl:
			key = tea.Key{Code: rune(name[0]), Mod: tea.ModCtrl}
		case k == "shift+tab":
			key = tea.Key{Code: tea.KeyTab, Mod: tea.ModShift}
		case codes[k] != 0:
			key = tea.Key{Code: codes[k]}
		default:
			for _, r := range k {
				d.press(tea.Key{Code: r, Text: string(r)})
			}
			continue
		}
		d.press(key)
	}
}

func (d *driver) press(k tea.Key) {
	_, cmd := d.m.Update(tea.KeyPressMsg(k))
	d.run(cmd)
}

// screen is the text on the screen; every line has to fit.
func (d *driver) screen() string {
	d.t.Helper()
	lines := d.m.lines()
	if len(lines) != d.m.height {
		d.t.Errorf("%d lines on a screen of %d", len(lines), d.m.height)
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(plain(l), " ")
		if n := len([]rune(lines[i])); n > d.m.width {
			d.t.Errorf("line %d has %d characters on a screen of %d: %s", i, n, d.m.width, lines[i])
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// plain takes styles out of a line.
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == 0x1b {
			for s[i] != 'm' {
				i++
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (d *driver) golden(name string) {
	d.t.Helper()
	path, got := filepath.Join("testdata", name+".txt"), d.screen()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		d.t.Errorf("%s (- expected, + shown):\n%s", name, diff)
	}
}

// shows holds that the screen has all of these.
func (d *driver) shows(all ...string) {
	d.t.Helper()
	for _, s := range all {
		if text := d.screen(); !strings.Contains(text, s) {
			d.t.Errorf("no %q on the screen:\n%s", s, text)
		}
	}
}

func options(t *testing.T, by, where string) Options {
	t.Helper()
	b, err := rank.ParseBy(by)
	if err != nil {
		t.Fatal(err)
	}
	f, err := filter.Parse(where)
	if err != nil {
		t.Fatal(err)
	}
	return Options{By: b, Filter: f, ReadOnly: message.New("tui_read_only")}
}

// TestScreens compares whole screens of both sizes and languages.
func TestScreens(t *testing.T) {
	for _, size := range []struct {
		name          string
		width, height int
	}{{"80x24", 80, 24}, {"200x60", 200, 60}} {
		for _, lang := range []wording.Lang{wording.English, wording.French} {
			t.Run(size.name+"-"+string(lang), func(t *testing.T) {
				o := options(t, "src", "")
				o.Lang, o.Name = lang, "web"
				d := start(t, o)
				o.Change = d.f
				d.m.o.Change = d.f
				d.m.Update(tea.WindowSizeMsg{Width: size.width, Height: size.height})
				name := func(s string) string { return size.name + "-" + string(lang) + "-" + s }
				d.golden(name("start"))
				d.pass(30, 700, 40)
				d.golden(name("filling"))
				d.keys("?")
				d.golden(name("help"))
				d.keys("esc", " ", " ", "d")
				d.golden(name("confirm"))
				d.keys("n", "enter", "g", "ctrl+u", "src/16,dst", "enter", "/", "state SYN_SENT and nonsense", "enter")
				d.golden(name("filter"))
			})
		}
	}
}

func TestDescendAndComeBack(t *testing.T) {
	d := start(t, options(t, "src", "not assured"))
	d.pass(3, 0, 0)
	d.keys("down", "down", "enter")
	d.pass(1, 0, 0)
	d.shows("flows by dport > 10.0.0.", "filter: not assured")
	last := d.f.asked[len(d.f.asked)-1]
	if !strings.Contains(last.Filter.String(), "not assured") || !strings.Contains(last.Filter.String(), "src 10.0.0.") {
		t.Errorf("asked by %q", last.Filter)
	}
	if d.m.pressure.known {
		t.Error("pressure of a part of the table")
	}
	d.keys("enter")
	d.pass(1, 0, 0)
	d.shows("flows by dst > 10.0.0.", "/80")
	d.keys("backspace", "esc", "left")
	d.pass(1, 0, 0)
	d.shows("flows by src  filter: not assured")
	if d.m.cursor != 2 || len(d.m.above) != 0 {
		t.Errorf("cursor at %d, %d above", d.m.cursor, len(d.m.above))
	}
}

// TestCursorWaitsForItsRow: back above, the cursor is far down a ranking that is not read yet.
func TestCursorWaitsForItsRow(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.f.cost = time.Minute
	d.m.Update(tea.WindowSizeMsg{Width: 40, Height: 10})
	d.pass(1, 0, 0)
	d.keys("end")
	d.screen()
	d.keys("enter")
	d.pass(1, 0, 0)
	d.screen()
	d.keys("backspace")
	d.screen()
	d.pass(1, 0, 0)
	if d.screen(); d.m.cursor != 79 {
		t.Errorf("cursor at %d", d.m.cursor)
	}
}

func TestFreezeReadsNothing(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(3, 10, 0)
	d.keys("p")
	asked, read := len(d.f.asked), len(d.m.hist.gauges)
	d.pass(100, 10, 0)
	if len(d.f.asked) != asked || len(d.m.hist.gauges) != read {
		t.Error("read while frozen")
	}
	d.shows("FROZEN", "read 1 min 42 s ago")
	d.keys("p")
	d.pass(1, 10, 0)
	if len(d.f.asked) == asked || strings.Contains(d.screen(), "FROZEN") {
		t.Error("did not go on")
	}
}

// TestBudget: reading the table takes a twentieth of a CPU and no more, however large the table.
func TestBudget(t *testing.T) {
	for _, cost := range []time.Duration{0, 100 * time.Millisecond, 3400 * time.Millisecond} {
		d := start(t, options(t, "src", ""))
		d.f.cost = cost
		d.pass(600, 0, 0)
		spent := time.Duration(len(d.f.asked)) * cost
		if spent > 600*time.Second/20+cost || cost == 0 && len(d.f.asked) < 200 {
			t.Errorf("a reading of %v: %d readings in ten minutes", cost, len(d.f.asked))
		}
	}
}

func TestTimeToFull(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(5, 1000, 0)
	d.shows("time to full: ?")
	d.pass(15, 1000, 0)
	d.shows("full in 42 s")
	d.pass(80, 0, 0)
	d.shows("not filling")
	d.f.count = d.f.max
	d.pass(2, 0, 500)
	d.shows("full", "refused 100/s")
	if f := (&history{}).fill(); f.known {
		t.Error("a growth out of nothing")
	}
}

// TestClashesOfLongAgo hide no refusal of now.
func TestClashesOfLongAgo(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.f.clashes = 1 << 30
	d.pass(5, 0, 100)
	d.shows("refused 100/s")
}

func TestCounterThatBeginsAnew(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(5, 0, 100)
	d.shows("refused 100/s")
	d.f.refused = 0
	d.pass(2, 0, 0)
	d.shows("refused ?")
	d.pass(12, 0, 0)
	d.shows("refused 0/s")
}

func TestSort(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(3, 0, 0)
	for _, c := range []column{byAssured, byClosing, byHalfOpen, byIdle} {
		d.keys("s")
		for i := 1; i < len(d.m.rows); i++ {
			if c.figure(d.m.rows[i-1]) < c.figure(d.m.rows[i]) {
				t.Errorf("%s: row %d", c.code(), i)
			}
		}
	}
	d.keys("s")
	d.shows("sorted by key")
	d.keys("<")
	d.shows("sorted by idle", "idle >1h↓")
}

func TestGroupings(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(1, 0, 0)
	seen := map[string]bool{}
	for range cycle() {
		seen[d.m.here.by.String()] = true
		d.keys("tab")
		d.pass(1, 0, 0)
	}
	if len(seen) != len(cycle()) || d.m.here.by.String() != "src" {
		t.Errorf("%d groupings, back at %s", len(seen), d.m.here.by)
	}
	d.keys("shift+tab")
	d.pass(1, 0, 0)
	d.shows("flows by sport")
	d.keys("g", "ctrl+u", "sauce", "enter")
	d.shows(`no key "sauce"`)
	d.keys("ctrl+u", "state,proto", "enter")
	d.pass(1, 0, 0)
	d.shows("flows by state,proto", "ESTABLISHED")
}

func TestFilterErrorsHaveAColumn(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(1, 0, 0)
	d.keys("/", "dport 443 and blue", "enter")
	d.shows("column 15", "filter: dport 443 and blue")
	d.keys("ctrl+u", "ctrl+e", "ctrl+u", "dport 80", "enter")
	d.pass(1, 0, 0)
	d.shows("filter: dport 80")
	d.keys("/", "ctrl+u", "dport 9", "enter")
	d.pass(1, 0, 0)
	d.shows("no flow is selected")
	d.keys("/", "ctrl+w", "ctrl+w", "enter")
	if !d.m.here.typed.All() {
		t.Errorf("%q", d.m.here.typed)
	}
}

func TestLateAnswersAreDropped(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.pass(1, 0, 0)
	late := rankMsg{asked: d.m.asked, ranking: d.m.table.value}
	d.f.cost = time.Minute // no reading at once
	d.m.table.value.Cost = time.Minute
	d.keys("tab")
	d.m.Update(late)
	if len(d.m.rows) != 0 || d.m.table.known {
		t.Error("rows of another grouping")
	}
}

func TestErrorsAreShown(t *testing.T) {
	d := start(t, options(t, "src", ""))
	d.f.err = errors.New("no such\x1b[31m namespace")
	d.pass(1, 0, 0)
	d.shows("no ranking: no such?[31m namespace", "no figures: no such")
	d.f.err = nil
	d.pass(3, 0, 0)
	d.shows("200,000 of 262,144", "5,000 flows read")
}

func TestTooManyKeys(t *testing.T) {
	d := start(t, options(t, "src,sport", ""))
	d.f.limit = 100
	d.pass(1, 0, 0)
	d.shows("over 100 different", "error", "≥")
}

func TestNoUnicodeInAPlainLocale(t *testing.T) {
	o := options(t, "src", "")
	o.ASCII = true
	d := start(t, o)
	d.f.limit = 10
	d.pass(20, 1000, 3)
	for _, keys := range []string{"", "?"} {
		d.keys(keys)
		for i, r := range d.screen() {
			if r > 126 {
				t.Fatalf("%q at %d of\n%s", r, i, d.screen())
			}
		}
	}
}

func TestEverySizeFits(t *testing.T) {
	d := start(t, options(t, "src,dst", ""))
	d.pass(20, 100, 3)
	for width := range 130 {
		for _, height := range []int{0, 1, 3, 5, 9, 10, 24, 70} {
			d.m.Update(tea.WindowSizeMsg{Width: width, Height: height})
			d.keys("end", "home")
			if width >= 20 && height >= 5 {
				d.screen()
			}
			d.m.View()
		}
	}
}
