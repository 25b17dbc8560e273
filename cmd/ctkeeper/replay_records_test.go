package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/capture"
)

// idlePool records connections that lived an hour and may have been silent all the while.
func idlePool(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := capture.NewRecordWriter(f, nil)
	for i := range n {
		r := flow.Record{Start: time.Unix(1.8e9+int64(i), 0).UTC(), Family: flow.IPv4, Assured: true, Timeout: 120 * time.Second, Ended: flow.EndClosed,
			Orig:   flow.Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: uint16(2000 + i), DstPort: 5432, Proto: flow.TCP},
			States: []flow.State{flow.TCPSynSent, flow.TCPSynRecv, flow.TCPEstablished, flow.TCPFinWait, flow.TCPLastAck, flow.TCPTimeWait},
			At:     []time.Duration{0, 1e6, 2e6, time.Hour, time.Hour + 1e6, time.Hour + 2e6}}
		r.Reply = flow.Tuple{Src: r.Orig.Dst, Dst: r.Orig.Src, SrcPort: 5432, DstPort: r.Orig.SrcPort, Proto: flow.TCP}
		r.End = r.Start.Add(time.Hour + 2*time.Minute)
		if err := w.Write(&r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReplayRecords(t *testing.T) {
	path := idlePool(t, 50)
	code, out, errs := replayed(t, nil, path, "--kernel", "6.18", "--variant", "tcp_timeout_established=600", "--format", "json")
	if code != 0 {
		t.Fatal(errs)
	}
	var doc struct {
		Runs []struct {
			Peak   int
			Silent struct{ Peak, Refused int } `json:"if_silent"`
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	// Under five days nothing is forgotten; under ten minutes the truth lies between all and few.
	if r := doc.Runs[0]; r.Peak != 50 || r.Silent.Peak != 50 {
		t.Errorf("base: %+v", r)
	}
	if r := doc.Runs[1]; r.Peak != 50 || r.Silent.Peak > 50 {
		t.Errorf("short: %+v", r)
	}
	code, out, _ = replayed(t, nil, path, "--kernel", "6.18", "--lang", "en")
	if code != 0 || !strings.Contains(out, "flow records hold no packet times") {
		t.Errorf("exit %d\n%s", code, out)
	}
	// Beside a capture: both are played.
	pcap := filepath.Join(t.TempDir(), "syns.pcap")
	if err := os.WriteFile(pcap, synFlood(100), 0o600); err != nil {
		t.Fatal(err)
	}
	mixed := replayedJSON(t, nil, pcap, path, "--repair", "--kernel", "6.18")
	if p := mixed.Runs[0].Peak; p < 100 {
		t.Errorf("both together peaked at %d", p)
	}
	if code, _, errs := replayed(t, synFlood(1), "-", path, "--kernel", "6.18"); code != 2 {
		t.Errorf("standard input beside a record: exit %d %s", code, errs)
	}
	bad := filepath.Join(t.TempDir(), "torn.parquet")
	if err := os.WriteFile(bad, []byte("PAR1 torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := replayed(t, nil, bad, "--kernel", "6.18"); code != 1 || !strings.Contains(errs, "torn.parquet") {
		t.Errorf("exit %d %s", code, errs)
	}
	if code, out, _ := replayed(t, nil, bad, path, "--kernel", "6.18", "--format", "json"); code != 1 || !strings.Contains(out, `"peak":50`) {
		t.Errorf("what could be read is not used: exit %d %.200s", code, out)
	}
}
