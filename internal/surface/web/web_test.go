package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/whatif"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// fake is a host in trouble: its table rises, was full once, and refuses now.
type fake struct{}

func (f *fake) Watch() snapshot.Watch {
	at := time.Now().UTC()
	held, expectations := int64(190000), int64(2)
	full, soon, late := 420.0, 380.0, 500.0
	sources := []rank.Row{{Key: "203.0.113.9", Count: 120000, Assured: 100000}, {Key: "2001:db8::7", Count: 30000, HalfOpen: 29000}, {Key: "198.51.100.1", Count: 20}}
	flows := &snapshot.Flows{Source: "ctnetlink", Consistent: true, Summary: rank.Summary{Total: 240000, Assured: 200000, Closing: 10000, Source: sources,
		DestPort: []rank.Row{{Key: "tcp/443", Count: 200000}}, Classes: []rank.Class{{Proto: "tcp", State: "ESTABLISHED", Count: 200000, Assured: 200000}, {Proto: "udp", Count: 40000}}}}
	n := snapshot.Watched{Name: "host", Inode: 4026531840, Initial: true, Buckets: 65536, Refused: 4321, Totals: map[string]uint64{"drop": 5000}, Flows: flows,
		FlowsAt: at.Add(-42 * time.Second), Expectations: &expectations, Forecast: &snapshot.Forecast{Trend: "filling", Rate: 50, Full: &full, Soonest: &soon, Latest: &late},
		Last: snapshot.Sample{At: at, Count: 240000, Peak: 240000, Max: 262144, Held: &held, Rises: snapshot.Rises{Refused: 17, EarlyDrop: 3}}}
	incident := f.incident(at)
	n.Incident = &incident
	other := snapshot.Watched{Name: "web-pod", Inode: 4026532000, Last: snapshot.Sample{At: at, Count: 12, Peak: 12, Max: 262144}, Forecast: &snapshot.Forecast{Trend: "level"}}
	return snapshot.Watch{At: at, Started: at.Add(-3 * time.Hour), Namespaces: []snapshot.Watched{n, other}, CPUSeconds: 60, Resident: 33 << 20, TableCost: 0.8, TableEvery: 90}
}

func (f *fake) incident(at time.Time) snapshot.Incident {
	return snapshot.Incident{ID: "20261123T000000Z-1", Namespace: "host", Inode: 4026531840, Began: at.Add(-2 * time.Minute), Before: 120000, Peak: 262144, PeakPressure: 0.93, Max: 262144,
		Refused: 4321, EarlyDrops: 99, LogLines: 10, Sources: []rank.Row{{Key: "203.0.113.9", Count: 120000}}}
}

func (f *fake) Samples(_ context.Context, ns string, from, to time.Time, limit int) ([]snapshot.Sample, error) {
	if ns == "web-pod" {
		return nil, errors.New("disk on fire")
	}
	var out []snapshot.Sample
	n := min(limit, 360)
	for i := range n {
		at := from.Add(time.Duration(float64(to.Sub(from)) * float64(i) / float64(n)))
		count := int64(150000 + 90000*math.Sin(float64(i)/60))
		held := count * 8 / 10
		s := snapshot.Sample{At: at, Step: 10 * time.Second, Count: count, Peak: count, Max: 262144, Held: &held}
		if i > 280 && i < 300 {
			s.Rises.Refused = uint64(i)
		}
		out = append(out, s)
	}
	return out, nil
}

func (f *fake) Incidents(context.Context, time.Time, time.Time, int) ([]snapshot.Incident, error) {
	i := f.incident(time.Now().UTC())
	old := i
	old.ID, old.Began, old.Ended = "20261120T000000Z-1", i.Began.Add(-72*time.Hour), i.Began.Add(-71*time.Hour)
	return []snapshot.Incident{i, old}, nil
}

func (f *fake) Incident(_ context.Context, id string) (snapshot.Incident, bool, error) {
	i := f.incident(time.Now().UTC())
	i.Changes = []snapshot.Changed{{At: i.Began.Add(time.Minute), Setting: "max", From: 262144, To: 524288, By: "ctkeeper apply --set max=524288"}}
	i.Settings = map[string]int64{"max": 262144}
	return i, i.ID == id, nil
}

// Rank is a table of two sources, each with a tenth of the flows that the filter before left.
func (f *fake) Rank(_ context.Context, q RankQuery) (Ranked, error) {
	if strings.Contains(q.Filter.String(), "zone 77") {
		return Ranked{}, BusyError{3 * time.Second}
	}
	n := uint64(100)
	if q.Filter.All() {
		n = 1000
	}
	r := Ranked{At: time.Now().UTC(), Whole: true}
	r.Exact, r.Total.Count = true, n
	for i := range min(q.Rows, 3) {
		r.Rows = append(r.Rows, rank.Place{Keys: []string{fmt.Sprintf("198.51.100.%d tcp/443", i)}, Where: fmt.Sprintf("dst 198.51.100.%d", i), Count: n / uint64(2+i)})
	}
	for i := range q.Flows {
		r.Flows = append(r.Flows, flow.Flow{Family: flow.IPv4, Present: flow.HasTimeout, Timeout: 60, State: flow.TCPEstablished,
			Orig: flow.Tuple{Src: netip.MustParseAddr("203.0.113.9"), Dst: netip.MustParseAddr("198.51.100.1"), SrcPort: uint16(i), DstPort: 443, Proto: flow.TCP}})
	}
	return r, nil
}

// WhatIf has a peak of 200,000 flows, half of which half the timeout leaves.
func (f *fake) WhatIf(ctx context.Context, ns string, set []string) (WhatIf, error) {
	doc := WhatIf{Settings: map[string]Pair{"max": {262144, 262144}, "tcp_timeout_established": {86400, 86400}, "udp_timeout": {30, 30}}, Budget: 0.25, MemoryLimit: 64 << 20, Reading: 60}
	if ns == "web-pod" {
		return doc, nil
	}
	part := 1.0
	for _, s := range set {
		name, text, ok := strings.Cut(s, "=")
		v, err := strconv.ParseInt(text, 10, 64)
		pair, known := doc.Settings[name]
		if !ok || err != nil || !known || v < 1 {
			return doc, RequestError("set=" + s + ": no such setting")
		}
		pair.Then = v
		doc.Settings[name] = pair
		if name == "tcp_timeout_established" {
			part = min(float64(v)/86400, 1)
		}
	}
	doc.Ready, doc.Since, doc.Seconds, doc.MemoryFull = true, time.Now().UTC().Add(-24*time.Hour), 0.4, 100<<20
	a := whatif.Answer{From: doc.Since, To: time.Now().UTC(), Step: 300, Max: doc.Settings["max"].Then, PeakNow: 200000, Flows: 40000, Share: 0.125, Sampling: 0.02, Model: 0.03,
		Peak: whatif.Range{Low: int64(190000 * part), High: int64(200000 * part)}, Verdict: whatif.Fits}
	if a.Peak.High > a.Max {
		a.Verdict, a.OverMax = whatif.Refuses, whatif.Seconds{Low: 600, High: 900}
	}
	for i := range 288 {
		v := 100000 + 100000*math.Sin(float64(i)/92)
		point := func(x float64) *float64 { return &x }
		a.Measured, a.Now = append(a.Measured, point(v)), append(a.Now, point(v))
		a.Low, a.High = append(a.Low, point(0.95*v*part)), append(a.High, point(v*part))
	}
	a.Measured[7] = nil
	doc.Answer = &a
	return doc, ctx.Err()
}

func (f *fake) Findings(_ context.Context, lang wording.Lang) (any, error) {
	text := "The table is full and refuses flows."
	if lang == wording.French {
		text = "La table est pleine et refuse des flux."
	}
	return map[string]any{"schema": "ctkeeper.doctor/1", "taken_at": time.Now().UTC(), "verdict": "table_full", "text": text, "severity": "critical", "confidence": 0.9, "namespaces": []any{}, "missing": []any{map[string]any{"source": "/dev/kmsg", "why": "no permission"}},
		"findings": []any{map[string]any{"code": "table_full", "severity": "critical", "confidence": 0.9, "namespace": "host", "text": text, "cause": "<b>demand</b>",
			"evidence": []any{map[string]any{"text": "count 262144 of 262144", "source": "nf_conntrack_count"}},
			"cure":     []any{map[string]any{"text": "Raise max.", "command": "ctkeeper apply --set max=524288", "sysctl": []any{"sysctl -w net.netfilter.nf_conntrack_max=524288"}}}}}}, nil
}

func (f *fake) Settings(_ context.Context, ns string, _ wording.Lang) (any, error) {
	setting := func(name string, value, def, boot int64, file string) any {
		at := map[string]any{"value": boot, "source": "file", "file": file}
		return map[string]any{"name": name, "key": "net.netfilter.nf_conntrack_" + name, "value": value, "text": strconv.FormatInt(value, 10), "unit": "s", "default": def, "differs": value != def, "scope": "namespace",
			"writable": true, "set_by": "file", "file": file, "boot": map[string]any{"systemd": at, "procps": at}}
	}
	return map[string]any{"schema": "ctkeeper.settings/1", "taken_at": time.Now().UTC(), "namespace": ns, "settings": []any{setting("max", 262144, 262144, 262144, "/etc/sysctl.d/10.conf:1"),
		setting("tcp_timeout_established", 86400, 432000, 3600, "/etc/sysctl.d/90.conf:3")}}, nil
}

func handler(t testing.TB, o Options) http.Handler {
	t.Helper()
	h, err := Handler(&fake{}, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, head map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:9745"
	for k, v := range head {
		if k == "Host" {
			r.Host = v
		} else {
			r.Header.Set(k, v)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGuard(t *testing.T) {
	h := handler(t, Options{Hosts: []string{"db1.example"}})
	for _, c := range []struct {
		method string
		head   map[string]string
		code   int
	}{
		{"GET", nil, 200}, {"HEAD", nil, 200}, {"POST", nil, 405}, {"DELETE", nil, 405}, {"PUT", nil, 405},
		{"GET", map[string]string{"Host": "evil.example"}, 403}, {"GET", map[string]string{"Host": "db1.example:9745"}, 200},
		{"GET", map[string]string{"Host": "127.0.0.1"}, 200}, {"GET", map[string]string{"Host": "[::1]:9745"}, 200}, {"GET", map[string]string{"Host": "10.0.0.1"}, 403},
		{"GET", map[string]string{"Origin": "https://evil.example"}, 403}, {"GET", map[string]string{"Origin": "http://localhost:9745"}, 200},
		{"GET", map[string]string{"Origin": "null"}, 403}, {"GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
	} {
		w := ask(h, c.method, "/api/v1/snapshot", c.head)
		if w.Code != c.code {
			t.Errorf("%s %v: %d, want %d", c.method, c.head, w.Code, c.code)
		}
		if !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Error("no policy")
		}
	}
}

func TestNothingWithoutTheToken(t *testing.T) {
	h := handler(t, Options{Token: "0123456789abcdef", Metrics: http.NotFoundHandler()})
	for _, path := range []string{"/", "/app.js", "/metrics", "/api/v1/snapshot", "/api/v1/events", "/api/v1/whatif?set=max=1", "/api/v1/openapi.json", "/incident/x", "/whatif.js", "/nosuch", "/api/v1/history?last=x"} {
		for _, auth := range []string{"", "Bearer wrong", "Bearer ", "Basic Ondyb25n", "Bearer 0123456789abcdef0"} {
			if w := ask(h, "GET", path, map[string]string{"Authorization": auth, "Host": "evil.example"}); w.Code != 401 || strings.Contains(w.Body.String(), "203.0.113") {
				t.Errorf("%s with %q: %d", path, auth, w.Code)
			}
		}
	}
	for _, auth := range []string{"Bearer 0123456789abcdef", "Basic eDowMTIzNDU2Nzg5YWJjZGVm"} {
		if w := ask(h, "GET", "/api/v1/snapshot", map[string]string{"Authorization": auth}); w.Code != 200 {
			t.Errorf("%s: %d", auth, w.Code)
		}
	}
}

func TestRateIsLimited(t *testing.T) {
	now := time.Unix(1e9, 0)
	h := handler(t, Options{Now: func() time.Time { return now }})
	refused := 0
	for range 500 {
		if ask(h, "GET", "/api/v1/openapi.json", nil).Code == 429 {
			refused++
		}
	}
	if refused != 500-rateBurst {
		t.Errorf("%d of 500 refused", refused)
	}
	now = now.Add(time.Second)
	if code := ask(h, "GET", "/api/v1/openapi.json", nil).Code; code != 200 {
		t.Errorf("%d a second later", code)
	}
}

func TestAPI(t *testing.T) {
	h := handler(t, Options{})
	for path, want := range map[string]string{
		"/api/v1/snapshot":                                        `"schema":"ctkeeper.watch/1"`,
		"/api/v1/flows":                                           `"key":"203.0.113.9"`,
		"/api/v1/flows?by=dport&namespace=host":                   `"key":"tcp/443"`,
		"/api/v1/flows?by=state&namespace=4026531840":             `"where":"proto tcp and state ESTABLISHED"`,
		"/api/v1/flows?by=idle&limit=2":                           `"asked":true`,
		"/api/v1/flows?filter=src+203.0.113.9&list=2":             `"filter":"src 203.0.113.9"`,
		"/api/v1/flows?by=src_prefix&filter=not+assured":          `"by":"src_prefix"`,
		"/api/v1/incidents/20261123T000000Z-1":                    `"setting":"max"`,
		"/api/v1/whatif?set=max%3D1000&set=udp_timeout%3D10":      `"verdict":"refuses"`,
		"/api/v1/whatif?namespace=web-pod":                        `"ready":false`,
		"/api/v1/findings?lang=fr":                                "La table est pleine",
		"/api/v1/settings?namespace=host":                         "tcp_timeout_established",
		"/api/v1/history?last=600&limit=10":                       `"step":10`,
		"/api/v1/history?from=2026-01-01T00:00:00Z&to=1800000000": `"samples":[`,
		"/api/v1/incidents":                                       `"id":"20261120T000000Z-1"`,
		"/api/v1/words?lang=fr":                                   "occupation",
		"/api/v1/openapi.json":                                    `"openapi":"3.1.0"`,
	} {
		w := ask(h, "GET", path, nil)
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
	}
	for path, code := range map[string]int{"/api/v1/flows?by=colour": 400, "/api/v1/flows?namespace=nosuch": 404, "/api/v1/flows?filter=src": 400, "/api/v1/flows?by=src,dst,dport": 400, "/api/v1/flows?limit=1000": 400, "/api/v1/flows?list=9999&filter=assured": 400,
		"/api/v1/flows?filter=zone+77": 429, "/api/v1/incidents/nosuch": 404, "/api/v1/whatif?set=colour%3D5": 400, "/api/v1/whatif?set=max": 400, "/incident/x": 200, "/incident/": 404,
		"/api/v1/history?last=-5": 400, "/api/v1/history?last=NaN": 400, "/api/v1/history?limit=0": 400, "/api/v1/history?limit=99999": 400,
		"/api/v1/history?from=yesterday": 400, "/api/v1/history?from=200&to=100": 400, "/api/v1/history?namespace=web-pod": 500, "/api/v1/nosuch": 404} {
		if w := ask(h, "GET", path, nil); w.Code != code {
			t.Errorf("%s: %d, want %d: %.100s", path, w.Code, code, w.Body)
		}
	}
}

func TestRedaction(t *testing.T) {
	r := snapshot.NewRedactor([]byte("secret"))
	h := handler(t, Options{Redact: &r})
	for _, path := range []string{"/api/v1/snapshot", "/api/v1/flows", "/api/v1/incidents"} {
		if w := ask(h, "GET", path, nil); strings.Contains(w.Body.String(), "203.0.113") || strings.Contains(w.Body.String(), "2001:db8") || strings.Contains(w.Body.String(), `"where"`) {
			t.Errorf("%s shows an address, or a filter", path)
		}
	}
	for _, path := range []string{"/api/v1/flows?by=service", "/api/v1/flows?by=src,dst"} {
		if w := ask(h, "GET", path, nil); w.Code != 200 || strings.Contains(w.Body.String(), "198.51.100") {
			t.Errorf("%s: %d %.300s", path, w.Code, w.Body)
		}
	}
	for _, path := range []string{"/api/v1/flows?filter=src+203.0.113.9", "/api/v1/flows?list=5"} { // they would tell what is redacted
		if w := ask(h, "GET", path, nil); w.Code != 400 || strings.Contains(w.Body.String(), "count") {
			t.Errorf("%s: %d %.300s", path, w.Code, w.Body)
		}
	}
}

func TestEvents(t *testing.T) {
	s := httptest.NewServer(handler(t, Options{}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 3 { // streams end with their reader, and free their slot
		one, stop := context.WithCancel(ctx)
		req, err := http.NewRequestWithContext(one, http.MethodGet, s.URL+"/api/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 300)
		n, err := resp.Body.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), "event: snapshot\ndata: {\"schema\":\"ctkeeper.watch/1\"") {
			t.Errorf("%v %.100s", err, b[:n])
		}
		stop()
		resp.Body.Close()
	}
}

func FuzzAPI(f *testing.F) {
	for _, s := range []string{"/api/v1/flows?by=src,dport&filter=(src+10.0.0.0/8)+and+idle+%3E+1h&limit=5&list=3", "/api/v1/whatif?set=max=5&set=udp_timeout=x", "/api/v1/incidents/20261123T000000Z-1", "/api/v1/incidents/%2e%2e/x", "/incident/%00",
		"/api/v1/history?last=5", "/api/v1/flows?by=src&namespace=%00", "/api/v1/incidents?from=1&to=2&limit=3", "/../../etc/passwd", "/api/v1/words?lang=fr", "/0%ff", "/\x00", "/0\xff", "/api/ /%2e", "//other.example/", "//", "/api/v1//flows"} {
		f.Add("GET", s, "localhost", "")
	}
	h := handler(f, Options{Now: func() func() time.Time {
		n := time.Unix(1e9, 0)
		return func() time.Time { n = n.Add(time.Second); return n }
	}()})
	f.Fuzz(func(t *testing.T, method, target, host, origin string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || u.Path == "/api/v1/events" {
			return
		}
		r, err := http.NewRequest(method, "http://localhost"+target, nil)
		if err != nil {
			return
		}
		r.Host, r.RemoteAddr = host, "127.0.0.1:1"
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 300 && w.Code < 400 {
			t.Errorf("%s: %d to %q: nothing here moves a reader elsewhere", target, w.Code, w.Header().Get("Location"))
		}
		if w.Code >= 500 && !strings.Contains(target, "web-pod") {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		if strings.HasPrefix(u.Path, "/api/") && w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden && w.Code != http.StatusMethodNotAllowed && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %.200s: no JSON", target, w.Code, w.Body)
		}
		if w.Code == 200 && (method != "GET" && method != "HEAD" && method != "") {
			t.Errorf("%s is let through", method)
		}
	})
}

// TestPageHasAllItsWords: every sentence that the page asks for exists, in both languages.
func TestPageHasAllItsWords(t *testing.T) {
	entries, err := files.ReadDir("static")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		text, err := files.ReadFile("static/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	said := 0
	for _, lang := range []wording.Lang{wording.English, wording.French} {
		words := wording.Area("web_", lang)
		for _, text := range texts {
			for _, mark := range []string{"say('", `data-say="`} {
				for _, part := range strings.Split(text, mark)[1:] {
					code := part[:strings.IndexAny(part, `'"`)]
					said++
					if _, ok := words[code]; !ok && !strings.HasSuffix(code, "_") {
						t.Errorf("%s: no sentence for %q", lang, code)
					}
				}
			}
		}
	}
	if said < 200 {
		t.Errorf("only %d sentences are said", said)
	}
}
