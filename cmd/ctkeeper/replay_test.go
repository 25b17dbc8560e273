package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// synFlood is a capture of n SYNs between different ports, a millisecond apart, over raw IP.
func synFlood(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = binary.LittleEndian.AppendUint32(b, 4<<16|2)
	b = append(b, make([]byte, 8)...)
	b = binary.LittleEndian.AppendUint32(b, 65535)
	b = binary.LittleEndian.AppendUint32(b, 101)
	for i := range n {
		for _, v := range []uint32{1700000000, uint32(i * 1000), 40, 40} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		p := make([]byte, 40)
		copy(p, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, byte(i >> 8), byte(i), 0, 80})
		p[32], p[33] = 5<<4, 2
		b = append(b, p...)
	}
	return b
}

func replayed(t *testing.T, in []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(append([]string{"replay"}, args...), streams{bytes.NewReader(in), &out, &errs})
	return code, out.String(), errs.String()
}

func TestReplayVariant(t *testing.T) {
	code, out, errs := replayed(t, synFlood(500), "-", "--kernel", "6.18", "--repair", "--set", "net.netfilter.nf_conntrack_max=100", "--format", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	var doc struct {
		Schema  string
		Packets int
		Runs    []struct {
			Peak       int `json:"peak"`
			Refused    int
			EarlyDrops int `json:"early_drops"`
			Settings   map[string]int64
			Flows      []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "ctkeeper.replay/1" || doc.Packets != 500 || len(doc.Runs) != 2 {
		t.Fatalf("%+v", doc)
	}
	base, variant := doc.Runs[0], doc.Runs[1]
	if base.Peak != 500 || base.Refused != 0 || len(base.Flows) != 500 || base.Settings["max"] != 262144 {
		t.Errorf("base: peak %d refused %d, %d flows", base.Peak, base.Refused, len(base.Flows))
	}
	if variant.Peak != 100 || variant.Refused+variant.EarlyDrops != 400 || len(variant.Flows) != 100 || variant.Settings["max"] != 100 {
		t.Errorf("variant: peak %d refused %d early %d, %d flows", variant.Peak, variant.Refused, variant.EarlyDrops, len(variant.Flows))
	}
}

func TestReplayTrace(t *testing.T) {
	code, out, errs := replayed(t, synFlood(3), "-", "--kernel", "6.18", "--repair", "--set", "max=2", "--trace", "--format", "jsonl")
	want := `{"n":1,"ts":0,"result":"new","dir":"orig","ct":1,"state":"SYN_SENT","timeout":120,"status":[]}
{"n":2,"ts":0.001,"result":"new","dir":"orig","ct":2,"state":"SYN_SENT","timeout":120,"status":[]}
{"n":3,"ts":0.002,"result":"refused"}
`
	if code != 0 || out != want {
		t.Errorf("exit %d %s\n got %s\nwant %s", code, errs, out, want)
	}
}

func TestReplayOfferedChecksums(t *testing.T) {
	_, out, _ := replayed(t, synFlood(1), "-", "--kernel", "6.18", "--trace", "--format", "jsonl")
	if !strings.Contains(out, `"result":"ip-dropped"`) {
		t.Errorf("a wrong header checksum went through: %s", out)
	}
}

func TestReplayUsesWhatCanBeRead(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(synFlood(10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.pcap")
	if err := os.WriteFile(path, synFlood(10)[:24+3*56+20], 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := replayed(t, nil, path, "--kernel", "6.12", "--repair", "--format", "conntrack")
	if code != 1 || strings.Count(out, "SYN_SENT") != 3 || !strings.Contains(errs, "cut.pcap: offset 192: cut short") {
		t.Errorf("cut: exit %d, %q, %q", code, out, errs)
	}
	code, out, errs = replayed(t, z.Bytes(), "-", "--kernel", "6.12", "--repair", "--format", "conntrack")
	if code != 0 || strings.Count(out, "SYN_SENT") != 10 {
		t.Errorf("gzip: exit %d, %q, %q", code, out, errs)
	}
}

func TestReplayUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-", "--kernel", "2.4"}, {"-", "--kernel", "6.18", "--set", "max"}, {"-", "--kernel", "6.18", "--set", "nosuch=1"},
		{"-", "--kernel", "6.18", "--set", "max=65536."}} {
		if code, _, errs := replayed(t, synFlood(1), args...); code != 2 {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
	}
}
