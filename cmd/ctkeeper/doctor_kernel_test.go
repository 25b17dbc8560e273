package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/lab"
)

// fullTable is a namespace filled to the machine's real max, and another that can send to it.
type fullTable struct {
	machine *lab.Machine
	ns      *lab.Namespace
	wire    *lab.Wire
	max     int
	sent    int
	started time.Time // the kernel's log tells seconds
}

// Shares of the filled table: two addresses hold much, 65536 others the rest.
const (
	bigSource, bigFlows   = "10.0.0.0", 90000
	nextSource, nextFlows = "2001:db8::", 40000
	doctorTarget          = "10.9.0.2"
)

func newFullTable(t *testing.T) *fullTable {
	t.Helper()
	f := &fullTable{machine: lab.Lock(t), started: time.Now().Truncate(time.Second).Add(-time.Second)}
	b, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_max")
	if err != nil {
		t.Fatal(err)
	}
	if f.max, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil {
		t.Fatal(err)
	}
	if f.max < bigFlows+nextFlows+1000 {
		t.Fatalf("max is %d: too small for this test", f.max)
	}
	sender := &lab.End{NS: lab.NewNamespace(t), Name: "a0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}
	f.ns = lab.NewNamespace(t)
	target := &lab.End{NS: f.ns, Name: "b0", Addrs: []netip.Prefix{netip.MustParsePrefix(doctorTarget + "/24")}}
	lab.Veth(t, sender, target)
	if err := lab.Track(f.ns, lab.TrackOptions{Silent: true}); err != nil {
		t.Fatal(err)
	}
	f.wire = lab.NewWire(t, sender, target)
	f.fill(t)
	return f
}

// fill puts exactly max assured flows into the table.
func (f *fullTable) fill(t *testing.T) {
	t.Helper()
	one := lab.Mix{Established: 100, Sources: 1}
	lab.Fill(t, f.ns, bigFlows, one)
	one.IPv6 = 100
	lab.Fill(t, f.ns, nextFlows, one)
	// The rest starts behind every port that the one source has used.
	lab.Fill(t, f.ns, 0, lab.Mix{Established: 100, First: 65536 * (bigFlows + 1000)})
	if n := f.count(t); n != f.max {
		t.Fatalf("count is %d, want max %d", n, f.max)
	}
}

func (f *fullTable) count(t *testing.T) int {
	t.Helper()
	text, err := f.ns.Sysctl("net/netfilter/nf_conntrack_count")
	if err != nil {
		t.Fatal(err)
	}
	return number(t, text)
}

// send sends n UDP packets, each of a flow of its own.
func (f *fullTable) send(n int) error {
	packets := make([][]byte, n)
	for i := range packets {
		src := netip.AddrFrom4([4]byte{198, byte(18 + f.sent>>16&1), byte(f.sent >> 8), byte(f.sent)})
		packets[i] = lab.UDP(netip.AddrPortFrom(src, uint16(1024+f.sent%60000)),
			netip.AddrPortFrom(netip.MustParseAddr(doctorTarget), 9), []byte("x"))
		f.sent++
	}
	_, err := f.wire.Send(packets...)
	return err
}

// drops is the kernel's own drop counter of the namespace, over all CPUs.
func (f *fullTable) drops(t *testing.T) int {
	t.Helper()
	c, err := lab.Dial(f.ns)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all, err := c.CPUStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, cpu := range all {
		sum += int(cpu.Counters["drop"])
	}
	return sum
}

// doctorOf runs the real command on the namespace.
func (f *fullTable) doctorOf(t *testing.T, more ...string) (doctorDocument, int) {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"doctor", "--format", "json"}, more...)
	code := run(args, streams{in: strings.NewReader(""), out: &out, err: &errs})
	var doc doctorDocument
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("doctor exits %d: %v\n%s%s", code, err, errs.String(), out.String())
	}
	return doc, code
}

func TestDoctorOnAFullTable(t *testing.T) {
	lab.Need(t)
	if testing.Short() {
		t.Skip("fills a table to the machine's max")
	}
	f := newFullTable(t)
	doc := f.whileSending(t)
	full := findingOf(t, doc, diagnose.TableFull)
	f.checkLog(t, full)
	f.checkSources(t, full)
	f.cure(t, full)
}

// whileSending runs doctor while another namespace sends, and checks the verdict and what was refused.
func (f *fullTable) whileSending(t *testing.T) doctorDocument {
	t.Helper()
	stop, sending := make(chan struct{}), sync.WaitGroup{}
	var sendErr error
	sending.Go(func() {
		for sendErr == nil {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				sendErr = f.send(50)
			}
		}
	})
	// The kernel's log takes ten lines in five seconds, of all network warnings together.
	time.Sleep(6 * time.Second)
	before := f.drops(t)
	doc, code := f.doctorOf(t, "--netns", f.ns.Name)
	after := f.drops(t)
	snapshot := filepath.Join(t.TempDir(), "snapshot.json")
	if code := run([]string{"snapshot", "--netns", f.ns.Name, "--output", snapshot}, streams{strings.NewReader(""), os.Stderr, os.Stderr}); code != 0 {
		t.Errorf("snapshot exits %d", code)
	}
	close(stop)
	sending.Wait()
	if sendErr != nil {
		t.Fatal(sendErr)
	}
	if code != 2 || doc.Verdict != diagnose.TableFull || len(doc.Namespaces) != 1 {
		t.Fatalf("exit %d, verdict %s, %d namespaces", code, doc.Verdict, len(doc.Namespaces))
	}
	n := doc.Namespaces[0]
	if n.Name != f.ns.Name || n.Refused == nil || *n.Refused == 0 || int(*n.Refused) > after-before {
		t.Errorf("refused %v in %s; the kernel's counter went from %d to %d", n.Refused, n.Name, before, after)
	}
	f.checkExact(t, snapshot)
	return doc
}

// checkExact holds that what is refused is the rise of the kernel's counter, reading by reading.
func (f *fullTable) checkExact(t *testing.T, file string) {
	t.Helper()
	var s struct {
		Namespaces []struct {
			Readings []struct {
				Counters map[string]uint64 `json:"counters"`
			} `json:"readings"`
		} `json:"namespaces"`
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	r := s.Namespaces[0].Readings
	last := r[len(r)-1].Counters
	want := last["drop"] - r[0].Counters["drop"] - (last["insert_failed"] - r[0].Counters["insert_failed"])
	doc, code := f.doctorOf(t, "--from", file)
	if got := doc.Namespaces[0].Refused; code != 2 || got == nil || *got != want || want == 0 {
		t.Errorf("exit %d, refused %v, the kernel counted %d", code, got, want)
	}
}

func findingOf(t *testing.T, doc doctorDocument, code string) findingDocument {
	t.Helper()
	for _, f := range doc.Findings {
		if f.Code == code {
			return f
		}
	}
	t.Fatalf("no finding %s", code)
	return findingDocument{}
}

// checkLog holds that the kernel's line is mapped to the namespace by its number.
func (f *fullTable) checkLog(t *testing.T, full findingDocument) {
	t.Helper()
	var young bool
	for _, e := range full.Evidence {
		if e.Code == "ev_log_last" {
			last, err := time.Parse(time.RFC3339, fmt.Sprint(e.Params["last"]))
			// Numbers of namespaces are used again: an old line may be of another one.
			young = err == nil && last.After(f.started)
		}
		if young && e.Code == "ev_log_netns" && e.Value == float64(f.ns.Inode) && e.Params["name"] == f.ns.Name {
			return
		}
	}
	t.Errorf("no line of the kernel's log is mapped to %s (%d)", f.ns.Name, f.ns.Inode)
}

// checkSources holds that the two addresses that hold most are named first, with their counts.
func (f *fullTable) checkSources(t *testing.T, full findingDocument) {
	t.Helper()
	var rows []evidenceDocument
	for _, e := range full.Evidence {
		if e.Code == "ev_top_source" {
			rows = append(rows, e)
		}
	}
	for i, want := range []struct {
		key   string
		flows float64
	}{{bigSource, bigFlows}, {nextSource, nextFlows}} {
		if len(rows) <= i {
			t.Fatalf("only %d top sources", len(rows))
		}
		got, _ := rows[i].Value.(float64)
		// The 65536 others include the first address, for a few flows.
		if rows[i].Params["key"] != want.key || got < want.flows || got > want.flows+10 {
			t.Errorf("source %d is %v with %v flows, want %s with %v", i, rows[i].Params["key"], got, want.key, want.flows)
		}
	}
}

// cure runs the first cure's sysctl lines and holds that new flows get through, and that doctor says so.
func (f *fullTable) cure(t *testing.T, full findingDocument) {
	t.Helper()
	if len(full.Cure) == 0 || !strings.HasPrefix(full.Cure[0].Command, "ctkeeper apply --set ") {
		t.Fatalf("no cure: %v", full.Cure)
	}
	for _, line := range full.Cure[0].Sysctl {
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "sysctl -w "), "=")
		if !ok {
			t.Fatalf("cure %q", line)
		}
		if err := f.machine.Set(strings.ReplaceAll(key, ".", "/"), value); err != nil {
			t.Fatal(err)
		}
	}
	before, drops := f.count(t), f.drops(t)
	if err := f.send(2000); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); f.count(t) < before+2000; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("count went from %d to %d after the cure, want 2000 more", before, f.count(t))
		}
	}
	if after := f.drops(t); after != drops {
		t.Errorf("%d packets refused after the cure", after-drops)
	}
	doc, code := f.doctorOf(t, "--netns", f.ns.Name)
	if code > 1 {
		t.Errorf("doctor exits %d after the cure: %s", code, doc.Verdict)
	}
}
