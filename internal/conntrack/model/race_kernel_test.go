package model_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// raceMix is a full table of which some sixteenth is not assured, so that about a third of the new flows
// are refused and the others each evict one.
var raceMix = lab.Mix{Established: 80, TimeWait: 14, SynSent: 6, Timeout: 100000}

// newcomers is how many new flows race for a place in one round.
const newcomers = 1000

// TestRaceAtFullTable fills the kernel's table to the machine's real limit through ctnetlink, lets packets
// of new flows race for places, and holds refusals and early drops against the model's with the same
// flows. Which flows early drop finds hangs on the hash: the model plays six seeds, the kernel three
// rounds with other addresses. Refusals of a round are a binomial variable of mean n·p, so each round must
// lie within four of its deviations, and of the spread of the model's mean, around that mean.
func TestRaceAtFullTable(t *testing.T) {
	lab.Share(t)
	limit := readNumber(t, "/proc/sys/net/netfilter/nf_conntrack_max")
	buckets := readNumber(t, "/proc/sys/net/netfilter/nf_conntrack_buckets")
	if limit == 0 || limit > 1<<20 {
		t.Skip("nf_conntrack_max is", limit, "here: too many flows to fill")
	}
	var refused, evicted [6]float64
	for seed := range refused {
		refused[seed], evicted[seed] = modelRace(t, int64(limit), int64(buckets), uint64(seed))
	}
	compared := 0
	for round := 0; compared < 3; round++ {
		if round == 8 {
			t.Fatalf("only %d of %d rounds were not disturbed by the collector", compared, round)
		}
		var r, e float64
		ok := false
		t.Run(fmt.Sprint("round", round), func(t *testing.T) { r, e, ok = kernelRace(t, limit, round) })
		if !ok {
			t.Logf("round %d: the collector ran, or the machine was too slow: played again", round)
			continue
		}
		compared++
		holdRace(t, round, "refused", r, refused[:])
		holdRace(t, round, "early drops", e, evicted[:])
	}
}

func holdRace(t *testing.T, round int, what string, kernel float64, ours []float64) {
	t.Helper()
	hold(t, fmt.Sprintf("round %d, %s", round, what), newcomers, kernel, ours, 0)
}

// hold fails when a count of the kernel's among n draws lies beyond four deviations of the model's mean over seeds: those of a binomial
// variable (one more for rare draws), and of that mean. Known is the share by which the model is known to be off.
func hold(t *testing.T, what string, n, kernel float64, ours []float64, known float64) {
	t.Helper()
	mean, square := 0.0, 0.0
	for _, v := range ours {
		mean += v / float64(len(ours))
		square += v * v / float64(len(ours))
	}
	p := mean / n
	sigma := math.Sqrt(n*p*max(1-p, 0.05) + 1 + (square-mean*mean)/float64(len(ours)))
	t.Logf("%s: kernel %.0f, model %.1f over %d seeds (%.0f to %.0f); one deviation is %.1f", what, kernel, mean, len(ours), minOf(ours), maxOf(ours), sigma)
	if math.Abs(kernel-mean) > 4*sigma+known*mean {
		t.Errorf("%s: kernel %.0f, model %.1f ± %.1f", what, kernel, mean, sigma)
	}
}

func minOf(v []float64) float64 { return extreme(v, math.Min) }
func maxOf(v []float64) float64 { return extreme(v, math.Max) }

func extreme(v []float64, f func(a, b float64) float64) float64 {
	out := v[0]
	for _, x := range v {
		out = f(out, x)
	}
	return out
}

// newcomer is the first packet of a new UDP flow.
func newcomer(round, i int) []byte {
	src := netip.AddrFrom4([4]byte{172, byte(16 + round), byte(i >> 8), byte(i)})
	talk := oracle.NewConversation(netip.AddrPortFrom(src, 1000), netip.MustParseAddrPort("172.31.0.1:9"), 1)
	return talk.Append(nil, oracle.Datagram{Proto: 17, Len: 10})
}

func modelRace(t *testing.T, limit, buckets int64, seed uint64) (refused, evicted float64) {
	t.Helper()
	set := model.Defaults(model.Linux618())
	set.Max, set.Buckets = limit, buckets
	m := model.New(model.Config{Settings: &set, Seed: seed, Flows: int(limit), GCPhase: 3600e9})
	for fl := range lab.Flows(int(limit), raceMix) {
		if !m.Load(asTuple(&fl.Orig), asTuple(&fl.Reply), fl.Status, fl.State, 0, int64(fl.Timeout)*1e9) {
			t.Fatalf("flow %v was not loaded", fl.Orig)
		}
	}
	d := packet.NewDecoder(packet.Options{Seed: seed})
	var p packet.Packet
	for i := range newcomers {
		d.IP(1, newcomer(int(seed), i), &p)
		m.Step(1, &p)
	}
	c := m.Counters()
	return float64(c.Refused), float64(c.EarlyDrop)
}

func asTuple(f *flow.Tuple) packet.Tuple {
	t := packet.Tuple{Proto: uint8(f.Proto), Family: 4, SPort: f.SrcPort, DPort: f.DstPort, ICMPType: f.ICMPType, ICMPCode: f.ICMPCode, ICMPID: f.ICMPID}
	if f.Src.Is4() {
		src, dst := f.Src.As4(), f.Dst.As4()
		copy(t.Src[:], src[:])
		copy(t.Dst[:], dst[:])
		return t
	}
	t.Family, t.Src, t.Dst = 6, f.Src.As16(), f.Dst.As16()
	return t
}

// kernelRace plays one round in a namespace of its own; ok is false when the collector interfered, which
// shows in the count.
func kernelRace(t *testing.T, limit, round int) (refused, evicted float64, ok bool) {
	t.Helper()
	b, k := openAlone(t, differ.Options{})
	lab.Fill(t, k.Namespace(), 0, raceMix)
	packets := make([][]byte, newcomers)
	for i := range packets {
		packets[i] = newcomer(round, i)
	}
	before, at := counters(t, b.Kernel)
	start := time.Now()
	reports := make([]oracle.Report, newcomers)
	if err := b.Kernel.Feed(packets, reports); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	after, left := counters(t, b.Kernel)
	for _, r := range reports {
		if r.Result == oracle.Lost {
			refused++
		}
	}
	evicted = float64(after["early_drop"] - before["early_drop"])
	if dropped := float64(after["drop"] - before["drop"]); dropped != refused {
		t.Errorf("round %d: %0.f packets lost, the kernel counts %.0f", round, refused, dropped)
	}
	// Early drop empties a bucket of all that is not assured, so the count may fall below the limit by what
	// a packet evicted beyond one; the collector takes thousands.
	return refused, evicted, at == limit && limit-left < newcomers/4 && took < 5*time.Second
}

// counters reads the kernel's counters and its count.
func counters(t *testing.T, k oracle.Tracker) (map[string]uint64, int) {
	t.Helper()
	c, err := k.Counters()
	if err != nil {
		t.Fatal(err)
	}
	n, err := k.Count()
	if err != nil {
		t.Fatal(err)
	}
	return c, n
}
