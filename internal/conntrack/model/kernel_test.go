package model_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/oracle"
)

// bench is the kernel and the model side by side.
type bench struct {
	t    *testing.T
	k    *oracle.Kernel
	conn *ctnetlink.Conn
	m    *model.Model
	d    *packet.Decoder
	base time.Time
	// port is what the lanes' responders listen on.
	port uint16
}

func openBench(t *testing.T, settings map[string]int64, helpers ...model.Helper) *bench {
	t.Helper()
	lab.Need(t)
	k, err := oracle.Open("model")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, k: k, base: time.Now(), port: 80, d: packet.NewDecoder(packet.Options{Checksums: true})}
	s := model.Defaults(model.Linux618())
	s.Acct, s.LogInvalid = true, 255
	for name, v := range settings {
		if err := k.Set(name, strconv.FormatInt(v, 10)); err != nil {
			t.Fatal(err)
		}
		if err := s.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	b.m = model.New(model.Config{Settings: &s, Helpers: helpers})
	b.attach(helpers)
	err = k.Namespace().Run(func() error {
		b.conn, err = ctnetlink.Dial(ctnetlink.Options{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) close() {
	if err := b.conn.Close(); err != nil {
		b.t.Error(err)
	}
	if err := b.k.Close(); err != nil {
		b.t.Error(err)
	}
}

func (b *bench) now() int64 { return int64(time.Since(b.base)) + 1e15 }

// lane is one sequence on its own tuple.
type lane struct {
	sequence []oracle.Packet
	talk     *oracle.Conversation
	verdict  model.Verdict
}

func ends(n int, v6 bool) (a, c netip.AddrPort) {
	if v6 {
		src := netip.MustParseAddr("fd00:1::").As16()
		binary.BigEndian.PutUint32(src[12:], uint32(n)+1)
		return netip.AddrPortFrom(netip.AddrFrom16(src), 1000), netip.MustParseAddrPort("[fd00:2::1]:80")
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1 + byte(n>>16), byte(n >> 8), byte(n)}), 1000), netip.MustParseAddrPort("10.200.0.1:80")
}

// run feeds every sequence, packet by packet, to both sides and returns the first difference of each
// sequence that has one.
func (b *bench) run(sequences [][]oracle.Packet, v6 bool) map[int]string {
	lanes := make([]lane, len(sequences))
	longest := 0
	for i := range lanes {
		a, c := ends(i, v6)
		c = netip.AddrPortFrom(c.Addr(), b.port)
		lanes[i] = lane{sequence: sequences[i], talk: oracle.NewConversation(a, c, uint32(i))}
		longest = max(longest, len(sequences[i]))
	}
	bad := map[int]string{}
	var p packet.Packet
	slowest := time.Duration(0) // a timer that no later packet moves was set at some moment of its own step
	for step := range longest {
		var packets [][]byte
		var who []int
		for i := range lanes {
			if step < len(lanes[i].sequence) && bad[i] == "" {
				packets = append(packets, lanes[i].talk.Append(nil, lanes[i].sequence[step]))
				who = append(who, i)
			}
		}
		reports := make([]oracle.Report, len(packets))
		from := b.now()
		if err := b.k.Feed(packets, reports); err != nil {
			b.t.Fatal(err)
		}
		slowest = max(slowest, time.Duration(b.now()-from))
		for j, i := range who {
			b.d.IP(from, packets[j], &p)
			v := b.m.Step(from, &p)
			lanes[i].verdict = v
			if diff := compareReport(v, reports[j]); diff != "" {
				bad[i] = fmt.Sprintf("packet %d: %s", step+1, diff)
			}
		}
		b.compareTables(lanes, bad, slowest, step, v6)
	}
	return bad
}

func compareReport(v model.Verdict, r oracle.Report) string {
	got := v.Result.String()
	if v.Result == model.Dropped || v.Result == model.IPDropped || v.Result == model.FragQueued || v.Result == model.Refused {
		got = oracle.Lost.String() // no report says more
	}
	if got != r.Result.String() || v.Reply != r.Reply && r.Result >= oracle.New || v.Reason.String() != r.Reason {
		return fmt.Sprintf("%s reply=%v %q, kernel %s reply=%v %q", got, v.Reply, v.Reason, r.Result, r.Reply, r.Reason)
	}
	return ""
}

// compareTables holds both tables against each other, flow by flow.
func (b *bench) compareTables(lanes []lane, bad map[int]string, took time.Duration, step int, v6 bool) {
	type key struct {
		src  netip.Addr
		kind uint8
		code uint8
		id   uint16
		from uint16
		to   uint16
		back bool
	}
	ours, seen := map[key]flow.Flow{}, map[key]bool{}
	keyOf := func(f *flow.Flow) key {
		src := f.Orig.Src
		if f.Orig.Dst.Is4() && src == netip.AddrFrom4([4]byte{10, 200, 0, 1}) || src == netip.MustParseAddr("fd00:2::1") {
			src = f.Orig.Dst
			return key{src, f.Orig.ICMPType, f.Orig.ICMPCode, f.Orig.ICMPID, f.Orig.SrcPort, f.Orig.DstPort, true}
		}
		return key{src, f.Orig.ICMPType, f.Orig.ICMPCode, f.Orig.ICMPID, f.Orig.SrcPort, f.Orig.DstPort, false}
	}
	lane := func(k key) int {
		s := k.src.AsSlice()
		if v6 {
			return int(binary.BigEndian.Uint32(s[12:])) - 1
		}
		return int(s[1]-1)<<16 | int(s[2])<<8 | int(s[3])
	}
	at := b.now()
	b.m.Flows(at, func(f *flow.Flow) bool { ours[keyOf(f)] = f.Clone(); return true })
	res, err := b.conn.Dump(context.Background(), ctnetlink.DumpOptions{Restart: func() { clear(seen) }}, func(f *flow.Flow) error {
		k := keyOf(f)
		mine, ok := ours[k]
		seen[k] = true // not deleted: a torn dump is repeated
		if i := lane(k); i < len(lanes) && bad[i] == "" {
			if diff := compareFlow(ok, &mine, f, took+time.Duration(b.now()-at)); diff != "" {
				bad[i] = fmt.Sprintf("after packet %d: %s", step+1, diff)
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if !res.Consistent { // the machine's table was resized by somebody else: the next step compares again
		b.t.Logf("step %d: a dump was torn (%s), flows that it lacks are not compared", step+1, res.Why)
		return
	}
	for k, f := range ours {
		if i := lane(k); !seen[k] && i < len(lanes) && bad[i] == "" && f.Timeout > 1 {
			bad[i] = fmt.Sprintf("after packet %d: the kernel has no flow, the model %s %d", step+1, f.State, f.Timeout)
		}
	}
}

func compareFlow(ok bool, got, want *flow.Flow, slack time.Duration) string {
	if !ok {
		if want.Timeout <= 1 {
			return ""
		}
		return fmt.Sprintf("no flow, kernel %s %d %v", want.State, want.Timeout, want.Status.Names())
	}
	late := int(slack/time.Second) + 1
	d := int(got.Timeout) - int(want.Timeout)
	if got.State != want.State || got.Status != want.Status || d > late || d < -late || got.OrigCount != want.OrigCount ||
		got.ReplyCount != want.ReplyCount || got.TCP != want.TCP {
		return fmt.Sprintf("%s %d %v %v %v %+v, kernel %s %d %v %v %v %+v", got.State, got.Timeout, got.Status.Names(), got.OrigCount, got.ReplyCount, got.TCP,
			want.State, want.Timeout, want.Status.Names(), want.OrigCount, want.ReplyCount, want.TCP)
	}
	return ""
}

// check runs sequences in batches and reports divergences, the first ones minimised.
func check(t *testing.T, settings map[string]int64, batch int, v6 bool, next func() []oracle.Packet, helpers ...model.Helper) {
	t.Helper()
	total, start, shown := 0, time.Now(), 0
	for {
		var sequences [][]oracle.Packet
		for len(sequences) < batch {
			s := next()
			if s == nil {
				break
			}
			sequences = append(sequences, s)
		}
		if len(sequences) == 0 {
			break
		}
		total += len(sequences)
		b := openBench(t, settings, helpers...)
		bad := b.run(sequences, v6)
		b.compareExpectCounters(bad)
		b.close()
		for i, diff := range bad {
			if shown++; shown > 6 {
				t.Fatalf("%d divergences in this batch, after %d sequences", len(bad), total)
			}
			small := oracle.Minimize(sequences[i], func(s []oracle.Packet) bool {
				return shown <= 4 && diverges(t, settings, s, v6, helpers...) != ""
			})
			t.Errorf("%v\n  minimised from %v\n  %s\n  first: %s", small, sequences[i], diverges(t, settings, small, v6, helpers...), diff)
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d sequences in %s", total, time.Since(start).Round(time.Millisecond))
}

func diverges(t *testing.T, settings map[string]int64, s []oracle.Packet, v6 bool, helpers ...model.Helper) string {
	b := openBench(t, settings, helpers...)
	defer b.close()
	return b.run([][]oracle.Packet{s}, v6)[0]
}

// enumerate gives every sequence of an alphabet up to a depth, one a call.
func enumerate(alphabet []oracle.Packet, depth int) func() []oracle.Packet {
	var all [][]oracle.Packet
	oracle.Enumerate(alphabet, depth, func(s []oracle.Packet) { all = append(all, slices.Clone(s)) })
	return func() []oracle.Packet {
		if len(all) == 0 {
			return nil
		}
		s := all[0]
		all = all[1:]
		return s
	}
}

// number reads a count from the environment, for longer runs than a test's.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func TestEnumeratedTCP(t *testing.T) {
	check(t, nil, 5000, false, enumerate(oracle.TCPAlphabet(), number("CTK_DEPTH", 3)))
}

func TestEnumeratedDatagrams(t *testing.T) {
	for name, alphabet := range map[string][]oracle.Packet{"udp": oracle.UDPAlphabet(), "other": oracle.OtherAlphabet(), "icmp": oracle.ICMPAlphabet(), "sctp": oracle.SCTPAlphabet()} {
		t.Run(name, func(t *testing.T) {
			depth := 3
			if len(alphabet) > 16 {
				depth = 2
			}
			check(t, nil, 2000, false, enumerate(alphabet, depth))
		})
	}
}

func random(n, length int, make func(r *rand.Rand, length int) []oracle.Packet, seed uint64) func() []oracle.Packet {
	r := rand.New(rand.NewPCG(seed, 7))
	return func() []oracle.Packet {
		if n--; n < 0 {
			return nil
		}
		return make(r, 2+r.IntN(length-1))
	}
}

func TestRandomTCP(t *testing.T) {
	n := number("CTK_SEQUENCES", 4000)
	for name, settings := range map[string]map[string]int64{"default": nil, "loose0": {"tcp_loose": 0}, "liberal": {"tcp_be_liberal": 1},
		"ignore_rst": {"tcp_ignore_invalid_rst": 1}, "retrans0": {"tcp_max_retrans": 0}, "nochecksum": {"checksum": 0}} {
		t.Run(name, func(t *testing.T) {
			check(t, settings, 5000, name == "liberal", random(n, 14, oracle.RandomTCP, uint64(number("CTK_SEED", 1))))
		})
	}
}

func TestRandomSCTP(t *testing.T) { checkRandom(t, oracle.SCTPAlphabet(), false) }

func TestRandomIPv6(t *testing.T) {
	for name, alphabet := range map[string][]oracle.Packet{"udp": oracle.UDPAlphabet(), "udplite": oracle.UDPLiteAlphabet(), "icmpv6": oracle.ICMPv6Alphabet(),
		"sctp": oracle.SCTPAlphabet(), "other": oracle.OtherAlphabet()} {
		t.Run(name, func(t *testing.T) { checkRandom(t, alphabet, true) })
	}
	t.Run("tcp", func(t *testing.T) {
		check(t, nil, 2000, true, random(number("CTK_SEQUENCES", 4000), 14, oracle.RandomTCP, uint64(number("CTK_SEED", 1))))
	})
}

func TestRandomIPv4(t *testing.T) {
	for name, alphabet := range map[string][]oracle.Packet{"udp": oracle.UDPAlphabet(), "udplite": oracle.UDPLiteAlphabet(), "icmp": oracle.ICMPAlphabet(),
		"other": oracle.OtherAlphabet()} {
		t.Run(name, func(t *testing.T) { checkRandom(t, alphabet, false) })
	}
}

func checkRandom(t *testing.T, alphabet []oracle.Packet, v6 bool) {
	t.Helper()
	check(t, nil, 2000, v6, random(number("CTK_SEQUENCES", 4000), 8, func(r *rand.Rand, n int) []oracle.Packet {
		return oracle.Random(r, alphabet, n)
	}, uint64(number("CTK_SEED", 1))))
}
