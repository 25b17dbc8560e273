package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/oracle"
)

// A shape is traffic in testdata/shapes: its gaps, and the timeouts here, are shorter than in life by about
// the same factor, so that a minute shows what takes hours.
type shape struct {
	name     string
	settings map[string]int64
	// room is how many flows still fit when it begins; the rest of the table is full of assured flows. 0: the
	// table is empty.
	room int
}

func shapes() []shape {
	short := map[string]int64{"tcp_timeout_established": 20, "tcp_timeout_syn_sent": 6, "tcp_timeout_syn_recv": 4, "tcp_timeout_fin_wait": 6,
		"tcp_timeout_last_ack": 2, "tcp_timeout_time_wait": 6, "tcp_timeout_close": 1, "udp_timeout": 2, "udp_timeout_stream": 6, "icmp_timeout": 2}
	return []shape{
		{"web", short, 0}, {"syn-flood", short, 3000}, // these two run in every test
		{"dns", short, 0}, {"proxy", short, 0}, {"database", short, 0}, {"nat-gateway", short, 0}, {"long-poll", short, 0},
		{"connection-flood", short, 4000}, {"scan", short, 0}, {"slow-leak", short, 0}, {"flash-crowd", short, 0}, {"mixed", short, 0},
	}
}

// sent is one packet and when the kernel got it.
type sent struct {
	at  int64
	raw []byte
}

// truth is what the kernel did.
type truth struct {
	packets []sent
	peak    int64
	refused uint64
	evicted uint64
	// reaped is when the count fell of itself for the first time, by more than packets explain; 0: never.
	reaped int64
	reaps  []reap // all such falls, and those that are told from what the packets made
	every  bool   // the prediction follows all of them, not the collector's pace
	before int    // flows in the table at the beginning
	// begin is when the first packet was due; recorded are the flows that a recorder saw meanwhile.
	begin    time.Time
	recorded []flow.Record
	// pace is when packets were due, and when they came, a point for each batch; due, where it is set, is when they
	// are due instead.
	pace [][2]int64
	due  func(at int64) int64
	// late is by how much they came too late at most.
	late time.Duration
	// watch is told of every batch, what the kernel made of it, and the count then.
	watch func(batch [][]byte, reports []oracle.Report, count int64)
}

// TestShapes sends traffic of many shapes through the running kernel and through the model, and compares.
func TestShapes(t *testing.T) {
	lab.Need(t)
	lab.Lock(t)
	all, scale := shapes(), 0.15
	if os.Getenv("CTKEEPER_BENCH") == "" {
		all = all[:2]
	} else {
		scale = 1
	}
	var rows strings.Builder
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { s.compare(t, scale, &rows) })
	}
	t.Logf("\n| shape | packets | flows made | kernel's peak | predicted | error | from the record | refused | predicted | collector |\n|---|---|---|---|---|---|---|---|---|---|\n%s", &rows)
}

// read reads the shape's description, shortened or drawn out by a factor.
func (s *shape) read(t *testing.T, scale float64) workload.Workload {
	path := filepath.Join("testdata", "shapes", s.name+".yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workload.Parse(path, text)
	if err != nil {
		t.Fatal(err)
	}
	w.Duration, w.Tail = time.Duration(float64(w.Duration)*scale), time.Duration(float64(w.Tail)*scale)
	for i := range w.Classes {
		c := &w.Classes[i]
		c.From, c.Until = time.Duration(float64(c.From)*scale), time.Duration(float64(c.Until)*scale)
	}
	return w
}

// compare runs one shape and holds the prediction to the kernel.
func (s shape) compare(t *testing.T, scale float64, rows *strings.Builder) {
	w := s.read(t, scale)
	// A dump in any namespace collects what expired in all of them: a reader elsewhere makes the count fall
	// sooner than the collector would. Then the run proves nothing, and is made again.
	for try := 1; ; try++ {
		row, fault := s.once(t, &w)
		if fault == "" || try == attempts {
			rows.WriteString(row)
			keepShape(t, s.name, row, try)
			if fault != "" {
				t.Error(fault)
			}
			return
		}
		t.Logf("run %d: %s", try, fault)
	}
}

const attempts = 4

// once runs the shape and returns its row, and what was wrong. Where the collector alone does not explain the kernel's
// count, somebody may have read a table: then every fall that was seen is put in the place of the collector.
func (s shape) once(t *testing.T, w *workload.Workload) (row, fault string) {
	k := s.run(t, w)
	row, fault = s.judge(&k)
	if fault != "" && len(k.reaps) > 1 {
		t.Logf("by the first reap: %s", fault)
		k.every = true
		row, fault = s.judge(&k)
	}
	return row, fault
}

// aligned says what the prediction takes from the kernel of the collector's work.
func (k *truth) aligned() string {
	switch {
	case k.every:
		walks := 0
		for _, r := range k.walks() {
			if r.to == 1 {
				walks++
			}
		}
		return fmt.Sprintf("%d readers", walks)
	case k.reaped != 0:
		return "first reap"
	}
	return "any phase"
}

// judge predicts and compares.
func (s shape) judge(k *truth) (row, fault string) {
	low, high := math.MaxInt, 0
	var results []replay.Result
	for _, phase := range s.phases(k) {
		r := s.predict(k, phase, k.packetsFrom())
		low, high = min(low, r.Peak), max(high, r.Peak)
		results = append(results, r)
	}
	r := results[0]
	off := float64(r.Peak)/float64(k.peak) - 1
	predicted := strconv.Itoa(r.Peak)
	if low != high {
		predicted = fmt.Sprintf("%d…%d", low, high)
		off = max(float64(low)/float64(k.peak)-1, 1-float64(high)/float64(k.peak), 0)
	}
	least, most := s.bounds(k)
	row = fmt.Sprintf("| %s | %d | %d | %d | %s | %.1f %% | %d…%d | %d | %d | %s |\n", s.name, len(k.packets), r.Counters.New, k.peak, predicted, 100*off, least, most, k.refused,
		r.Counters.Refused, k.aligned())
	if math.Abs(off) > 0.02 {
		fault = fmt.Sprintf("the kernel's peak was %d, predicted %s", k.peak, predicted)
	}
	if k.peak < int64(least) || k.peak > int64(most) {
		fault += fmt.Sprintf(" the kernel's peak was %d, bounds from the record %d…%d", k.peak, least, most)
	}
	// Which flow is evicted is drawn by the kernel's hash: the number of refusals scatters as a sum of draws.
	tries := float64(k.refused + k.evicted)
	if d, sigma := math.Abs(float64(k.refused)-float64(r.Counters.Refused)), math.Sqrt(tries); d > 6*sigma+1+0.02*float64(k.refused) {
		fault += fmt.Sprintf(" the kernel refused %d (and evicted %d), predicted %d and %d", k.refused, k.evicted, r.Counters.Refused, r.Counters.EarlyDrop)
	}
	return row, fault
}

// never is later than any shape lasts.
const never = int64(time.Hour)

// phases are when the collector's first pass may have come: where the kernel was seen to reap, then.
// Otherwise any time is possible, its pace being set by other namespaces too.
func (s shape) phases(k *truth) []int64 {
	if k.every {
		return []int64{never}
	}
	if k.reaped != 0 {
		return []int64{k.reaped - k.packets[0].at}
	}
	var all []int64
	for sec := int64(1); sec <= 61; sec += 4 {
		all = append(all, sec*int64(time.Second))
	}
	return all
}

// running is the profile of the kernel that the test runs on.
func running() model.Profile {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		panic(err)
	}
	profile, ok := model.ForKernel(strings.TrimSpace(string(release)))
	if !ok {
		panic("no profile for kernel " + string(release))
	}
	return profile
}

func (s shape) modelSettings() model.Settings {
	set := model.Defaults(running())
	set.Checksum = true
	for name, v := range s.settings {
		if err := set.Set(name, v); err != nil {
			panic(err)
		}
	}
	return set
}

// source yields packets in order of time, and when the shape began by the same clock.
type source struct {
	next  func() (at int64, ip []byte, ok bool)
	begin int64
}

// packetsFrom yields the packets at the times at which the kernel got them.
func (k *truth) packetsFrom() source {
	i := 0
	return source{next: func() (int64, []byte, bool) {
		if i == len(k.packets) {
			return 0, nil, false
		}
		i++
		return k.packets[i-1].at, k.packets[i-1].raw, true
	}}
}

// predict replays packets through the model; phase is when the collector first passes, after the first packet.
func (s shape) predict(k *truth, phase int64, from source) replay.Result {
	first := from.begin + k.packets[0].at
	var p *replay.Player
	reads, shift := k.walks(), phase-never
	d := packet.NewDecoder(packet.Options{Checksums: true})
	for at, raw, ok := from.next(); ok; at, raw, ok = from.next() {
		if p == nil {
			p = replay.New(replay.Options{Variants: []replay.Variant{{Profile: running(), Settings: s.modelSettings()}}, GCPhase: max(phase+first-at, 1)})
			load(p, k.before, at)
		}
		for ; k.every && len(reads) > 0 && from.begin+reads[0].at+shift <= at; reads = reads[1:] {
			p.Read(from.begin+reads[0].at+shift, reads[0].from, reads[0].to)
		}
		var pk packet.Packet
		d.IP(at, raw, &pk)
		p.Packet(at, &pk)
	}
	return p.Finish()[0]
}

// load puts flows into the model's table that no traffic belongs to.
func load(p *replay.Player, n int, at int64) {
	for i := range n {
		orig := packet.Tuple{Src: [16]byte{172, 16, byte(i >> 16), byte(i >> 8)}, Dst: [16]byte{172, 20, 0, byte(i)}, SPort: 1000, DPort: 80, Proto: 6, Family: 4}
		reply := packet.Tuple{Src: orig.Dst, Dst: orig.Src, SPort: 80, DPort: 1000, Proto: 6, Family: 4}
		p.Load(replay.Loaded{Orig: orig, Reply: reply, Status: flow.Assured | flow.SeenReply | flow.Confirmed, State: flow.TCPEstablished, Created: at, Deadline: at + int64(24*time.Hour)})
	}
}

// run sends the workload through the kernel in real time.
func (s shape) run(t *testing.T, w *workload.Workload) truth {
	k, err := oracle.Open("shapes")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, v := range s.settings {
		if err := k.Set(name, strconv.FormatInt(v, 10)); err != nil {
			t.Fatal(err)
		}
	}
	for name, v := range map[string]string{"log_invalid": "0", "acct": "0"} {
		if err := k.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	var out truth
	conn, err := lab.Dial(k.Namespace())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if s.room > 0 {
		limit := count(t, conn, true)
		if out.before, err = lab.FillTable(t.Context(), k.Namespace(), int(limit)-s.room, lab.Mix{Established: 100, Timeout: 86400}); err != nil {
			t.Fatal(err)
		}
	}
	drops, evictions := counters(t, conn)
	dir := t.TempDir()
	stop := recordInto(t, k.Namespace(), dir)
	s.send(t, k, conn, w, &out)
	stop()
	out.recorded = recordedIn(t, dir, out.begin)
	d, e := counters(t, conn)
	out.refused, out.evicted = d-drops, e-evictions
	return out
}

// reap is when flows were seen to go that no packet ended: how many, and the share of the table that the walk that took
// them went through then.
type reap struct {
	at             int64
	gone, from, to float64
}

// look is the time over which the flows that went are added up: within it a count may be read before its flows are made.
const look = int64(50 * time.Millisecond)

// went notes flows that went without a packet.
func (k *truth) went(at int64, gone float64) {
	if n := len(k.reaps); n == 0 || k.reaps[n-1].at/look != at/look {
		k.reaps = append(k.reaps, reap{})
	}
	last := &k.reaps[len(k.reaps)-1]
	last.at, last.gone = at, last.gone+gone
}

// lull is a time without a reap that ends a walk through the table.
const lull = int64(time.Second)

// walks puts the reaps together that one walk through the table made, by the collector or by a reader. How far it was at
// each moment is told by the share of its flows that were gone.
func (k *truth) walks() []reap {
	out := slices.DeleteFunc(slices.Clone(k.reaps), func(r reap) bool { return r.gone < 3 })
	for i := 0; i < len(out); {
		end, all := i, 0.0
		for ; end < len(out) && (end == i || out[end].at-out[end-1].at < lull); end++ {
			all += out[end].gone
		}
		for done := 0.0; i < end; i++ {
			out[i].from = done / all
			done += out[i].gone
			if out[i].to = done / all; i == end-1 {
				out[i].to = 1
			}
		}
	}
	return out
}

// seen are the addresses and ports of the flows that were made.
type seen map[[12]byte]struct{}

// made is how many flows a batch made for the first time, less those that a refusal may have ended. In a table that does
// not fill, a count that stays behind what was made was lowered by reaps: by one, or by a reading that walks slowly.
func (s seen) made(batch [][]byte, reports []oracle.Report) (n int64) {
	for i, raw := range batch {
		if raw[0] != 0x45 {
			continue
		}
		if raw[9] == 6 && raw[33]&packet.RST != 0 {
			n--
		}
		if ends := [12]byte(raw[12:24]); reports[i].Result == oracle.New {
			if _, known := s[ends]; !known {
				n++
			}
			s[ends] = struct{}{}
		}
	}
	return n
}

// send feeds the packets when they are due, and watches the count.
func (s shape) send(t *testing.T, k *oracle.Kernel, conn *ctnetlink.Conn, w *workload.Workload, out *truth) {
	begin := time.Now()
	out.begin = begin
	g := w.Packets(0)
	at, ip, ok := g.Next()
	var batch [][]byte
	reports := make([]oracle.Report, 200)
	known := seen{}
	last := int64(out.before)
	due := out.due
	if due == nil {
		due = func(at int64) int64 { return at }
	}
	for ok {
		batch = batch[:0]
		for now := int64(time.Since(begin)); ok && due(at) <= now && len(batch) < len(reports); at, ip, ok = g.Next() {
			raw := append([]byte(nil), ip...)
			batch = append(batch, raw)
			out.packets = append(out.packets, sent{now, raw})
			out.late = max(out.late, time.Duration(now-due(at)))
			if len(batch) == 1 {
				out.pace = append(out.pace, [2]int64{at, now})
			}
		}
		if len(batch) == 0 {
			time.Sleep(time.Millisecond)
		} else if err := k.Feed(batch, reports[:len(batch)]); err != nil {
			t.Fatal(err)
		}
		n := count(t, conn, false)
		fell := last - n
		if out.reaped == 0 && fell > int64(len(batch))+5 {
			out.reaped = int64(time.Since(begin))
		}
		if s.room == 0 {
			out.went(int64(time.Since(begin)), float64(fell+known.made(batch, reports)))
		}
		last = n
		out.peak = max(out.peak, n)
		if out.watch != nil {
			out.watch(batch, reports[:len(batch)], n)
		}
	}
}

func count(t *testing.T, conn *ctnetlink.Conn, limit bool) int64 {
	t.Helper()
	st, err := conn.Stats(context.Background())
	if err != nil || st.Count == nil || st.Max == nil {
		t.Fatal(err)
	}
	if limit {
		return int64(*st.Max)
	}
	return int64(*st.Count)
}

func counters(t *testing.T, conn *ctnetlink.Conn) (drops, evictions uint64) {
	t.Helper()
	cpus, err := conn.CPUStats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	sum := ctnetlink.Sum(cpus)
	return sum["drop"], sum["early_drop"]
}
