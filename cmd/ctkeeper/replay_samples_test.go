package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const answers = "../../../shared/samples/kernel-answers"

// kernelAnswer is what a kernel did with a capture, in the samples' shape.
type kernelAnswer struct {
	Pcap    string
	Repair  bool
	Sysctl  map[string]string
	Packets []map[string]any
}

// TestTraceIsTheKernelsAnswer holds every line of the trace against the kernel's, key by key. The kernel's
// "stat" is no part of a trace, a timeout may be a second off: the answers were read off a running clock.
func TestTraceIsTheKernelsAnswer(t *testing.T) {
	var files []string
	for _, dir := range []string{"", "variants"} {
		found, _ := filepath.Glob(filepath.Join(answers, dir, "*.json.gz"))
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skip("../shared/samples is absent: the kernel's answers to real captures cannot be compared")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a := readKernelAnswer(t, path)
			args := []string{filepath.Join(answers, "..", "pcap", a.Pcap), "--kernel", "6.18", "--trace", "--format", "jsonl"}
			for name, v := range a.Sysctl {
				if short := strings.TrimPrefix(name, "nf_conntrack_"); short != "events" && !strings.HasPrefix(short, "frag6") {
					args = append(args, "--set", short+"="+v)
				}
			}
			if a.Repair {
				args = append(args, "--repair")
			}
			if strings.Contains(path, ".helpers.") {
				args = append(args, "--helper", "ftp,pptp")
			}
			code, out, errs := replayed(t, nil, args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errs)
			}
			compareTrace(t, []byte(out), a.Packets)
		})
	}
}

func readKernelAnswer(t *testing.T, path string) (a kernelAnswer) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

func compareTrace(t *testing.T, out []byte, want []map[string]any) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != len(want) {
		t.Fatalf("%d lines, the kernel saw %d packets", len(lines), len(want))
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		delete(want[i], "stat")
		for _, key := range []string{"timeout", "ts"} {
			tolerance := 1.0
			if key == "ts" {
				tolerance = 1e-6
			}
			if g, ok := got[key].(float64); ok {
				if w, ok := want[i][key].(float64); ok && math.Abs(g-w) <= tolerance*1.001 {
					got[key] = w
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("packet %d:\n got %v\nwant %v", i+1, got, want[i])
			return
		}
		if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, slices.Sorted(maps.Keys(want[i]))) {
			t.Errorf("packet %d: keys %v", i+1, keys)
			return
		}
	}
}
