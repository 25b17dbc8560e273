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

// browser opens the page in a headless Chromium.
func browser(t *testing.T, width, height int64, query string) context.Context {
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
	server := httptest.NewServer(handler(t, Options{Host: "db1", Version: "1.0", Metrics: http.NotFoundHandler()}))
	t.Cleanup(server.Close)
	alloc, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)...)
	t.Cleanup(stop)
	ctx, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	do(t, ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(server.URL+query), chromedp.WaitVisible(chromedp.CSS("#ranking tbody tr")),
		chromedp.WaitVisible(chromedp.CSS(".finding")), chromedp.WaitVisible(chromedp.CSS(".u-over")), chromedp.WaitVisible(chromedp.CSS(".incident")))
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
		await new Promise(r => setTimeout(r, 1000)); return true; })()`, selector, value))
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

func TestPage(t *testing.T) {
	ctx := browser(t, 1440, 900, "/?lang=en")
	for selector, want := range map[string]string{"#v-count": "92% · 240,000 of 262,144", "#v-held": "72%", "#v-refused": "17", "#v-full": "7 min", "#alarm": "Packets are being refused",
		"#ranking": "203.0.113.9", "#findings": "<b>demand</b>", "#incidents": "4,321 packets refused", "#settings": "tcp_timeout_established", "#link": "live", "#host": "db1"} {
		if got := text(t, ctx, selector); !strings.Contains(got, want) {
			t.Errorf("%s reads %q, want %q", selector, got, want)
		}
	}
	shot(t, ctx, "wide-en")
	axe(t, ctx)
	// Live: a figure that only time changes goes on by itself.
	before := text(t, ctx, "#n-refused") + eval[string](t, ctx, "String(performance.getEntriesByType('resource').length)")
	eval[bool](t, ctx, "new Promise(r => setTimeout(() => r(true), 1500))")
	if eval[string](t, ctx, "document.getElementById('link').textContent") != "live" {
		t.Errorf("the stream ended: %s", before)
	}
	choose(t, ctx, "#by", "dport")
	if got := text(t, ctx, "#ranking"); !strings.Contains(got, "tcp/443") {
		t.Errorf("grouped by port the table reads %q", got)
	}
	choose(t, ctx, "#language", "fr")
	if got := text(t, ctx, "#findings"); !strings.Contains(got, "La table est pleine") {
		t.Errorf("in French: %q", got)
	}
	axe(t, ctx)
	choose(t, ctx, "#namespace", "web-pod") // whose history cannot be read
	if got := text(t, ctx, "#no-history"); !strings.Contains(got, "disk on fire") {
		t.Errorf("a failed history reads %q", got)
	}
	for _, u := range eval[[]string](t, ctx, "performance.getEntries().map(e => e.name).filter(n => n.includes('://'))") {
		if p, err := url.Parse(u); err != nil || !strings.HasPrefix(p.Host, "127.0.0.1:") {
			t.Errorf("the page asked for %s", u)
		}
	}
}

func TestPageOnAPhone(t *testing.T) {
	for _, lang := range []string{"en", "fr"} {
		ctx := browser(t, 390, 844, "/?lang="+lang)
		shot(t, ctx, "narrow-"+lang)
		if width := eval[int](t, ctx, "document.documentElement.scrollWidth"); width > 390 {
			t.Errorf("%s: the page is %d pixels wide on a phone of 390", lang, width)
		}
		axe(t, ctx)
	}
}

// TestPageByKeyboard goes through the page with the tab key: everything that can be used gets the focus, in
// order, and shows it.
func TestPageByKeyboard(t *testing.T) {
	ctx := browser(t, 1440, 900, "/?lang=en")
	seen := map[string]bool{}
	for range 60 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		where := eval[string](t, ctx, `(() => { const e = document.activeElement;
			return e === document.body ? 'BODY' : (e.id || e.textContent.trim().slice(0, 20) || e.tagName) + (getComputedStyle(e).outlineStyle === 'none' ? ' NO OUTLINE' : ''); })()`)
		if strings.HasSuffix(where, "NO OUTLINE") && !strings.HasPrefix(where, "BODY") {
			t.Errorf("the focus on %s does not show", where)
		}
		seen[strings.TrimSuffix(where, " NO OUTLINE")] = true
	}
	for _, want := range []string{"Skip to the content", "namespace", "language", "10 min", "1 d", "by", "Copy", "Evidence", "only-changed", "API"} {
		if !seen[want] {
			t.Errorf("the tab key does not reach %q: %v", want, seen)
		}
	}
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
