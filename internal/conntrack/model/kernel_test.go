package model_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/model"
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
	t.Logf("%d sequences, %d packets in %s; %d tables torn, %d batches played again", found.Sequences, found.Packets, time.Since(start).Round(time.Millisecond),
		found.Torn, found.Again)
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
	for _, k := range differ.Kinds() {
		if len(k.Asks) > 0 {
			t.Run(k.Name, func(t *testing.T) {
				check(t, differ.Options{V6: k.V6}, 400, k.Changed(number("CTK_BATCHES", 1), 400, seed()))
			})
		}
	}
}

// TestTimePasses lets time pass between packets: timers run, run out, and are cut, in both.
func TestTimePasses(t *testing.T) {
	for _, k := range differ.Kinds() {
		if len(k.Asks) > 0 && (!k.V6 || !k.Real()) {
			t.Run(k.Name, func(t *testing.T) {
				check(t, differ.Options{V6: k.V6}, 400, k.Waited(number("CTK_BATCHES", 1), 400, seed()))
			})
		}
	}
}

// TestTimeAndChanges does both at once.
func TestTimeAndChanges(t *testing.T) {
	for _, k := range differ.Kinds() {
		if len(k.Asks) > 0 && !k.Real() {
			t.Run(k.Name, func(t *testing.T) {
				check(t, differ.Options{V6: k.V6}, 400, k.Mixed(number("CTK_BATCHES", 1), 400, seed()))
			})
		}
	}
}

// TestEverySettingChanges: what a sequence may change is every setting of the registry that a namespace of this
// kernel has and the model knows; the others are the machine's.
func TestEverySettingChanges(t *testing.T) {
	machines := []string{"max", "buckets", "expect_max"} // which all namespaces share
	for _, name := range model.Names() {
		if slices.Contains(differ.Changeable(), name) == slices.Contains(machines, name) {
			t.Errorf("%s is not changed in a test, or in two", name)
		}
	}
	asked := map[string]bool{}
	for _, k := range differ.Kinds() {
		for _, name := range differ.Changeable() {
			for _, prefix := range k.Asks {
				asked[name] = asked[name] || strings.HasPrefix(name, prefix)
			}
		}
	}
	for _, name := range differ.Changeable() {
		if !asked[name] {
			t.Errorf("no kind of talk changes %s", name)
		}
	}
}

// FuzzAgainstKernel plays sequences made of any bytes to both: the first says of what kind, the others are its dice.
func FuzzAgainstKernel(f *testing.F) {
	lab.Need(f)
	kinds := differ.Kinds()
	for i := range kinds {
		for n := range byte(3) {
			f.Add([]byte{byte(i), 1, 2, 3, n, 5, 8, 13, 21, 34, 55, 89, 144, 233})
		}
	}
	benches := map[int]*differ.Bench{} // a kernel for each kind, used again and again
	f.Cleanup(func() {
		for _, b := range benches {
			if err := b.Kernel.Close(); err != nil {
				f.Error(err)
			}
		}
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 2 || len(in) > 400 {
			return
		}
		n := int(in[0]) % len(kinds)
		r, o := rand.New(&dice{rest: in[1:]}), differ.Options{V6: kinds[n].V6, Helpers: kinds[n].Helpers}
		s := kinds[n].Talk(r, 1+r.IntN(kinds[n].Length))
		b, err := benches[n], error(nil)
		if b == nil {
			b, err = openAgain(o)
			benches[n] = b
		} else {
			err = b.Reset()
		}
		if err != nil {
			t.Fatal(err)
		}
		bad, err := b.Run([][]oracle.Packet{s})
		if err != nil {
			t.Fatal(err)
		}
		if len(bad) > 0 {
			check(t, o, 1, differ.List(s))
		}
	})
}

// openAgain opens a kernel that is used more than once.
func openAgain(o differ.Options) (*differ.Bench, error) {
	k, err := oracle.Open("fuzz")
	if err != nil {
		return nil, err
	}
	b, err := differ.Open(k, o)
	if err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return b, nil
}

// dice are random numbers that the input decides, two bytes each; when those are used up they go on by themselves, and
// never repeat: math/rand draws again when it does not like a number.
type dice struct {
	rest  []byte
	drawn uint64
}

// Uint64 is the next (splitmix64 over the bytes).
func (d *dice) Uint64() uint64 {
	var b [8]byte
	n := copy(b[:2], d.rest) // two bytes decide, so that a short input is a long sequence
	d.rest = d.rest[n:]
	d.drawn++
	x := binary.LittleEndian.Uint64(b[:]) + d.drawn*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
