package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSpaced(t *testing.T) {
	for text, want := range map[string][]int64{
		"3600..432000/6":   {3600, 9379, 24433, 63652, 165824, 432000},
		"1..1/2":           {1},
		"65536..1048576/5": {65536, 131072, 262144, 524288, 1048576},
	} {
		if got, err := spaced(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1..2", "1/2", "0..5/2", "9..5/2", "1..5/1", "1..5/99999", "a..b/2", "1..2/x"} {
		if got, err := spaced(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

type replayDoc struct {
	Runs []struct {
		Name     string
		Kernel   string
		Set      map[string]int64
		Settings map[string]int64
		Peak     int
		Refused  int
		Memory   int
		Pressure float64
		Broken   int
		Curve    struct{ Count []int }
		Flows    []map[string]any
	}
}

func replayedJSON(t *testing.T, in []byte, args ...string) replayDoc {
	t.Helper()
	code, out, errs := replayed(t, in, append(args, "--format", "json")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var doc replayDoc
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestReplayManyVariants(t *testing.T) {
	file := filepath.Join(t.TempDir(), "variants.yaml")
	if err := os.WriteFile(file, []byte("- name: tight\n  max: 50\n- kernel: \"5.10\"\n  net.netfilter.nf_conntrack_max: 60\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	doc := replayedJSON(t, synFlood(500), "-", "--kernel", "6.18", "--repair", "--set", "max=100", "--variant", "max=200,buckets=64",
		"--settings", file, "--sweep", "max=100..400/2,tcp_timeout_syn_sent=1..120/2", "--upgrade", "5.10")
	if len(doc.Runs) != 1+1+1+2+4+1 {
		t.Fatalf("%d runs", len(doc.Runs))
	}
	for i, peak := range []int{500, 100, 200, 50, 60, 100, 100, 400, 400, 500} {
		r := doc.Runs[i]
		if r.Peak != peak || len(r.Curve.Count) == 0 || r.Flows != nil || r.Memory < peak*300 {
			t.Errorf("run %d: peak %d, want %d; memory %d", i, r.Peak, peak, r.Memory)
		}
	}
	if r := doc.Runs[3]; r.Name != "tight" || r.Kernel != "6.18" {
		t.Errorf("%+v", r)
	}
	if r := doc.Runs[9]; r.Kernel != "5.10" || r.Settings["sctp_timeout_established"] != 432000 || r.Settings["buckets"] != 262144 {
		t.Errorf("upgrade: %s %v", r.Kernel, r.Settings)
	}
}

func TestReplayVariantFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, args := range map[string][]string{
		"bad.yaml:2: ":                        {"--settings", write("bad.yaml", "- max: 5\n- nosuch: 1\n")},
		"list.yaml:2: a variant is a mapping": {"--settings", write("list.yaml", "\n- 5\n")},
		"twice.yaml:2: ":                      {"--settings", write("twice.yaml", "- max: 5\n  max: 6\n")},
		"not LO..HI/N":                        {"--sweep", "max=5"},
		"more than 1024":                      {"--sweep", "max=1..100000/100,buckets=1..100000/100"},
		"--variant":                           {"--variant", "max"},
		"kernel 2.6":                          {"--upgrade", "2.6"},
		"--flows maybe":                       {"--flows", "maybe"},
	} {
		code, _, errs := replayed(t, synFlood(1), append([]string{"-", "--kernel", "6.18"}, args...)...)
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}
