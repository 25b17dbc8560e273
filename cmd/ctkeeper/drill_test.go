package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"ctkeeper/internal/action/drill"
	"ctkeeper/internal/lab"
)

func TestDrillUsage(t *testing.T) {
	for _, args := range [][]string{{"--netns", "x"}, {"--from", "."}, {"now"}} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"drill"}, args...), streams{nil, &out, &errs}); code != 2 || !strings.Contains(errs.String(), "error:") {
			t.Errorf("%v: exit %d, %s", args, code, errs.String())
		}
	}
}

func TestDrillText(t *testing.T) {
	five := uint64(5)
	full := drill.Report{Before: drill.Tries{Made: 5}, Full: drill.Tries{Made: 5, Failed: 5, Error: "i/o timeout"}, After: drill.Tries{Made: 5},
		Max: 1000, Drop: 5, Verdict: "table_full", LogLines: &five, LogLine: "the line"}
	unnamed, unread, works := full, full, full
	unnamed.LogLines, unnamed.LogUnnamed = new(uint64), 3
	unread.LogLines = nil
	works.Full.Failed = 0
	for _, c := range []struct {
		r          drill.Report
		lang, want string
	}{
		{full, "en", "logged 5 lines about this table:\n    the line\n"},
		{full, "fr", "Tout s'est passé comme prévu"},
		{unnamed, "en", "logged 3 lines on full tables that do not say"},
		{unread, "en", "its log cannot be read"},
		{works, "en", "Not everything went"},
	} {
		var out bytes.Buffer
		(&app{streams: streams{nil, &out, &out}, lang: c.lang}).drillText(c.r)
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "{") {
			t.Errorf("no %q in:\n%s", c.want, out.String())
		}
	}
}

func TestDrillCommand(t *testing.T) {
	lab.Need(t)
	lab.Lock(t)
	var out, errs bytes.Buffer
	code := run([]string{"drill", "--format", "json", "--lang", "fr"}, streams{nil, &out, &errs})
	var doc drillDocument
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err, out.String(), errs.String())
	}
	if code != 0 || doc.Schema != "ctkeeper.drill/1" || !doc.AsTold || doc.Full.Failed != doc.Full.Made || doc.Seconds <= 0 || doc.Seconds > 60 {
		t.Errorf("exit %d, %+v", code, doc)
	}
	if n := strings.Count(errs.String(), "\n"); n != 7 || !strings.Contains(errs.String(), "7. se connecter de nouveau") {
		t.Errorf("%d steps on standard error:\n%s", n, errs.String())
	}
}
