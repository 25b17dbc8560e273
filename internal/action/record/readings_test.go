package record_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// seenFlow is a flow with so much of its timer left.
func seenFlow(n int, state flow.State, left uint32) *flow.Flow {
	p := flow.UDP
	if state != flow.NoState {
		p = flow.TCP
	}
	return &flow.Flow{Family: flow.IPv4, Present: flow.HasStatus | flow.HasTimeout | flow.HasState, Status: flow.Assured | flow.SeenReply, State: state, Timeout: left,
		Orig: flow.Tuple{Src: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 1000, DstPort: 443, Proto: p}}
}

// TestReadingsKnowWhenPacketsCame: the time that a timer has left tells when the last packet came, so that the record
// knows the longest silence of a flow; what is missing from a whole reading has ended.
func TestReadingsKnowWhenPacketsCame(t *testing.T) {
	dir := t.TempDir()
	r := record.NewReadings(record.ReadingsOptions{Dir: dir})
	timeouts := rank.NewTimeouts(map[string]int64{"tcp_timeout_established": 1000, "tcp_timeout_time_wait": 120, "udp_timeout": 30, "udp_timeout_stream": 120})
	begin := time.Now().UTC().Truncate(time.Second)
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	read := func(s int, whole bool, flows ...*flow.Flow) {
		r.Begin(at(s), timeouts)
		for _, fl := range flows {
			r.See(fl)
			r.See(fl) // a table that changes is read again
		}
		r.End(whole)
	}
	read(0, true, seenFlow(1, flow.TCPEstablished, 990))                                   // idle for 10 s
	read(100, true, seenFlow(1, flow.TCPEstablished, 990), seenFlow(2, flow.NoState, 115)) // a packet 90 s ago at most, another UDP flow
	read(200, true, seenFlow(1, flow.TCPEstablished, 890), seenFlow(2, flow.NoState, 118)) // no packet since
	read(300, false)                                                                       // tells nothing of what it did not see
	read(400, true, seenFlow(1, flow.TCPTimeWait, 100))                                    // closed 20 s ago; the other is gone
	if from, to := r.Span(); from != at(0) || to != at(200) {
		t.Errorf("from %v to %v", from, to)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[flow.Proto]flow.Record{}
	kept, err := record.ReadFiles(dir, func(rec flow.Record) { got[rec.Orig.Proto] = rec })
	if err != nil || kept.Share != 1 || !kept.From.Equal(at(0)) || len(got) != 2 {
		t.Fatalf("%+v, %v, %d records", kept, err, len(got))
	}
	tcp, udp := got[flow.TCP], got[flow.UDP]
	sec := time.Second
	if !tcp.Start.Equal(at(-10)) || tcp.Ended != flow.EndOpen || !slices.Equal(tcp.Busy, []flow.Stretch{{Until: 100 * sec, Gap: 100 * sec}, {Until: 390 * sec, Gap: 290 * sec}}) ||
		!slices.Equal(tcp.States, []flow.State{flow.TCPEstablished, flow.TCPTimeWait}) || tcp.At[1] != 390*sec {
		t.Errorf("%+v", tcp)
	}
	if !udp.Start.Equal(at(95)) || udp.StartError != 100*sec || udp.Ended != flow.EndExpired || !udp.End.Equal(at(400)) || udp.EndError != 200*sec ||
		!udp.LastPacket(udp.End).Equal(at(198)) {
		t.Errorf("%+v", udp)
	}
}

// TestReadingsAreBounded: a large table gives a smaller sample, and old and surplus files go.
func TestReadingsAreBounded(t *testing.T) {
	dir := t.TempDir()
	r := record.NewReadings(record.ReadingsOptions{Dir: dir, Flows: 500, PerHour: 4000, Keep: 100 << 10})
	now := time.Now()
	old := filepath.Join(dir, "flows-20200101T000000.000Z.parquet")
	torn := filepath.Join(dir, "flows-20260101T000000.000Z.parquet.part")
	for _, name := range []string{old, torn} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := 0
	for range 40 { // each reading sees 3000 flows that no other does
		r.Begin(now, rank.NewTimeouts(nil))
		for range 3000 {
			next++
			r.See(seenFlow(next, flow.NoState, 30))
		}
		r.End(true)
		now = now.Add(5 * time.Minute)
	}
	open := 0
	r.Each(func(rec flow.Record) {
		if rec.Ended == flow.EndOpen {
			open++
		}
	})
	if open == 0 || open > 500 || r.Share() > 1.0/8 {
		t.Errorf("%d flows are followed, a share of %v", open, r.Share())
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	kept, err := record.ReadFiles(dir, func(rec flow.Record) {
		if n++; rec.Sample <= 0 || rec.Sample > 0.25 {
			t.Fatalf("a flow stands for 1/%v", rec.Sample)
		}
	})
	if err != nil || n == 0 || n > 40*300 || kept.Share > 1.0/8 {
		t.Errorf("%d flows, %+v, %v", n, kept, err)
	}
	size := int64(0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if _, err := os.Stat(old); err == nil || size > 100<<10 {
		t.Errorf("%d files of %d bytes are kept", len(entries), size)
	}
	if _, err := os.Stat(torn); err == nil {
		t.Error("a torn file is kept")
	}
}

// TestReadingsWithoutADisk: what cannot be written is counted, and all else goes on.
func TestReadingsWithoutADisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := record.NewReadings(record.ReadingsOptions{Dir: filepath.Join(file, "none")})
	r.Begin(time.Now(), nil)
	r.See(seenFlow(1, flow.NoState, 30))
	r.End(true)
	if err := r.Close(); err == nil || r.Lost() != 1 {
		t.Errorf("%v, %d lost", err, r.Lost())
	}
}
