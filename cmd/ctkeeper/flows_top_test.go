package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

// ranked runs flows top and reads its document.
func ranked(t *testing.T, args ...string) topDocument {
	t.Helper()
	out, errs, code := command("", append([]string{"flows", "top", "--format", "json"}, args...)...)
	var d topDocument
	if err := json.Unmarshal([]byte(out), &d); code != 0 || errs != "" || err != nil {
		t.Fatalf("%v: exit %d, %s, %v", args, code, errs, err)
	}
	return d
}

// TestTopOfARealTable holds each row against a listing of the flows that it says it stands for.
func TestTopOfARealTable(t *testing.T) {
	ns := lab.NewNamespace(t)
	made := lab.Fill(t, ns, 1000, lab.Mix{Established: 40, TimeWait: 20, SynSent: 10, IPv6: 20, Sources: 300, Timeout: 3000})
	for _, by := range []string{"src/16,dport", "state,status", "service", "idle,proto", "remaining", "zone,mark"} {
		d := ranked(t, "--netns", ns.Path, "--by", by, "--limit", "0")
		if int(d.Total.Count) != made || *d.Count != uint64(made) || !d.Exact || !d.Consistent || d.Source != "ctnetlink" || d.Pressure == nil {
			t.Errorf("%s: %+v", by, d)
		}
		sum := uint64(0)
		for i, row := range d.Rows {
			if sum += row.Count; i >= 3 || row.Where == "" {
				continue
			}
			out, errs, code := command("", "flows", "list", "--netns", ns.Path, "--format", "jsonl", row.Where)
			if n := strings.Count(out, "\n"); code != 0 || errs != "" || n != int(row.Count) {
				t.Errorf("%s: %q has %d flows, the list %d: exit %d, %s", by, row.Where, row.Count, n, code, errs)
			}
		}
		if int(sum) != made {
			t.Errorf("%s: rows add up to %d of %d", by, sum, made)
		}
	}
}
