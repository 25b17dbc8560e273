package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/rank"
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
	lab.Share(t)
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

// TestWithoutTheRightToAskTheKernel runs the program without CAP_NET_ADMIN: the table is read as text, and
// the program says what that lacks.
func TestWithoutTheRightToAskTheKernel(t *testing.T) {
	ns := lab.NewNamespace(t)
	made := lab.Fill(t, ns, 50, lab.Mix{Established: 50, Timeout: 3000})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ctkeeper") // by which the test binary is the program
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"flows", "list"}, {"flows", "top", "--once", "--limit", "0"}} {
		cmd := exec.Command("setpriv", append([]string{"--bounding-set", "-net_admin", "--inh-caps", "-net_admin", name, "--format", "jsonl"}, args...)...)
		cmd.Env = append(os.Environ(), "LANG=C")
		var errs strings.Builder
		cmd.Stderr = &errs
		var out []byte
		ns.Do(func() { out, err = cmd.Output() })
		if err != nil || !strings.Contains(errs.String(), "warning: read from /proc/net/nf_conntrack") || !strings.Contains(errs.String(), "labels") {
			t.Errorf("%v: %v, %s", args, err, errs.String())
		}
		sum := 0
		for line := range strings.Lines(string(out)) {
			row := topRow{Place: rank.Place{Count: 1}}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			sum += int(row.Count)
		}
		if sum != made {
			t.Errorf("%v: %d flows of %d", args, sum, made)
		}
	}
}
