package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// runDoctor runs the real command and returns what it printed.
func runDoctor(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(append([]string{"doctor"}, args...), streams{in: strings.NewReader(""), out: &o, err: &e})
	return o.String(), e.String(), code
}

// TestDoctorContract holds the keys of schema ctkeeper.doctor/1 that others build on.
func TestDoctorContract(t *testing.T) {
	from := readHost(t, "testdata/hosts/refusing-in-container.txtar").unpack(t)
	out, _, code := runDoctor(t, "--from", from, "--format", "json")
	if code != 2 || !strings.HasPrefix(out, "{\n  \"schema\": \"ctkeeper.doctor/1\",") {
		t.Fatalf("exit %d, begins %.60q", code, out)
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	hasKeys(t, "document", doc, "schema", "verdict", "severity", "confidence", "namespaces", "findings", "missing")
	finding := doc["findings"].([]any)[0].(map[string]any)
	hasKeys(t, "finding", finding, "code", "severity", "confidence", "namespace", "evidence", "cause", "cure")
	hasKeys(t, "evidence", finding["evidence"].([]any)[0].(map[string]any), "source", "text", "value")
	hasKeys(t, "cure", finding["cure"].([]any)[0].(map[string]any), "text", "command", "sysctl")
}

func hasKeys(t *testing.T, what string, object map[string]any, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if _, ok := object[k]; !ok {
			t.Errorf("%s has no %s: %v", what, k, object)
		}
	}
}

func TestDoctorLanguage(t *testing.T) {
	from := readHost(t, "testdata/hosts/nat-ports.txtar").unpack(t)
	t.Setenv("LC_ALL", "fr_FR.UTF-8")
	if out, _, _ := runDoctor(t, "--from", from); !strings.Contains(out, "Remède") {
		t.Errorf("LANG is not heeded: %s", out)
	}
	if out, _, _ := runDoctor(t, "--from", from, "--format", "json"); strings.Contains(out, "Oui") {
		t.Error("JSON follows LANG")
	}
	if out, _, _ := runDoctor(t, "--from", from, "--format", "json", "--lang", "fr"); !strings.Contains(out, "Oui") {
		t.Error("JSON does not follow --lang")
	}
}

func TestDoctorErrors(t *testing.T) {
	for _, args := range [][]string{
		{"--from", "/does/not/exist"}, {"--format", "jsonl"}, {"extra"}, {"--no-such-flag"},
	} {
		if out, errs, code := runDoctor(t, args...); code != 3 || out != "" || !strings.HasPrefix(errs, "error: ") {
			t.Errorf("doctor %v exits %d with %q, %q", args, code, out, errs)
		}
	}
}

// TestCuresAreTaken holds that every cure's settings are what plan takes for that host.
func TestCuresAreTaken(t *testing.T) {
	files, err := filepath.Glob("testdata/hosts/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, file := range files {
		h := readHost(t, file)
		from := h.unpack(t)
		out, _, _ := runDoctor(t, "--from", from, "--format", "json")
		var doc doctorDocument
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
		for _, c := range cures(doc) {
			options, ok := strings.CutPrefix(c.Command, "ctkeeper apply")
			if !ok || c.Code == "cure_on_host" {
				continue
			}
			tried++
			var o, e bytes.Buffer
			args := append([]string{"plan", "--from", from}, strings.Fields(options)...)
			if code := run(args, streams{in: strings.NewReader(""), out: &o, err: &e}); code != 0 {
				t.Errorf("%s: %v exits %d: %s", h.name, args, code, e.String())
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d cures tried", tried)
	}
}

func cures(doc doctorDocument) []cureDocument {
	var all []cureDocument
	for _, f := range doc.Findings {
		all = append(all, f.Cure...)
	}
	return all
}
