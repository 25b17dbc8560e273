package capture

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/lab/duckdb"
)

func sameAddr(a, b netip.Addr) bool { return a == b }

// drawRecord makes any flow that a record can hold.
func drawRecord(t *rapid.T) flow.Record {
	addr := func(v6 bool) netip.Addr {
		if v6 {
			return netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6")))
		}
		return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")))
	}
	v6 := rapid.Bool().Draw(t, "family")
	proto := rapid.SampledFrom([]flow.Proto{flow.TCP, flow.UDP, flow.ICMP, flow.SCTP, flow.GRE, 99}).Draw(t, "proto")
	r := flow.Record{Start: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "start")).UTC(), Family: flow.IPv4, Ended: flow.EndClosed,
		Zone: rapid.Uint16().Draw(t, "zone"), Mark: rapid.Uint32().Draw(t, "mark"), Assured: rapid.Bool().Draw(t, "assured"),
		Timeout: time.Duration(rapid.Int32Range(0, 500000).Draw(t, "timeout")) * time.Second, StartError: time.Duration(rapid.Int32Range(0, 10000).Draw(t, "error")) * time.Millisecond}
	if v6 {
		r.Family = flow.IPv6
	}
	r.Orig = flow.Tuple{Src: addr(v6), Dst: addr(v6), Proto: proto}
	if proto == flow.ICMP {
		r.Orig.ICMPType, r.Orig.ICMPID = 8, rapid.Uint16().Draw(t, "id")
	} else {
		r.Orig.SrcPort, r.Orig.DstPort = rapid.Uint16().Draw(t, "sport"), rapid.Uint16().Draw(t, "dport")
	}
	r.Reply = inverse(r.Orig)
	if proto != flow.ICMP && rapid.Bool().Draw(t, "nat") {
		r.Reply.Dst, r.Reply.DstPort = addr(v6), rapid.Uint16().Draw(t, "nat port")
	}
	if rapid.Bool().Draw(t, "ended") {
		r.End = r.Start.Add(time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "life")) * time.Microsecond)
	}
	if rapid.Bool().Draw(t, "last") {
		r.Last = r.Start.Add(time.Duration(rapid.Int32Range(0, 1e6).Draw(t, "last at")) * time.Millisecond)
		r.LastError = time.Duration(rapid.Int32Range(0, 1e5).Draw(t, "last error")) * time.Millisecond
	}
	if rapid.Bool().Draw(t, "part") {
		r.Sample = float64(rapid.Float32Range(0.001, 0.999).Draw(t, "sample"))
	}
	if rapid.Bool().Draw(t, "counted") {
		r.Counted = true
		r.OrigCount = flow.Counters{Packets: uint64(rapid.Uint32().Draw(t, "packets")), Bytes: uint64(rapid.Uint32().Draw(t, "bytes"))}
	}
	if proto == flow.TCP {
		for i, s := range []flow.State{flow.TCPSynSent, flow.TCPSynRecv, flow.TCPEstablished}[:rapid.IntRange(0, 3).Draw(t, "states")] {
			r.States, r.At = append(r.States, s), append(r.At, time.Duration(i)*time.Millisecond)
		}
	}
	return r
}

func writeRecords(t testing.TB, path string, records []flow.Record) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := NewRecordWriter(f, map[string]string{"host": "db1"})
	for i := range records {
		if err := w.Write(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.Note("lost", "7")
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func readRecords(path string) (all []flow.Record, notes map[string]string, err error) {
	r, err := OpenRecord(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, r.Notes, nil
		}
		if err != nil {
			return all, r.Notes, err
		}
		all = append(all, rec)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		var in []flow.Record
		for range rapid.IntRange(0, 600).Draw(rt, "n") {
			if len(in) < 40 {
				in = append(in, drawRecord(rt))
			} else {
				in = append(in, in[len(in)-40])
			}
		}
		path := filepath.Join(dir, "r.parquet")
		writeRecords(t, path, in)
		out, notes, err := readRecords(path)
		if err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(in, out, cmp.Comparer(sameAddr)); d != "" {
			rt.Fatal(d)
		}
		if notes["host"] != "db1" || notes["lost"] != "7" || notes["ctkeeper.record"] != "2" {
			rt.Fatal(notes)
		}
	})
}

// TestTornRecordIsNamed cuts and spoils a file everywhere: an error that names it, never a panic.
func TestTornRecordIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "r.parquet")
	writeRecords(t, path, traffic(300))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	bad := filepath.Join(dir, "bad.parquet")
	check := func(b []byte, mustFail bool) {
		t.Helper()
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := readRecords(bad)
		var fault *FaultError
		if err != nil && (!errors.As(err, &fault) || fault.Name != bad) || err == nil && mustFail {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	for range 60 {
		check(whole[:r.IntN(len(whole))], true)
		spoiled := bytes.Clone(whole)
		for range 1 + r.IntN(20) {
			spoiled[r.IntN(len(spoiled))] ^= byte(1 + r.IntN(255))
		}
		check(spoiled, false)
	}
	check(nil, true)
	check([]byte("PAR1PAR1"), true)
}

// traffic is n flows as a web server sees them.
func traffic(n int) []flow.Record {
	r := rand.New(rand.NewPCG(7, 7))
	at := time.Unix(1.8e9, 0).UTC()
	all := make([]flow.Record, 0, n)
	for range n {
		at = at.Add(time.Duration(r.ExpFloat64() * 20e3))
		client := netip.AddrFrom4([4]byte{10, byte(r.IntN(64)), byte(r.IntN(256)), byte(r.IntN(256))})
		life := time.Duration(r.ExpFloat64() * 5e9).Truncate(time.Microsecond)
		rec := flow.Record{Start: at.Truncate(time.Microsecond), Family: flow.IPv4, Assured: true, Timeout: 120 * time.Second, Ended: flow.EndExpired,
			Orig: flow.Tuple{Src: client, Dst: netip.MustParseAddr("192.0.2.10"), SrcPort: uint16(1024 + r.IntN(64000)), DstPort: 443, Proto: flow.TCP}}
		rec.Reply = inverse(rec.Orig)
		rec.End = rec.Start.Add(life + 120*time.Second)
		for i, s := range []flow.State{flow.TCPSynSent, flow.TCPSynRecv, flow.TCPEstablished, flow.TCPFinWait, flow.TCPLastAck, flow.TCPTimeWait} {
			d := time.Duration(min(i, 2)) * time.Millisecond
			if i > 2 {
				d = life + time.Duration(i)*time.Millisecond
			}
			rec.States, rec.At = append(rec.States, s), append(rec.At, d.Truncate(time.Millisecond))
		}
		all = append(all, rec)
	}
	return all
}

// TestCurvesInDuckDB reads the curves of a replay with an independent reader.
func TestCurvesInDuckDB(t *testing.T) {
	var b bytes.Buffer
	if err := WriteCurves(&b, func(yield func(CurvePoint) bool) {
		for i := range 1000 {
			if !yield(CurvePoint{Run: i % 2, Name: "max=10", At: time.Unix(int64(1.8e9)+int64(i), 0), Count: i, Held: i / 2, Refused: uint64(i % 3), Max: 10}) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.parquet")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got := duckdb.Rows(t, `select count(*)::int, max(count)::int, sum(refused)::int, any_value(name), count(distinct run)::int, typeof(any_value(time)) from '`+path+"'")
	if want := `[[1000,999,999,"max=10",2,"TIMESTAMP WITH TIME ZONE"]]`; got != want {
		t.Errorf("DuckDB reads %s, want %s", got, want)
	}
}

// BenchmarkRecord writes web traffic; bytes/flow is what it takes on disk.
func BenchmarkRecord(b *testing.B) {
	const n = 1000000
	all := traffic(n)
	path := filepath.Join(b.TempDir(), "r.parquet")
	for b.Loop() {
		writeRecords(b, path, all)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/n, "bytes/flow")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/flow")
}

// TestRecordInDuckDB reads a record with an independent reader, without a hint.
func TestRecordInDuckDB(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.parquet")
	all := traffic(5000)
	all[7].Ended, all[7].End = flow.EndOpen, time.Time{}
	writeRecords(t, path, all)
	got := duckdb.Rows(t, `select count(*)::int, count(distinct src)::int > 1000, count(*) filter (where "end" is null)::int, min(dport), any_value(proto),
		max(len(state_ms))::int, count(*) filter (where states = 'SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT LAST_ACK TIME_WAIT')::int, typeof(any_value(start)) from '`+path+"'")
	if want := `[[5000,true,1,443,"tcp",6,5000,"TIMESTAMP WITH TIME ZONE"]]`; got != want {
		t.Errorf("DuckDB reads %s, want %s", got, want)
	}
}
