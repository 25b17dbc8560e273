package model_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"ctkeeper/internal/lab"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// openBench makes a namespace of the running kernel with a model beside it, and shares the machine.
func openBench(t *testing.T, o differ.Options) (*differ.Bench, *oracle.Kernel) {
	t.Helper()
	lab.Share(t)
	return openAlone(t, o)
}

// openAlone does the same for a test that holds the machine already.
func openAlone(t *testing.T, o differ.Options) (*differ.Bench, *oracle.Kernel) {
	t.Helper()
	k, err := oracle.Open("model")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	b, err := differ.Open(k, o)
	if err != nil {
		t.Fatal(err)
	}
	return b, k
}

// check plays what next gives, in batches, and reports divergences, the first ones minimised and kept as cases.
func check(t *testing.T, o differ.Options, batch int, next func() []oracle.Packet) {
	t.Helper()
	lab.Need(t)
	start := time.Now()
	found, err := differ.Check(differ.RunningKernel, o, batch, next)
	if err != nil {
		t.Error(err)
	}
	for _, d := range found.Divergences {
		name, err := d.Write(cases)
		if err != nil {
			t.Error(err)
		}
		t.Errorf("%s: %s", name, d)
	}
	t.Logf("%d sequences, %d packets in %s; %d tables torn", found.Sequences, found.Packets, time.Since(start).Round(time.Millisecond), found.Torn)
}

// cases holds every divergence that was ever found.
const cases = "testdata/cases"

// TestCases plays every divergence that was ever found again.
func TestCases(t *testing.T) {
	all, err := differ.ReadCases(cases)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d cases in %s", len(all), cases)
	}
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			check(t, c.Options, 1, differ.List(c.Sequence))
		})
	}
}

// enumerate gives every sequence of an alphabet up to a depth, one a call.
func enumerate(alphabet []oracle.Packet, depth int) func() []oracle.Packet {
	var all [][]oracle.Packet
	oracle.Enumerate(alphabet, depth, func(s []oracle.Packet) { all = append(all, slices.Clone(s)) })
	return differ.List(all...)
}

func seed() uint64 { return uint64(number("CTK_SEED", 1)) }

// number reads a count from the environment, for longer runs than a test's.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func TestEnumeratedTCP(t *testing.T) {
	check(t, differ.Options{}, 5000, enumerate(oracle.TCPAlphabet(), number("CTK_DEPTH", 3)))
}

func TestEnumeratedDatagrams(t *testing.T) {
	for name, alphabet := range map[string][]oracle.Packet{"udp": oracle.UDPAlphabet(), "other": oracle.OtherAlphabet(), "icmp": oracle.ICMPAlphabet(), "sctp": oracle.SCTPAlphabet()} {
		t.Run(name, func(t *testing.T) {
			depth := 3
			if len(alphabet) > 16 {
				depth = 2
			}
			check(t, differ.Options{}, 2000, enumerate(alphabet, depth))
		})
	}
}

func TestRandomTCP(t *testing.T) {
	n := number("CTK_SEQUENCES", 4000)
	for name, settings := range map[string]map[string]int64{"default": nil, "loose0": {"tcp_loose": 0}, "liberal": {"tcp_be_liberal": 1},
		"ignore_rst": {"tcp_ignore_invalid_rst": 1}, "retrans0": {"tcp_max_retrans": 0}, "nochecksum": {"checksum": 0}} {
		t.Run(name, func(t *testing.T) {
			check(t, differ.Options{Settings: settings, V6: name == "liberal"}, 5000, differ.Random(n, 14, oracle.RandomTCP, seed()))
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
		check(t, differ.Options{V6: true}, 2000, differ.Random(number("CTK_SEQUENCES", 4000), 14, oracle.RandomTCP, seed()))
	})
}

func TestRandomIPv4(t *testing.T) {
	for name, alphabet := range map[string][]oracle.Packet{"udp": oracle.UDPAlphabet(), "udplite": oracle.UDPLiteAlphabet(), "icmp": oracle.ICMPAlphabet(),
		"other": oracle.OtherAlphabet(), "gre": oracle.GREAlphabet()} {
		t.Run(name, func(t *testing.T) { checkRandom(t, alphabet, false) })
	}
}

func checkRandom(t *testing.T, alphabet []oracle.Packet, v6 bool) {
	t.Helper()
	check(t, differ.Options{V6: v6}, 2000, differ.Random(number("CTK_SEQUENCES", 4000), 8, differ.Of(alphabet), seed()))
}

// TestChangedSettings changes settings of the tracker while its sequences are under way, in both.
func TestChangedSettings(t *testing.T) {
	batches := number("CTK_BATCHES", 2)
	for name, c := range changed {
		t.Run(name, func(t *testing.T) {
			check(t, differ.Options{V6: c.v6}, 500, differ.Interrupted(batches, 500, 10, c.talk, differ.Changes(c.kinds...), seed()))
		})
	}
}

// changed are the talks of each tracker with the settings that it asks.
var changed = map[string]struct {
	talk  differ.Talk
	v6    bool
	kinds []string
}{
	"tcp":     {oracle.RandomTCP, false, []string{"tcp_", "checksum", "acct", "timestamp", "log_invalid"}},
	"udp":     {differ.Of(oracle.UDPAlphabet()), false, []string{"udp_", "checksum", "acct", "timestamp", "log_invalid"}},
	"udplite": {differ.Of(oracle.UDPLiteAlphabet()), true, []string{"udp_", "checksum", "log_invalid"}},
	"icmp":    {differ.Of(oracle.ICMPAlphabet()), false, []string{"icmp_", "checksum", "acct", "timestamp", "log_invalid"}},
	"icmpv6":  {differ.Of(oracle.ICMPv6Alphabet()), true, []string{"icmpv6_", "checksum", "acct", "log_invalid"}},
	"sctp":    {differ.Of(oracle.SCTPAlphabet()), false, []string{"sctp_", "checksum", "acct", "log_invalid"}},
	"gre":     {differ.Of(oracle.GREAlphabet()), false, []string{"gre_", "acct", "timestamp"}},
	"other":   {differ.Of(oracle.OtherAlphabet()), true, []string{"generic_", "acct", "timestamp"}},
}

// TestTimePasses lets time pass between packets: timers run, run out, and are cut, in both.
func TestTimePasses(t *testing.T) {
	batches := number("CTK_BATCHES", 1)
	waits := differ.Waits(5*time.Second, 12*time.Second, 45*time.Second, 70*time.Second, 130*time.Second, 200*time.Second, 301*time.Second, 24*time.Hour, 5*24*time.Hour)
	for name, c := range changed {
		t.Run(name, func(t *testing.T) {
			check(t, differ.Options{V6: c.v6}, 500, differ.Interrupted(batches, 500, 10, c.talk, waits, seed()))
		})
	}
}

// TestTimeAndChanges does both at once.
func TestTimeAndChanges(t *testing.T) {
	waits := differ.Waits(7*time.Second, 50*time.Second, 160*time.Second, 700*time.Second, 24*time.Hour)
	for name, c := range changed {
		if name == "udp" {
			continue // whose waits are slept in truth: TestTimePasses
		}
		t.Run(name, func(t *testing.T) {
			changes := differ.Changes(c.kinds...)
			between := func(r *rand.Rand) oracle.Packet {
				if r.IntN(2) == 0 {
					return waits(r)
				}
				return changes(r)
			}
			check(t, differ.Options{V6: c.v6}, 500, differ.Interrupted(number("CTK_BATCHES", 2), 500, 10, c.talk, between, seed()))
		})
	}
}
