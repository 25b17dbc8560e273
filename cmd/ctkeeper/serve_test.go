package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/lab"
)

func TestServeConfig(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ctkeeper.yaml")
	for text, want := range map[string]string{
		"": "",
		"listen: 127.0.0.1:0\ncpu_budget: 2%\nhistory_size: 64MiB\nnamespaces: present\n": "",
		"listen: unix:/run/x.sock":                            "",
		"listenn: 127.0.0.1:1":                                "line 1: field listenn not found",
		"a: 1\nlisten: 0.0.0.0:9745":                          "field a not found",
		"listen: 0.0.0.0:9745":                                "reachable from elsewhere: that needs tls",
		"listen: 0.0.0.0:9745\ntls: {certificate: c, key: k}": "needs tls, and token_file",
		"listen: 9745":                                        "listen: ",
		"listen: unix:x":                                      "begins with /",
		"cpu_budget: 200%":                                    "line 1: \"200%\" is no share",
		"interval: 5":                                         "no time between",
		"history_size: 5":                                     "no size of at least 1MiB",
		"namespaces: some":                                    "neither all nor present",
		"webhooks: [{url: ftp://x}]":                          "no http address",
		"webhooks: [{url: 'http://x', format: fax}]":          "is not json, slack or alertmanager",
		"tls: {certificate: x}":                               "belong together",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := run([]string{"serve", "--check", "--config", path}, streams{nil, &out, &errs})
		if want == "" && code != 0 || want != "" && (code == 0 || !strings.Contains(errs.String(), want) || !strings.Contains(errs.String(), "ctkeeper.yaml")) {
			t.Errorf("%q: exit %d, %s", text, code, errs.String())
		}
	}
	var errs bytes.Buffer
	if code := run([]string{"serve", "--check", "--config", dir + "/none"}, streams{nil, io.Discard, &errs}); code != 1 {
		t.Errorf("a named file that is not there: exit %d", code)
	}
	if code := run([]string{"serve", "--check", "--cpu-budget", "x", "--config", path}, streams{nil, io.Discard, &errs}); code == 0 {
		t.Error("--cpu-budget x passed")
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, "1KiB": 1024, "1.5 MiB": 3 << 19, "2GB": 2e9, "10GiB": 10 << 30, "7B": 7} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "-5", "1e30GiB", "5 XB", "NaN"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

// daemon is a ctkeeper serve in a process of its own, under a fake service manager.
type daemon struct {
	cmd    *exec.Cmd
	dir    string
	notes  chan string
	client http.Client
	stderr string // a file
}

// buildDaemon builds the program as it is shipped: without cgo.
func buildDaemon(t *testing.T) string {
	t.Helper()
	lab.Need(t)
	binary := filepath.Join(t.TempDir(), "ctkeeper")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func startDaemon(t *testing.T, binary string, config string) *daemon {
	t.Helper()
	d := &daemon{dir: t.TempDir(), notes: make(chan string, 100)}
	socket := filepath.Join(d.dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			d.notes <- string(b[:n])
		}
	}()
	d.configure(t, config)
	page := filepath.Join(d.dir, "page.sock")
	d.cmd = exec.Command(binary, "serve", "--config", filepath.Join(d.dir, "c.yaml"), "--state-dir", filepath.Join(d.dir, "state"), "--listen", "unix:"+page)
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=1000000")
	d.stderr = filepath.Join(d.dir, "stderr")
	log, err := os.Create(d.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill() // ended already where all went well
		_ = d.cmd.Wait()
	})
	d.client.Transport = unixTransport(page)
	d.wait(t, "READY=1")
	return d
}

// unixTransport sends every request to a socket.
func unixTransport(path string) http.RoundTripper {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
}

func (d *daemon) configure(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "c.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wait takes notes until one holds what is wanted.
func (d *daemon) wait(t *testing.T, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case n := <-d.notes:
			if strings.Contains(n, want) {
				return
			}
		case <-limit:
			t.Fatalf("no %s in 20 s", want)
		}
	}
}

// logged waits until the log holds what is wanted.
func (d *daemon) logged(t *testing.T, want string) {
	t.Helper()
	var text []byte
	for range 400 {
		if text, _ = os.ReadFile(d.stderr); strings.Contains(string(text), want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no %q in the log:\n%s", want, text)
}

// sampled waits for the first sample: on a busy machine it comes seconds after the daemon is ready.
func (d *daemon) sampled(t *testing.T) {
	t.Helper()
	for range 600 {
		if strings.Contains(d.get(t, "/api/v1/history?last=60"), `"samples":[{`) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("no sample within a minute")
}

func (d *daemon) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := d.client.Get("http://ctkeeper" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v %s", path, resp.StatusCode, err, b)
	}
	return string(b)
}

func TestServe(t *testing.T) {
	binary := buildDaemon(t)
	d := startDaemon(t, binary, "interval: 200ms\n")
	d.wait(t, "WATCHDOG=1\nSTATUS=")
	d.sampled(t)
	if text := d.get(t, "/metrics"); !strings.Contains(text, "ctkeeper_flows{") || strings.Contains(text, "node_nf_conntrack") {
		t.Errorf("metrics:\n%.500s", text)
	}
	for path, want := range map[string]string{"/api/v1/snapshot": `"namespaces":[{"name":`, "/api/v1/findings": `"verdict"`, "/api/v1/settings": `"tcp_timeout_established"`,
		"/api/v1/history?last=60": `"samples":[{`, "/api/v1/incidents": `"incidents":[`, "/": "<!doctype html>"} {
		if text := d.get(t, path); !strings.Contains(text, want) {
			t.Errorf("%s: %.300s", path, text)
		}
	}
	// A configuration that makes no sense is refused, one that does is taken.
	d.configure(t, "intervall: 5s\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.logged(t, "the configuration is kept as it was")
	d.logged(t, "field intervall not found")
	d.configure(t, "interval: 300ms\nnode_exporter_names: true\n")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	d.wait(t, "RELOADING=1")
	d.wait(t, "READY=1")
	if text := d.get(t, "/metrics"); !strings.Contains(text, "node_nf_conntrack_entries") {
		t.Error("the new configuration is not in force")
	}
	time.Sleep(time.Second)
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	d.wait(t, "STOPPING=1")
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	var out, errs bytes.Buffer
	if code := run([]string{"history", "--state-dir", filepath.Join(d.dir, "state"), "--format", "json"}, streams{nil, &out, &errs}); code != 0 || !strings.Contains(out.String(), `"peak"`) {
		t.Errorf("history: exit %d, %s %s", code, out.String(), errs.String())
	}
}

func TestHistoryWithoutADaemon(t *testing.T) {
	var errs bytes.Buffer
	if code := run([]string{"history", "--state-dir", t.TempDir(), "--lang", "en"}, streams{nil, io.Discard, &errs}); code != 1 || !strings.Contains(errs.String(), "hint: no daemon") {
		t.Errorf("exit %d, %s", code, errs.String())
	}
	if code := run([]string{"history", "--since", "soon"}, streams{nil, io.Discard, &errs}); code != 2 {
		t.Errorf("--since soon: exit %d", code)
	}
}

// TestDoctorSince: what the daemon kept of a full table is told, in both languages, and its absence is named.
func TestDoctorSince(t *testing.T) {
	dir := t.TempDir()
	db, _, err := history.Open(filepath.Join(dir, "history.db"), history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-2 * time.Hour).UTC()
	db.Incident(snapshot.Incident{ID: "a", Namespace: "gone", Began: began, Ended: began.Add(90 * time.Second), Refused: 1234, EarlyDrops: 5, Before: 900, Peak: 1000, Max: 1000,
		Sources: []rank.Row{{Key: "192.0.2.7", Count: 800}}, Changes: []snapshot.Changed{{At: began, Setting: "max", From: 1000, To: 2000, By: "ctkeeper apply"}}})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	doctor := func(args ...string) string {
		var out, errs bytes.Buffer
		run(append([]string{"doctor", "--state-dir", dir}, args...), streams{nil, &out, &errs}) // the code is the host's
		return out.String() + errs.String()
	}
	for _, c := range []struct {
		args, want []string
	}{
		{[]string{"--since", "3h"}, []string{"1,234 packets refused and 5 flows evicted in 1 incident", "by ctkeeper apply", `"code": "ev_incident_source"`}},
		{[]string{"--since", "3h", "--lang", "fr"}, []string{"paquets refusés et 5 flux évincés en 1 incident"}},
		{[]string{"--since", "3h", "--state-dir", dir + "/none"}, []string{"no such file or directory"}},
		{[]string{"--since", "soon"}, []string{"no duration"}},
		{[]string{"--since", "1h", "--from", dir}, []string{"not with --from"}},
	} {
		got := doctor(append(c.args, "--format", "json")...)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, got)
			}
		}
	}
	if got := doctor("--since", "1h"); strings.Contains(got, "1,234") {
		t.Errorf("it tells of what is older:\n%s", got)
	}
}

func TestWebhooks(t *testing.T) {
	var mu sync.Mutex
	bodies := map[string][]string{}
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries <= 2 { // down at first
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		bodies[r.URL.Path] = append(bodies[r.URL.Path], string(b))
	}))
	defer s.Close()
	n := newNotifier(slog.New(slog.DiscardHandler))
	n.tell([]serveWebhook{{s.URL + "/json", ""}, {s.URL + "/slack", "slack"}, {s.URL + "/am", "alertmanager"}})
	n.pause = time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { n.run(ctx); close(done) }()
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	n.incident(snapshot.Incident{ID: "a", Namespace: "host", Began: began, Refused: 5, Peak: 100, Max: 100})
	n.incident(snapshot.Incident{ID: "a", Namespace: "host", Began: began, Ended: began.Add(time.Minute), Refused: 7, Peak: 100, Max: 100})
	for range 500 {
		mu.Lock()
		all := len(bodies["/am"])
		mu.Unlock()
		if all == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	<-done
	if len(bodies["/json"]) != 2 || len(bodies["/slack"]) != 2 || len(bodies["/am"]) != 2 {
		t.Fatalf("%v", bodies)
	}
	var slack struct{ Text string }
	var am []struct {
		Labels map[string]string
		EndsAt string
	}
	if json.Unmarshal([]byte(bodies["/slack"][1]), &slack) != nil || !strings.Contains(slack.Text, "refused 7 packets (peak 100 of 100); over after 1m0s") {
		t.Error(bodies["/slack"])
	}
	if json.Unmarshal([]byte(bodies["/am"][1]), &am) != nil || am[0].Labels["alertname"] != "CtkeeperIncident" || am[0].EndsAt == "" {
		t.Error(bodies["/am"])
	}
	for range queueSize + 5 { // nobody delivers any more: the queue is bounded, and the sampler never waits
		n.incident(snapshot.Incident{ID: "b"})
	}
}
