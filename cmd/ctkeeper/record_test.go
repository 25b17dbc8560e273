package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/lab"
)

func TestRecordCommand(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 1000, lab.Mix{})
	dir := filepath.Join(t.TempDir(), "record")
	var out, errs bytes.Buffer
	var code int
	ns.Do(func() {
		code = run([]string{"record", "--for", "700ms", "--out", dir, "--redact", "--format", "json"}, streams{nil, &out, &errs})
	})
	var doc struct {
		Schema string
		Flows  int
		Files  int
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || code != 0 || doc.Schema != "ctkeeper.record/1" || doc.Flows != 1000 || doc.Files != 1 {
		t.Fatalf("exit %d, %v, %+v, %s", code, err, doc, errs.String())
	}
	names, err := filepath.Glob(dir + "/*.parquet")
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if info, err := os.Stat(names[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	r, err := capture.OpenRecord(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Notes["redacted"] != "yes" || r.Notes["host"] != "" {
		t.Errorf("%v", r.Notes)
	}
}

func TestRecordUsage(t *testing.T) {
	for _, args := range [][]string{{"--keep", "much"}, {"--sample", "2"}, {"--sample", "0"}, {"--buffer", "9TiB"}, {"--every", "-1s"}, {"--from", "."}} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"record", "--out", t.TempDir()}, args...), streams{nil, &out, &errs}); code != 2 || !strings.Contains(errs.String(), "error:") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}
