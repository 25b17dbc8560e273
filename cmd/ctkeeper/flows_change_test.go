package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

func TestFlowsDeleteCommand(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	made := lab.Fill(t, ns, 3000, lab.Mix{Established: 50, SynSent: 50, Sources: 10})
	call := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		ns.Do(func() { code = run(append([]string{"flows"}, args...), streams{nil, &out, &errs}) })
		return code, out.String(), errs.String()
	}
	type document struct {
		Schema  string
		DryRun  bool `json:"dry_run"`
		Matched int
		Done    int
		Top     []struct{ Key string }
	}
	read := func(text string) (d document) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err, text)
		}
		return d
	}
	// Not confirmed: shown, exit 1, nothing changed.
	code, out, errs := call("delete", "state", "SYN_SENT", "--lang", "en")
	if code != 1 || !strings.Contains(out, "1,500 of 1,500 selected flows would be deleted") || !strings.Contains(errs, "hint: --yes") || !strings.Contains(out, "  10.") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	code, out, _ = call("delete", "state", "SYN_SENT", "--dry-run", "--format", "json")
	if d := read(out); code != 0 || !d.DryRun || d.Matched != 1500 || d.Done != 0 || d.Schema != "ctkeeper.flows.delete/1" || len(d.Top) == 0 {
		t.Errorf("exit %d %+v", code, d)
	}
	code, out, _ = call("delete", "state", "SYN_SENT", "--yes", "--format", "json")
	if d := read(out); code != 0 || d.DryRun || d.Done != 1500 {
		t.Errorf("exit %d %+v", code, d)
	}
	code, out, _ = call("retime", "-p", "tcp", "--timeout", "30s", "--yes", "--format", "json", "--protect", "state ESTABLISHED")
	if d := read(out); code != 0 || d.Done != 0 || d.Schema != "ctkeeper.flows.retime/1" {
		t.Errorf("exit %d %+v", code, d)
	}
	code, out, _ = call("retime", "--timeout", "30s", "--yes", "--lang", "fr")
	if code != 0 || !strings.Contains(out, "1\u00a0500 flux mis à la nouvelle durée") {
		t.Errorf("exit %d %s", code, out)
	}
	code, out, _ = call("delete", "--all", "--yes", "--format", "json")
	if d := read(out); code != 0 || d.Done != made-1500 {
		t.Errorf("exit %d %+v", code, d)
	}
}

func TestFlowsChangeUsage(t *testing.T) {
	for _, args := range [][]string{{"delete"}, {"delete", "--all", "tcp"}, {"delete", "tcp", "--yes", "--dry-run"}, {"delete", "tcp", "--protect", "nosuch 5"},
		{"delete", "tcp", "--protect", ""}, {"delete", "nosuch"}, {"delete", "tcp", "--limit", "-1"}, {"retime", "--timeout", "5ms"}, {"delete", "--all", "--from", "."}} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"flows"}, args...), streams{nil, &out, &errs}); code != 2 || !strings.Contains(errs.String(), "error:") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}
