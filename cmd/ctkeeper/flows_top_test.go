package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ctkeeper/internal/action/sample"
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

func TestTopWithRates(t *testing.T) {
	ns := lab.NewNamespace(t)
	for events, basis := range map[string]sample.Basis{"0": sample.ByDumps, "2": sample.ByEvents} {
		if err := ns.SetSysctl("net/netfilter/nf_conntrack_events", events); err != nil {
			t.Fatal(err)
		}
		d := ranked(t, "--netns", ns.Path, "--rates", "100ms")
		if d.Rates == nil || d.Rates.Basis != basis || d.Rates.Arrivals == nil || d.Rates.Refused == nil || d.Rates.Seconds < 0.1 {
			t.Errorf("events %s: %+v", events, d.Rates)
		}
	}
	out, errs, code := command("", "flows", "top", "--netns", ns.Path, "--rates", "50ms", "--lang", "fr")
	if code != 0 || errs != "" || !strings.Contains(out, "nouveaux 0/s ±") {
		t.Errorf("exit %d, %s, %s", code, errs, out)
	}
	if _, errs, code := command("", "flows", "top", "--rates", "-1s"); code != 2 || !strings.Contains(errs, "--rates") {
		t.Errorf("exit %d, %s", code, errs)
	}
}
