package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

type tableDoc struct {
	Source string `json:"settings_source"`
	Table  *struct {
		Flows                int
		Window, Forward      float64
		Rate                 float64
		Low                  float64 `json:"rate_low"`
		High                 float64 `json:"rate_high"`
		Streams              []struct{ Service, Manner string }
		Apart                int `json:"flows_apart"`
		RateLow, RateHighest float64
	}
	Runs []struct {
		Peak    int
		Refused int
		Silent  struct{ Peak int } `json:"if_silent"`
	}
}

func tableReplay(t *testing.T, args ...string) tableDoc {
	t.Helper()
	code, out, errs := replayed(t, nil, append(args, "--format", "json")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var doc tableDoc
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// timeWaits are n flows of a web server, closed one after the other over the last two minutes.
func timeWaits(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"proto":"tcp","proto_number":6,"family":"ipv4","state":"TIME_WAIT","status":["SEEN_REPLY","ASSURED"],"timeout":%d,`+
			`"orig":{"src":"10.0.0.%d","dst":"192.0.2.1","sport":%d,"dport":443},"reply":{"src":"192.0.2.1","dst":"10.0.0.%d","sport":443,"dport":%d}}`+"\n",
			i*120/n, i%250, 1024+i, i%250, 1024+i)
	}
	b.WriteString(`{"proto":"gre","proto_number":47,"family":"ipv4","status":[],"timeout":30,"orig":{"src":"10.0.0.1","dst":"192.0.2.1","srckey":0,"dstkey":7}}` + "\n")
	path := filepath.Join(t.TempDir(), "host.flows.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReplaySnapshotTable carries the flows of a file forward, alone and beside a capture.
func TestReplaySnapshotTable(t *testing.T) {
	path := timeWaits(t, 2400)
	doc := tableReplay(t, path, "--kernel", "6.18", "--forward", "3m", "--set", "max=2500")
	tab := doc.Table
	if tab == nil || tab.Flows != 2401 || tab.Apart != 1 || tab.Forward != 180 || tab.Window != 0 || tab.Rate != 20 || tab.Low < 19 || tab.High > 21 {
		t.Fatalf("%+v", tab)
	}
	if s := tab.Streams; len(s) != 1 || s[0].Service != "tcp 443" || s[0].Manner != "answered" {
		t.Errorf("%+v", s)
	}
	// 20 a second for two minutes, and up to a minute until the collector comes.
	if r := doc.Runs[0]; r.Silent.Peak < 2400 || r.Peak > 3800 || r.Silent.Peak > r.Peak || r.Refused != 0 || doc.Runs[1].Refused == 0 {
		t.Errorf("%+v", doc.Runs)
	}
	pcap := filepath.Join(t.TempDir(), "syns.pcap")
	if err := os.WriteFile(pcap, synFlood(3000), 0o600); err != nil {
		t.Fatal(err)
	}
	if both := tableReplay(t, path, pcap, "--repair", "--kernel", "6.18", "--forward", "3m"); both.Runs[0].Silent.Peak < 5300 {
		t.Errorf("beside a capture of 3000: %+v", both.Runs[0])
	}
	for _, lang := range []string{"en", "fr"} {
		_, out, _ := replayed(t, nil, path, "--kernel", "6.18", "--lang", lang)
		if want := map[string]string{"en": "one reading cannot tell growth", "fr": "une seule lecture ne distingue pas"}[lang]; !strings.Contains(out, want) {
			t.Errorf("%s: %s", lang, out)
		}
	}
}

// TestReplaySnapshot takes the settings from a snapshot and the flows from beside it.
func TestReplaySnapshot(t *testing.T) {
	lab.Share(t)
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 500, lab.Mix{Established: 100})
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_tcp_timeout_time_wait", "77"); err != nil {
		t.Fatal(err)
	}
	snap := filepath.Join(t.TempDir(), "host.json")
	live := tableDoc{}
	ns.Do(func() {
		var out, errs bytes.Buffer
		if code := run([]string{"snapshot", "--flows", "-o", snap}, streams{nil, &out, &errs}); code != 0 {
			t.Error(errs.String())
		}
		live = tableReplay(t, "--live", "--window", "300ms", "--forward", "10s")
	})
	doc := tableReplay(t, snap, "--forward", "10s")
	if doc.Source != "snapshot" || doc.Table == nil || doc.Table.Flows != 500 || doc.Runs[0].Silent.Peak != 500 {
		t.Errorf("%+v", doc)
	}
	if live.Source != "host" || live.Table == nil || live.Table.Flows != 500 || live.Table.Window < 0.3 || live.Table.Rate != 0 {
		t.Errorf("%+v %+v", live, live.Table)
	}
	code, _, errs := replayed(t, nil, strings.TrimSuffix(snap, ".json")+"2.json", "--kernel", "6.18")
	if code != 1 || !strings.Contains(errs, "ctkeeper snapshot --flows") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

func TestReplayTableFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.flows.jsonl")
	if err := os.WriteFile(path, []byte("{\"proto_number\":6,\"orig\":{\"src\":\"10.0.0.1\",\"dst\":\"10.0.0.2\"}}\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := replayed(t, nil, path, "--kernel", "6.18"); code != 1 || !strings.Contains(errs, "x.flows.jsonl:2: no flow") {
		t.Errorf("exit %d, %s", code, errs)
	}
	for _, args := range [][]string{{}, {"--live", "--window", "-1s"}, {"--live", "--forward", "0s"}, {path, "-"}} {
		if code, _, errs := replayed(t, nil, append(args, "--kernel", "6.18")...); code != 2 && code != 1 || errs == "" {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}

// TestReplayRecordingDirectory reads a recording's directory, and names what is not whole.
func TestReplayRecordingDirectory(t *testing.T) {
	whole := idlePool(t, 20)
	dir := filepath.Dir(whole)
	torn := whole + ".part"
	if err := os.WriteFile(torn, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := replayed(t, nil, dir, "--kernel", "6.18", "--format", "json")
	if code != 0 || !strings.Contains(out, `"peak":20`) || !strings.Contains(errs, torn) {
		t.Errorf("exit %d, %.100s, %s", code, out, errs)
	}
	// Years apart, unless they are let begin together.
	pcap := filepath.Join(t.TempDir(), "syns.pcap")
	if err := os.WriteFile(pcap, synFlood(100), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		args []string
		peak int
	}{{nil, 100}, {[]string{"--together"}, 101}} {
		doc := tableReplay(t, append(want.args, dir, pcap, "--repair", "--kernel", "6.18")...)
		if doc.Runs[0].Peak < want.peak || want.args == nil && doc.Runs[0].Peak > 100 {
			t.Errorf("%v: peak %d", want.args, doc.Runs[0].Peak)
		}
	}
	if code, _, errs := replayed(t, nil, t.TempDir(), "--kernel", "6.18"); code != 1 || !strings.Contains(errs, "no flow record in it") {
		t.Errorf("exit %d, %s", code, errs)
	}
}

// TestCapturesAreMerged plays two captures of the same time as one.
func TestCapturesAreMerged(t *testing.T) {
	dir := t.TempDir()
	var names []string
	all := synFlood(100)
	head, frames := all[:24], all[24:]
	for part := range 2 { // every second frame of one flood
		b := append([]byte(nil), head...)
		for i := part; i < 100; i += 2 {
			b = append(b, frames[i*56:(i+1)*56]...)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.pcap", part))
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	_, one, _ := replayed(t, all, "-", "--repair", "--kernel", "6.18", "--trace", "--format", "jsonl")
	_, two, errs := replayed(t, nil, names[1], names[0], "--repair", "--kernel", "6.18", "--trace", "--format", "jsonl")
	if one != two || strings.Count(one, "\n") != 100 {
		t.Errorf("not the same: %s\n%.300s\n%.300s", errs, one, two)
	}
}
