package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// required fails in CI and skips elsewhere.
func required(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// TestBrowser drives the page in one headless Chromium, each test in a tab of its own.
func TestBrowser(t *testing.T) {
	chrome := chromium(t)
	for name, test := range map[string]func(*testing.T, context.Context){
		"Page":           testPage,
		"Descend":        testDescend,
		"WhatIf":         testWhatIf,
		"IncidentPage":   testIncidentPage,
		"PageOnAPhone":   testPageOnAPhone,
		"PageByKeyboard": testPageByKeyboard,
	} {
		t.Run(name, func(t *testing.T) { test(t, chrome) })
	}
}

// chromium starts the browser.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		required(t, "no Chromium is installed (Debian package chromium)")
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	do(t, ctx, chromedp.Navigate("about:blank"))
	return ctx
}

// browser opens the page in a tab.
func browser(t *testing.T, chrome context.Context, width, height int64, query string) context.Context {
	t.Helper()
	server := httptest.NewServer(handler(t, Options{Host: "db1", Version: "1.0", Metrics: http.NotFoundHandler()}))
	t.Cleanup(server.Close)
	ctx, stop := chromedp.NewContext(chrome)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	do(t, ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(server.URL+query), chromedp.WaitVisible(chromedp.CSS("#ranking tbody tr")),
		chromedp.WaitVisible(chromedp.CSS(".finding")), chromedp.WaitVisible(chromedp.CSS("#plot .u-over")), chromedp.WaitVisible(chromedp.CSS(".incident")), chromedp.WaitVisible(chromedp.CSS("#whatif-plot .u-over")))
	return ctx
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval runs a script in the page.
func eval[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func text(t *testing.T, ctx context.Context, selector string) string {
	t.Helper()
	return eval[string](t, ctx, fmt.Sprintf("document.querySelector(%q).textContent", selector))
}

// choose sets a select as a person does, and waits for what follows.
func choose(t *testing.T, ctx context.Context, selector, value string) {
	t.Helper()
	eval[bool](t, ctx, fmt.Sprintf(`(async () => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event('change'));
		await new Promise(r => setTimeout(r, 400)); return true; })()`, selector, value))
}

// shot keeps a picture when CTKEEPER_SHOTS names a directory.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("CTKEEPER_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

// until waits for a script to be true.
func until(t *testing.T, ctx context.Context, script string) {
	t.Helper()
	if !eval[bool](t, ctx, fmt.Sprintf(`(async () => { for (let i = 0; i < 100; i++) { if (%s) return true; await new Promise(r => setTimeout(r, 50)); } return false; })()`, script)) {
		t.Errorf("never true: %s", script)
	}
}

// scheme chooses dark or light, and waits until the charts are drawn in it.
func scheme(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	}))
	until(t, ctx, fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", name))
}

// fits tells of what is wider than the window.
func fits(t *testing.T, ctx context.Context, width int) {
	t.Helper()
	if got := eval[int](t, ctx, "document.documentElement.scrollWidth"); got > width {
		t.Errorf("the page is %d pixels wide in a window of %d", got, width)
	}
}

// stays checks that the page asked nobody but its own host.
func stays(t *testing.T, ctx context.Context) {
	t.Helper()
	urls := eval[[]string](t, ctx, "performance.getEntries().map(e => e.name).filter(n => n.includes('://'))")
	if len(urls) < 10 {
		t.Errorf("only %d requests", len(urls))
	}
	for _, u := range urls {
		if p, err := url.Parse(u); err != nil || !strings.HasPrefix(p.Host, "127.0.0.1:") {
			t.Errorf("the page asked for %s", u)
		}
	}
}

func testPage(t *testing.T, chrome context.Context) {
	ctx := browser(t, chrome, 1440, 900, "/?lang=en")
	for selector, want := range map[string]string{"#v-count": "92% · 240,000 of 262,144", "#v-held": "72%", "#age-held": "old", "#v-refused": "17", "#v-full": "7 min", "#alarm": "Packets are being refused",
		"#ranking": "203.0.113.9", "#states": "tcp ESTABLISHED", "#findings": "<b>demand</b>", "#incidents": "4,321 packets refused", "#settings": "/etc/sysctl.d/90.conf:3", "#drift": "1 running", "#link": "live", "#host": "db1",
		"#missing-list": "no permission", "#whatif-verdict": "move a slider", "#whatif-error": "40,000 recorded flows, 13% of all"} {
		if got := text(t, ctx, selector); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", selector, got, want)
		}
	}
	if label := eval[string](t, ctx, "document.getElementById('plot').getAttribute('aria-label')"); !strings.Contains(label, "incident") || !strings.Contains(label, "peak 2") {
		t.Errorf("the chart says of itself %q", label)
	}
	fits(t, ctx, 1440)
	shot(t, ctx, "wide-en")
	axe(t, ctx)
	// Live: what the stream brings is drawn, and ages go on by themselves.
	eval[bool](t, ctx, "document.getElementById('v-refused').textContent = 'stale'; true")
	until(t, ctx, "document.getElementById('v-refused').textContent === '17'")
	choose(t, ctx, "#by", "dport")
	if got := text(t, ctx, "#ranking"); !strings.Contains(got, "tcp/443") {
		t.Errorf("grouped by port the table reads %q", got)
	}
	choose(t, ctx, "#language", "fr")
	if got := text(t, ctx, "#findings"); !strings.Contains(got, "La table est pleine") {
		t.Errorf("in French: %q", got)
	}
	scheme(t, ctx, "dark")
	shot(t, ctx, "wide-fr-dark")
	axe(t, ctx)
	choose(t, ctx, "#namespace", "web-pod") // whose history cannot be read, and of which no record is kept
	if got := text(t, ctx, "#no-history") + text(t, ctx, "#no-whatif"); !strings.Contains(got, "disk on fire") || !strings.Contains(got, "Aucun relevé") {
		t.Errorf("what is not there reads %q", got)
	}
	stays(t, ctx)
}

// testDescend goes from the whole table into a row, into one of its rows, and back, by links, by the browser's own
// button and by the address.
func testDescend(t *testing.T, chrome context.Context) {
	ctx := browser(t, chrome, 1440, 900, "/?lang=en")
	click := func(selector string) {
		t.Helper()
		eval[bool](t, ctx, fmt.Sprintf("document.querySelector(%q).click(); true", selector))
	}
	click("#ranking tbody a")
	until(t, ctx, "document.getElementById('ranking').textContent.includes('198.51.100.0 tcp/443')")
	if got := text(t, ctx, "#trail-steps"); got != "whole tablesrc 203.0.113.9" {
		t.Errorf("the way reads %q", got)
	}
	until(t, ctx, "document.getElementById('flows').hidden === false && document.querySelectorAll('#flow-list tbody tr').length === 50")
	if got := text(t, ctx, "#flow-command pre"); got != "ctkeeper flows list --netns host 'src 203.0.113.9'" {
		t.Errorf("the command reads %q", got)
	}
	click("#ranking tbody a")
	until(t, ctx, "document.querySelectorAll('#trail-steps li').length === 3")
	shot(t, ctx, "descended")
	axe(t, ctx)
	address := eval[string](t, ctx, "location.href")
	if !strings.Contains(address, "where=src+203.0.113.9&where=dst+198.51.100.0") {
		t.Errorf("the address is %s", address)
	}
	eval[bool](t, ctx, "history.back(); true")
	until(t, ctx, "document.querySelectorAll('#trail-steps li').length === 2")
	click("#back")
	until(t, ctx, "document.getElementById('trail').hidden && document.getElementById('ranking').textContent.includes('203.0.113.9')")
	do(t, ctx, chromedp.Navigate(address)) // as somebody does who was sent it
	until(t, ctx, "document.querySelectorAll('#trail-steps li').length === 3 && document.getElementById('ranking').textContent.includes('198.51.100.0')")
	stays(t, ctx)
}

// testWhatIf moves a slider by keyboard: the curve, the verdict, the command and the address follow.
func testWhatIf(t *testing.T, chrome context.Context) {
	ctx := browser(t, chrome, 1440, 900, "/?lang=en")
	for _, key := range []string{kb.Home} {
		do(t, ctx, chromedp.Focus(chromedp.CSS("#set-tcp_timeout_established")), chromedp.KeyEvent(key))
	}
	until(t, ctx, "document.getElementById('whatif-facts').textContent.includes('131 to 138')")
	for selector, want := range map[string]string{"#whatif-verdict": "room for all: at most 131 to 138", "#out-tcp_timeout_established": "60 s (1 min) instead of 86,400 s (1 d)", "#whatif-command pre": "ctkeeper apply --set tcp_timeout_established=60"} {
		if got := text(t, ctx, selector); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", selector, got, want)
		}
	}
	if q := eval[string](t, ctx, "location.search"); !strings.Contains(q, "set=tcp_timeout_established%3D60") {
		t.Errorf("the address ends in %s", q)
	}
	shot(t, ctx, "whatif")
	axe(t, ctx)
	eval[bool](t, ctx, "document.getElementById('whatif-reset').click(); true")
	until(t, ctx, "document.getElementById('whatif-verdict').textContent.includes('move a slider') && !location.search.includes('set=')")
	do(t, ctx, chromedp.Focus(chromedp.CSS("#set-max")), chromedp.KeyEvent(kb.Home))
	until(t, ctx, "document.getElementById('whatif-verdict').textContent.includes('would have been refused')")
}

// testIncidentPage opens an incident by its own address.
func testIncidentPage(t *testing.T, chrome context.Context) {
	ctx := browser(t, chrome, 1440, 900, "/?lang=en")
	href := eval[string](t, ctx, "document.querySelector('.incident a').href")
	if !strings.Contains(href, "/incident/20261123T000000Z-1?lang=en") {
		t.Errorf("the incident's address is %s", href)
	}
	for _, lang := range []string{"en", "fr"} {
		do(t, ctx, chromedp.EmulateViewport(390, 844), chromedp.Navigate(strings.Replace(href, "lang=en", "lang="+lang, 1)), chromedp.WaitVisible(chromedp.CSS("#plot .u-over")))
		for selector, want := range map[string]string{"#facts": "4", "#sources": "203.0.113.9", "#done": "max", "#settings": "max", "#commands": "ctkeeper history --incidents --since 2h", "#when": "host"} {
			if got := text(t, ctx, selector); !strings.Contains(got, want) {
				t.Errorf("%s: %s reads %q, want %q", lang, selector, got, want)
			}
		}
		fits(t, ctx, 390)
		shot(t, ctx, "incident-"+lang)
		axe(t, ctx)
	}
	do(t, ctx, chromedp.Navigate(strings.Replace(href, "20261123T000000Z-1", "nosuch", 1)))
	until(t, ctx, "document.getElementById('when').textContent.includes('nosuch')")
}

func testPageOnAPhone(t *testing.T, chrome context.Context) {
	for _, lang := range []string{"en", "fr"} {
		ctx := browser(t, chrome, 390, 844, "/?lang="+lang+"&where=src+203.0.113.9&set=max%3D1024")
		scheme(t, ctx, map[string]string{"en": "dark", "fr": "light"}[lang])
		shot(t, ctx, "narrow-"+lang)
		fits(t, ctx, 390)
		axe(t, ctx)
	}
}

// testPageByKeyboard goes through the page with the tab key: everything that can be used gets the focus, in
// order, and shows it.
func testPageByKeyboard(t *testing.T, chrome context.Context) {
	ctx := browser(t, chrome, 1440, 900, "/?lang=en")
	seen := map[string]bool{}
	for range 70 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		where := eval[string](t, ctx, `(() => { const e = document.activeElement;
			return e === document.body ? 'BODY' : (e.id || e.textContent.trim().slice(0, 20) || e.tagName) + (getComputedStyle(e).outlineStyle === 'none' ? ' NO OUTLINE' : ''); })()`)
		if strings.HasSuffix(where, "NO OUTLINE") && !strings.HasPrefix(where, "BODY") {
			t.Errorf("the focus on %s does not show", where)
		}
		seen[strings.TrimSuffix(where, " NO OUTLINE")] = true
	}
	for _, want := range []string{"Skip to the content", "namespace", "language", "alarm-link", "10 min", "1 d", "by", "203.0.113.9", "tcp ESTABLISHED", "Copy", "Evidence", "without ctkeeper, un", "set-max", "set-udp_timeout", "How sure is this?", "only-changed", "API"} {
		if !seen[want] {
			t.Errorf("the tab key does not reach %q: %v", want, seen)
		}
	}
	// Enter on a row descends; the focus can go on from there.
	do(t, ctx, chromedp.Focus(chromedp.CSS("#ranking tbody a")), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "location.search.includes('where=') && !document.getElementById('back').hidden")
	do(t, ctx, chromedp.Focus(chromedp.CSS("#back")), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "!location.search.includes('where=')")
}

// axe runs the accessibility checker over the page as it stands.
func axe(t *testing.T, ctx context.Context) {
	t.Helper()
	script, err := os.ReadFile("../../../bin/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Log("axe-core is not there; ./test.sh fetches it: ", err)
		return
	}
	eval[int](t, ctx, string(script)+";0")
	out := eval[string](t, ctx, `axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}).then(r => JSON.stringify(
		r.violations.map(v => ({id: v.id, nodes: v.nodes.map(n => n.html + ' — ' + n.failureSummary)}))))`)
	var found []struct {
		ID    string
		Nodes []string
	}
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("axe: %s: %s", v.ID, strings.Join(v.Nodes, "\n"))
	}
}
