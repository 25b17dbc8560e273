package record_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// tracked joins two namespaces; the second tracks and answers nothing.
func tracked(t testing.TB) (*lab.Wire, *lab.Namespace) {
	t.Helper()
	a := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}
	b := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")}}
	lab.Veth(t, a, b)
	if err := lab.Track(b.NS, lab.TrackOptions{Silent: true}); err != nil {
		t.Fatal(err)
	}
	return lab.NewWire(t, a, b), b.NS
}

// recording is one that runs in the background.
type recording struct {
	ns    *lab.Namespace
	stop  context.CancelFunc
	ended chan error
	last  atomic.Pointer[record.Counts]
	final record.Counts
}

func start(t testing.TB, ns *lab.Namespace, o record.Options) *recording {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &recording{ns: ns, stop: stop, ended: make(chan error, 2)}
	ready := make(chan struct{})
	o.Ready = func() { close(ready) }
	o.Progress = func(c record.Counts) { r.last.Store(&c) }
	go func() {
		r.ended <- ns.Run(func() (err error) {
			r.final, err = record.Run(ctx, o)
			return err
		})
	}()
	select {
	case <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	return r
}

func (r *recording) end(t testing.TB) record.Counts {
	t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	return r.final
}

// until waits for a progress that pleases, and has what expired meanwhile collected.
func (r *recording) until(t testing.TB, ok func(record.Counts) bool) {
	t.Helper()
	for range 300 {
		if c := r.last.Load(); c != nil && ok(*c) {
			return
		}
		time.Sleep(50 * time.Millisecond)
		collect(t, r.ns)
	}
	t.Fatalf("it did not come: %+v", r.last.Load())
}

func rows(t testing.TB, dir string) (all []flow.Record, notes map[string]string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "flows-*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		r, err := capture.OpenRecord(name)
		if err != nil {
			t.Fatal(err)
		}
		notes = r.Notes
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rec)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(parts) > 0 {
		t.Errorf("left behind: %v", parts)
	}
	return all, notes
}

// short lets UDP flows expire after a second.
func short(t testing.TB, ns *lab.Namespace) {
	t.Helper()
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_udp_timeout", "1"); err != nil {
		t.Fatal(err)
	}
}

func udp(n int) []byte {
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 128, byte(n >> 8), byte(n)}), uint16(1024+n>>16))
	return lab.UDP(src, netip.MustParseAddrPort("10.9.0.2:53"), []byte("q"))
}

func send(t testing.TB, w *lab.Wire, packets ...[]byte) {
	t.Helper()
	if n, err := w.Send(packets...); n != len(packets) || err != nil {
		t.Fatal(n, err)
	}
}

// collect makes the kernel collect what expired, as any reading of the table does: left alone, it may take a minute.
func collect(t testing.TB, ns *lab.Namespace) {
	t.Helper()
	if err := ns.Run(func() (err error) {
		conn, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		_, err = conn.Dump(t.Context(), ctnetlink.DumpOptions{}, func(*flow.Flow) error { return nil })
		return errors.Join(err, conn.Close())
	}); err != nil {
		t.Fatal(err)
	}
}

// TestEnds: flows that close, expire, are deleted, and are still open.
func TestEnds(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	short(t, ns)
	r := start(t, ns, record.Options{Dir: dir, Notes: map[string]string{"host": "lab"}})
	client, server := netip.MustParseAddrPort("10.9.0.1:40000"), netip.MustParseAddrPort("10.9.0.2:80")
	send(t, w, lab.TCP(client, server, lab.Segment{Flags: lab.SYN, Seq: 100}))
	time.Sleep(20 * time.Millisecond)
	send(t, w, lab.TCP(client, server, lab.Segment{Flags: lab.RST, Seq: 101}))
	send(t, w, udp(1), udp(2))
	gone := netip.MustParseAddrPort("10.9.0.1:40001")
	send(t, w, lab.TCP(gone, server, lab.Segment{Flags: lab.SYN, Seq: 100}))
	send(t, w, lab.TCP(netip.MustParseAddrPort("10.9.0.1:40002"), server, lab.Segment{Flags: lab.SYN, Seq: 100}))
	r.until(t, func(c record.Counts) bool { return c.Events >= 5 })
	if err := ns.Run(func() (err error) {
		conn, err := ctnetlink.Dial(ctnetlink.Options{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		fl := flow.Flow{Family: flow.IPv4, Orig: flow.Tuple{Src: gone.Addr(), Dst: server.Addr(), SrcPort: gone.Port(), DstPort: 80, Proto: flow.TCP}}
		_, err = conn.Delete(t.Context(), slices.Values([]*flow.Flow{&fl}), ctnetlink.ChangeOptions{})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.until(t, func(c record.Counts) bool { return c.Flows >= 3 })
	c := r.end(t)
	all, notes := rows(t, dir)
	how := map[string]string{}
	for _, rec := range all {
		how[rec.Orig.Src.String()+":"+strings.TrimLeft(rec.Orig.Proto.String(), " ")+string(rune('0'+rec.Orig.SrcPort%10))] = rec.Ended
	}
	want := map[string]string{"10.128.0.1:udp4": flow.EndExpired, "10.128.0.2:udp4": flow.EndExpired, "10.9.0.1:tcp1": flow.EndDeleted, "10.9.0.1:tcp2": flow.EndOpen}
	for k, v := range want {
		if how[k] != v {
			t.Errorf("%s ended %q, want %q", k, how[k], v)
		}
	}
	if len(all) != 5 || c.Flows != 5 || c.Lost != 0 || notes["host"] != "lab" || notes["lost"] != "0" {
		t.Errorf("%d rows, %+v, %v: %v", len(all), c, notes, how)
	}
	for _, rec := range all {
		if rec.Orig.SrcPort == 40002 && (len(rec.States) != 1 || rec.States[0] != flow.TCPSynSent || rec.Timeout != 120*time.Second || !rec.End.IsZero()) {
			t.Errorf("%+v", rec)
		}
		if age := time.Since(rec.Start); age < 0 || age > time.Minute {
			t.Errorf("start %v", rec.Start)
		}
	}
}

// TestNothingIsLostSilently: with a buffer that overflows, a reading of the table finds the flows whose
// events were dropped.
func TestNothingIsLostSilently(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	r := start(t, ns, record.Options{Dir: dir, Buffer: 4096})
	const n = 20000
	for i := 0; i < n; i += 500 {
		var batch [][]byte
		for k := i; k < i+500; k++ {
			batch = append(batch, udp(k))
		}
		send(t, w, batch...)
	}
	r.until(t, func(c record.Counts) bool { return c.Open == n })
	c := r.end(t)
	all, notes := rows(t, dir)
	tuples := map[netip.Addr]bool{}
	for _, rec := range all {
		tuples[rec.Orig.Src] = true
		if rec.StartError > 20*time.Second {
			t.Fatalf("start error %v", rec.StartError)
		}
	}
	if len(tuples) != n || len(all) != n {
		t.Errorf("%d rows of %d flows, %d sent", len(all), len(tuples), n)
	}
	if c.Lost == 0 || c.Reads < 2 || notes["lost"] == "0" {
		t.Errorf("nothing was lost with 4 KiB: the test proves nothing: %+v", c)
	}
}

// TestReadings: the same by comparing readings of the table.
func TestReadings(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	short(t, ns)
	send(t, w, udp(9))
	r := start(t, ns, record.Options{Dir: dir, Every: 200 * time.Millisecond})
	r.until(t, func(c record.Counts) bool { return c.Reads >= 1 })
	send(t, w, udp(1), udp(2), udp(3))
	r.until(t, func(c record.Counts) bool { return c.Flows >= 4 })
	c := r.end(t)
	all, notes := rows(t, dir)
	if len(all) != 4 || c.Events != 0 || notes["method"] != "readings every 200ms" {
		t.Fatalf("%d rows, %+v, %v", len(all), c, notes)
	}
	for _, rec := range all {
		old := rec.Orig.Src == netip.MustParseAddr("10.128.0.9")
		if old != (rec.StartError > time.Hour) || !old && (rec.StartError <= 0 || rec.StartError > 2*time.Second) || rec.EndError <= 0 || rec.Ended != flow.EndExpired {
			t.Errorf("%+v", rec)
		}
	}
}

func TestSampleAndRotation(t *testing.T) {
	lab.Share(t)
	w, ns := tracked(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "flows-old.parquet.part"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	short(t, ns)
	r := start(t, ns, record.Options{Dir: dir, Sample: 0.25, FileAge: time.Second, Keep: 1 << 20, Map: func(rec *flow.Record) {
		rec.Map(func(netip.Addr) netip.Addr { return netip.MustParseAddr("192.0.2.1") })
	}})
	for i := range 4000 {
		send(t, w, udp(i))
	}
	r.until(t, func(c record.Counts) bool { return c.Events >= 4000 })
	time.Sleep(2500 * time.Millisecond)
	c := r.end(t)
	all, notes := rows(t, dir)
	if n := len(all); n < 850 || n > 1150 || notes["sample"] != "0.25" || c.Skipped < 2800 {
		t.Errorf("%d of 4000 in a quarter's sample, %v, %+v", n, notes, c)
	}
	for _, rec := range all {
		if rec.Orig.Src != netip.MustParseAddr("192.0.2.1") {
			t.Fatalf("an address was not replaced: %v", rec.Orig)
		}
	}
	if maps.Clone(notes) == nil || c.Files < 1 {
		t.Errorf("%+v", c)
	}
}
