package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/surface/web"
	"ctkeeper/internal/surface/web/openapitest"
)

// TestServeAPI asks a daemon that watches a real table: every document is what OpenAPI says, the table can be
// descended into, and what-if answers from the daemon's own record, which stays on disk.
func TestServeAPI(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 3000, lab.Mix{Established: 90, TimeWait: 10, Sources: 50})
	binary := filepath.Join(t.TempDir(), "ctkeeper")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := startDaemon(t, binary, "cpu_budget: 90%\n")
	doc, err := openapitest.Parse([]byte(d.get(t, "/api/v1/openapi.json")))
	if err != nil {
		t.Fatal(err)
	}
	here := "namespace=" + url.QueryEscape(ns.Name)
	for _, target := range []string{"/api/v1/snapshot", "/api/v1/findings?lang=fr", "/api/v1/settings", "/api/v1/settings?" + here, "/api/v1/history?last=60", "/api/v1/incidents", "/api/v1/flows?" + here,
		"/api/v1/flows?by=idle&" + here, "/api/v1/flows?by=src,dport&list=3&filter=state+ESTABLISHED&" + here, "/api/v1/flows?by=colour", "/api/v1/whatif?" + here, "/api/v1/whatif?set=max%3Dx", "/api/v1/incidents/none"} {
		resp, err := d.client.Get("http://ctkeeper" + target)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(target, "?")
		if strings.HasPrefix(path, "/api/v1/incidents/") {
			path = "/api/v1/incidents/{id}"
		}
		if faults := doc.Faults(path, resp.StatusCode, body); len(faults) > 0 {
			t.Errorf("%s, %d: %s", target, resp.StatusCode, strings.Join(faults[:min(len(faults), 8)], "; "))
		}
	}
	d.descend(t, here)
	d.whatIf(t, here)
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Error(err)
	}
	n := 0
	if _, err := record.ReadFiles(filepath.Join(d.dir, "state", "record", "ns-"+ns.Name), func(flow.Record) { n++ }); err != nil || n != 3000 {
		t.Errorf("%d flows are on disk, %v", n, err)
	}
	if info, err := os.Stat(filepath.Join(d.dir, "state", "record")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}

// patient asks until it is not told to come again later, as on a busy machine.
func (d *daemon) patient(t *testing.T, path string, doc any) {
	t.Helper()
	for range 60 {
		resp, err := d.client.Get("http://ctkeeper" + path)
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(resp.Body).Decode(doc)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusTooManyRequests {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("%s: too many requests for a minute", path)
}

// descend takes a row's filter and asks for what is in it.
func (d *daemon) descend(t *testing.T, here string) {
	t.Helper()
	ask := func(query string) (doc struct {
		Total uint64
		Rows  []struct {
			Where string
			Count uint64
		}
		Flows []any
	}) {
		t.Helper()
		d.patient(t, "/api/v1/flows?"+here+query, &doc)
		return doc
	}
	whole := ask("&by=src")
	if whole.Total != 3000 || len(whole.Rows) != 20 || whole.Rows[0].Where == "" {
		t.Fatalf("%+v", whole)
	}
	row := whole.Rows[0]
	in := ask("&by=state&list=200&filter=" + url.QueryEscape(row.Where))
	if in.Total != row.Count || len(in.Rows) == 0 || len(in.Flows) != int(min(row.Count, 200)) {
		t.Errorf("a row of %d flows holds %d, of which %d are listed", row.Count, in.Total, len(in.Flows))
	}
}

// whatIf waits for three readings of the table, and asks what another timeout would have made of them.
func (d *daemon) whatIf(t *testing.T, here string) {
	t.Helper()
	var doc web.WhatIf
	for range 400 { // the tables of the whole machine are read
		d.patient(t, "/api/v1/whatif?"+here+"&set=tcp_timeout_established%3D60&set=nf_conntrack_max%3D1000", &doc)
		if doc.Ready {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	a := doc.Answer
	if !doc.Ready || a == nil || a.Flows != 3000 || a.Share != 1 || a.PeakNow != 3000 || a.Peak.Low < 2900 || a.Peak.High > 3100 || a.Verdict == "fits" || a.Max != 1000 {
		t.Errorf("%+v: %+v", doc, a)
	}
	if p := doc.Settings["tcp_timeout_established"]; p.Then != 60 || p.Now != 432000 {
		t.Errorf("%+v", doc.Settings)
	}
}

// TestFirstReaderMayLeave: the findings are made for all readers, not for the one who asked first.
func TestFirstReaderMayLeave(t *testing.T) {
	d := startDaemon(t, buildDaemon(t), "cpu_budget: 90%\n")
	ctx, leave := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ctkeeper/api/v1/findings", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := d.client.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("the findings were made before the reader could leave: nothing is proven")
	}
	if text := d.get(t, "/api/v1/findings"); !strings.Contains(text, `"taken_at"`) {
		t.Errorf("%.300s", text)
	}
}
