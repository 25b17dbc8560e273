package model_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/capture"
)

const samples = "../../../../shared/samples"

// answerFile is what the kernel did with a capture.
type answerFile struct {
	Pcap    string
	Repair  bool
	Sysctl  map[string]string
	FirstTS float64 `json:"first_ts"`
	LastTS  float64 `json:"last_ts"`
	Free    *int    `json:"free_at_start"`
	Prefill string
	Stat    map[string]int64
	Packets []answer
	Entries []entry
	Gone    []entry
}

type answer struct {
	N       int
	TS      float64
	Result  string
	Dir     string
	CT      int
	State   string
	Timeout *int
	Status  []string
	Reason  any
	Gone    bool
}

type tuple struct {
	Src, Dst            string
	Proto, Sport, Dport int
	Type, Code, ID      int
}

type entry struct {
	CT           int
	Orig, Reply  tuple
	Status       []string
	State        string
	Timeout      float64
	PacketsOrig  uint64   `json:"packets_orig"`
	BytesOrig    uint64   `json:"bytes_orig"`
	PacketsReply uint64   `json:"packets_reply"`
	BytesReply   uint64   `json:"bytes_reply"`
	ScaleOrig    int      `json:"wscale_orig"`
	ScaleReply   int      `json:"wscale_reply"`
	FlagsOrig    []string `json:"tcpflags_orig"`
	FlagsReply   []string `json:"tcpflags_reply"`
	Helper       string
	Why          string
	ExpiredAt    *float64 `json:"expired_at"`
	GoneBy       int      `json:"gone_by"`
}

func readAnswer(t *testing.T, path string) answerFile {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var a answerFile
	if err := json.NewDecoder(z).Decode(&a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

func answers(t *testing.T, dir string) []string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(samples, "kernel-answers", dir, "*.json.gz"))
	if len(files) == 0 {
		t.Skip("../shared/samples is absent: the kernel's answers to real captures cannot be compared")
	}
	return files
}

// run is one capture through the model.
type run struct {
	t        *testing.T
	a        answerFile
	m        *model.Model
	now      int64
	start    int64
	ended    map[uint64]model.End
	loaded   uint64
	seed     uint64
	compared int
	deadline map[int]int64 // by the kernel's number of the flow, as its last packet set it
	problems []string
}

func (r *run) differ(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func settingsOf(t *testing.T, a answerFile) model.Settings {
	t.Helper()
	s := model.Defaults(model.Linux618())
	for key, text := range a.Sysctl {
		name := strings.TrimPrefix(key, "nf_conntrack_")
		var v int64
		if _, err := fmt.Sscan(text, &v); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if err := s.Set(name, v); err != nil && !strings.HasPrefix(name, "frag6") && name != "events" {
			t.Fatal(err)
		}
	}
	return s
}

func newRun(t *testing.T, a answerFile, helpers ...model.Helper) *run {
	s := settingsOf(t, a)
	r := &run{t: t, a: a, ended: map[uint64]model.End{}, deadline: map[int]int64{}}
	r.m = model.New(model.Config{Settings: &s, Helpers: helpers, Ended: func(e model.End) { r.ended[e.Flow] = e }})
	return r
}

// each calls f with every packet, the first's time given first.
func (r *run) each(f func(n int, now int64, p *packet.Packet)) {
	c, err := capture.Open(filepath.Join(samples, "pcap", r.a.Pcap), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	d := packet.NewDecoder(packet.Options{Checksums: true, Seed: r.seed})
	var p packet.Packet
	var buf []byte
	for n := 1; ; n++ {
		frame, err := c.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.t.Fatal(err)
		}
		now := frame.Time.UnixNano()
		if n == 1 {
			r.start = now
			r.prefill(now)
		}
		r.now = max(r.now, now)
		ip, _ := packet.Network(frame.Link, frame.Data)
		if r.a.Repair && len(ip) > 0 {
			buf = packet.Repair(buf[:0], ip)
			ip = buf
		}
		d.IP(r.now, ip, &p)
		f(n, r.now, &p)
	}
}

func (r *run) prefill(now int64) {
	if r.a.Free == nil {
		return
	}
	status := flow.Confirmed
	if r.a.Prefill == "assured" {
		status |= flow.SeenReply | flow.Assured
	}
	for i := range int(r.m.Settings().Max) - *r.a.Free {
		o := packet.Tuple{Proto: 17, Family: 4, SPort: 1000, DPort: 2000,
			Src: [16]byte{198, 18, byte(i >> 8), byte(i)}, Dst: [16]byte{198, 19, 0, byte(i >> 16)}}
		p := packet.Tuple{Proto: 17, Family: 4, SPort: 2000, DPort: 1000, Src: o.Dst, Dst: o.Src}
		if !r.m.Load(o, p, status, flow.NoState, now, now+100000e9) {
			r.t.Fatal("prefill refused")
		}
		r.loaded++
	}
}

func (r *run) compare(n int, v model.Verdict) {
	if n > len(r.a.Packets) {
		r.differ("packet %d: the kernel saw %d", n, len(r.a.Packets))
		return
	}
	r.compared = n
	want := r.a.Packets[n-1]
	result := v.Result.String()
	if result == "refused" {
		result = "dropped"
	}
	if result != want.Result {
		r.differ("packet %d: %s (%s), kernel %s (%v)", n, result, v.Reason, want.Result, want.Reason)
		return
	}
	if reason, _ := want.Reason.(string); v.Reason.String() != reason {
		r.differ("packet %d: reason %q, kernel %q", n, v.Reason, want.Reason)
	}
	if want.Dir == "" {
		return
	}
	dir := "orig"
	if v.Reply {
		dir = "reply"
	}
	if ct := int(v.Flow - r.loaded); dir != want.Dir || ct != want.CT || v.Gone != want.Gone {
		r.differ("packet %d: dir %s ct %d gone %v, kernel %s %d %v", n, dir, ct, v.Gone, want.Dir, want.CT, want.Gone)
	}
	if want.Gone {
		return
	}
	r.deadline[want.CT] = r.now + v.Timeout
	timeout := int(math.Round(float64(v.Timeout) / 1e9))
	if v.State.String() != want.State || !slices.Equal(v.Status.Names(), want.Status) && len(want.Status)+len(v.Status.Names()) > 0 ||
		want.Timeout != nil && max(timeout-*want.Timeout, *want.Timeout-timeout) > 1 {
		r.differ("packet %d: %s %d %v, kernel %s %d %v", n, v.State, timeout, v.Status.Names(), want.State, *want.Timeout, want.Status)
	}
}

func (r *run) all() {
	r.each(func(n int, now int64, p *packet.Packet) { r.compare(n, r.m.Step(now, p)) })
	if r.compared != len(r.a.Packets) {
		r.differ("%d packets, the kernel saw %d", r.compared, len(r.a.Packets))
	}
	r.left()
	if r.a.Free == nil {
		c := r.m.Counters()
		for name, got := range map[string]uint64{"invalid": c.Invalid, "drop": c.Drop, "early_drop": c.EarlyDrop, "icmp_error": c.ICMPError,
			"insert": c.Insert, "insert_failed": c.InsertFailed, "found": c.Found, "search_restart": c.SearchRestart, "clash_resolve": c.ClashResolve,
			"chain_toolong": c.ChainTooLong, "expect_create": c.ExpectCreate, "expect_new": c.ExpectNew, "expect_delete": c.ExpectDelete} {
			if uint64(r.a.Stat[name]) != got {
				r.differ("counter %s: %d, kernel %d", name, got, r.a.Stat[name])
			}
		}
	}
}

func tupleText(t flow.Tuple) tuple {
	w := tuple{Src: t.Src.String(), Dst: t.Dst.String(), Proto: int(t.Proto)}
	if t.Proto.HasPorts() && t.Proto != flow.DCCP {
		w.Sport, w.Dport = int(t.SrcPort), int(t.DstPort)
	}
	if t.Proto == flow.ICMP || t.Proto == flow.ICMPv6 {
		w.Type, w.Code, w.ID = int(t.ICMPType), int(t.ICMPCode), int(t.ICMPID)
	}
	return w
}

// left compares the flows left and those gone.
func (r *run) left() {
	got := map[int]flow.Flow{}
	r.m.Flows(r.now, func(f *flow.Flow) bool {
		if uint64(f.ID) > r.loaded {
			got[int(uint64(f.ID)-r.loaded)] = f.Clone()
		}
		return true
	})
	for _, e := range r.a.Entries {
		f, ok := got[e.CT]
		if !ok {
			r.differ("flow %d: not left, kernel %v", e.CT, e)
			continue
		}
		delete(got, e.CT)
		r.compareEntry(f, e)
	}
	for n, f := range got {
		r.differ("flow %d left: %v, not in the kernel", n, f.Orig)
	}
	for _, e := range r.a.Gone {
		r.compareGone(e)
	}
}

// compareGone compares how a flow ended. The kernel takes an expired flow out when it next meets it, and a look at
// the table is such a meeting: the samples then name the packet before the look. Its timer must have run out by then.
func (r *run) compareGone(e entry) {
	end, ok := r.ended[uint64(e.CT)+r.loaded]
	since := func(at int64) float64 { return float64(at-r.start) / 1e9 }
	switch {
	case e.Why == "expired":
		at, before := since(r.deadline[e.CT]), since(r.now)
		if e.ExpiredAt != nil {
			before = *e.ExpiredAt
		}
		if ok && end.Why != model.Expired || at > before+1.1 || e.ExpiredAt != nil && at < before-1.1 {
			r.differ("flow %d expired at %.1f (%+v), kernel %.1f", e.CT, at, end, before)
		}
	case e.Why == "killed" && r.a.Packets[e.GoneBy-1].Gone:
		if !ok || end.Why != model.Killed || math.Abs(since(end.At)-r.a.Packets[e.GoneBy-1].TS) > 0.001 {
			r.differ("flow %d ended %+v, kernel killed by packet %d", e.CT, end, e.GoneBy)
		}
	case e.Why == "killed":
		if ok && end.Why == model.Killed && math.Abs(since(end.At)-r.a.Packets[e.GoneBy-1].TS) < 0.001 {
			return // a connection that was opened anew: its packet belongs to the next flow
		}
		if at := since(r.deadline[e.CT]); ok && end.Why != model.Expired || at > r.a.Packets[e.GoneBy-1].TS+1.1 {
			r.differ("flow %d would expire at %.1f (%+v), the kernel took it out with packet %d", e.CT, at, end, e.GoneBy)
		}
	default:
		r.differ("flow %d ended %+v, kernel %s", e.CT, end, e.Why)
	}
}

func (r *run) compareEntry(f flow.Flow, e entry) {
	left := e.Timeout - float64(f.Timeout)
	if f.State.String() != e.State || !slices.Equal(append(f.Status.Names(), "CONFIRMED"), sortConfirmed(e.Status)) || left <= -1 || left >= 2 {
		r.differ("flow %d: %s %d %v, kernel %s %.1f %v", e.CT, f.State, f.Timeout, f.Status.Names(), e.State, e.Timeout, e.Status)
	}
	if f.OrigCount != (flow.Counters{Packets: e.PacketsOrig, Bytes: e.BytesOrig}) || f.ReplyCount != (flow.Counters{Packets: e.PacketsReply, Bytes: e.BytesReply}) {
		r.differ("flow %d: counted %v %v, kernel %d %d / %d %d", e.CT, f.OrigCount, f.ReplyCount, e.PacketsOrig, e.BytesOrig, e.PacketsReply, e.BytesReply)
	}
	if got, want := tupleText(f.Orig), e.Orig; got != want {
		r.differ("flow %d: tuple %v, kernel %v", e.CT, got, want)
	}
	if got, want := tupleText(f.Reply), e.Reply; got != want {
		r.differ("flow %d: reply tuple %v, kernel %v", e.CT, got, want)
	}
	if f.State.Proto() != flow.TCP {
		return
	}
	if f.TCP.FlagsOrig != tcpFlags(e.FlagsOrig) || f.TCP.FlagsReply != tcpFlags(e.FlagsReply) ||
		int(f.TCP.WScaleOrig) != e.ScaleOrig || int(f.TCP.WScaleReply) != e.ScaleReply {
		r.differ("flow %d: tcp %+v, kernel %v %v %d %d", e.CT, f.TCP, e.FlagsOrig, e.FlagsReply, e.ScaleOrig, e.ScaleReply)
	}
}

func sortConfirmed(s []string) []string {
	out := slices.DeleteFunc(slices.Clone(s), func(x string) bool { return x == "CONFIRMED" })
	return append(out, "CONFIRMED")
}

func tcpFlags(names []string) (bits uint8) {
	for i, n := range []string{"WINDOW_SCALE", "SACK_PERM", "CLOSE_INIT", "BE_LIBERAL", "DATA_UNACKNOWLEDGED", "MAXACK_SET", "EXP_CHALLENGE_ACK", "SIMULTANEOUS_OPEN"} {
		if slices.Contains(names, n) {
			bits |= 1 << i
		}
	}
	return bits
}

func testAnswers(t *testing.T, dir string) {
	for _, path := range answers(t, dir) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var helpers []model.Helper
			if strings.Contains(path, ".helpers.") {
				helpers = []model.Helper{{Kind: model.FTP, Port: 21}, {Kind: model.PPTP, Port: 1723}}
			}
			r := newRun(t, readAnswer(t, path), helpers...)
			r.all()
			for i, p := range r.problems {
				if i == 12 {
					t.Errorf("and %d more", len(r.problems)-i)
					break
				}
				t.Error(p)
			}
		})
	}
}

func TestCaptures(t *testing.T) { testAnswers(t, "") }

func TestCapturesUnderOtherSettings(t *testing.T) { testAnswers(t, "variants") }
