package oracle

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

func open(t testing.TB) *Kernel {
	t.Helper()
	lab.Need(t)
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no TUN device:", err)
	}
	k, err := Open("oracle")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// pair returns the two ends of the nth conversation of a run.
func pair(n int, v6 bool) (a, b netip.AddrPort) {
	if v6 {
		src := netip.MustParseAddr("fd00:1::").As16()
		binary.BigEndian.PutUint32(src[12:], uint32(n)+1)
		return netip.AddrPortFrom(netip.AddrFrom16(src), 1000), netip.MustParseAddrPort("[fd00:2::1]:80")
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), 1000), netip.MustParseAddrPort("10.2.0.1:80")
}

func TestFeedReportsWhatConntrackSays(t *testing.T) {
	k := open(t)
	new, inv := Report{Result: New}, Report{Result: Invalid}
	est, rep := Report{Result: Established}, Report{Result: Established, Reply: true}
	for name, c := range map[string]struct {
		packets []Packet
		want    []Report
		v6      bool
	}{
		"tcp": {[]Packet{
			Segment{Flags: SYN, Window: 1000, WScale: 7}, Segment{Reply: true, Flags: SYN | ACK, Window: 1000, WScale: 7},
			Segment{Flags: ACK, Window: 1000}, Segment{Flags: ACK | PSH, Len: 10, Window: 1000},
			Segment{Flags: ACK, SeqOff: 1 << 30, Window: 1000},
		}, []Report{new, rep, est, est, inv}, false},
		"tcp over ipv6":    {[]Packet{Segment{Flags: SYN, WScale: -1}, Segment{Reply: true, Flags: SYN | ACK, WScale: -1}}, []Report{new, rep}, true},
		"bad tcp checksum": {[]Packet{Segment{Flags: SYN, WScale: -1, BadSum: true}}, []Report{inv}, false},
		"udp":              {[]Packet{Datagram{Proto: 17, Len: 4}, Datagram{Proto: 17, Reply: true}, Datagram{Proto: 17, BadSum: true}}, []Report{new, rep, inv}, false},
		"ping":             {[]Packet{Datagram{Proto: 1, Type: 8}, Datagram{Proto: 1, Reply: true}, Datagram{Proto: 1, Type: 8}}, []Report{new, rep, est}, false},
		"sctp": {[]Packet{
			Association{Chunks: []byte{SCTPInit}, Tag: TagZero}, Association{Chunks: []byte{SCTPInitAck}, Reply: true},
			Association{Chunks: []byte{SCTPCookieEcho}}, Association{Chunks: []byte{SCTPCookieAck}, Reply: true},
			Association{Chunks: []byte{SCTPData}, Tag: TagWrong},
		}, []Report{new, rep, est, rep, inv}, false},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 300 // more than one burst
			conversations := make([]*Conversation, n)
			for i := range conversations {
				a, b := pair(i, c.v6)
				conversations[i] = NewConversation(a, b, uint32(i))
			}
			for step, p := range c.packets {
				packets, reports := make([][]byte, n), make([]Report, n)
				for i, conversation := range conversations {
					packets[i] = conversation.Append(nil, p)
				}
				if err := k.Feed(packets, reports); err != nil {
					t.Fatal(err)
				}
				for i, got := range reports {
					if got.Result != c.want[step].Result || got.Reply != c.want[step].Reply {
						t.Fatalf("step %d (%s), conversation %d: %v, want %v", step, p, i, got, c.want[step])
					}
				}
			}
		})
	}
}

func TestFeedRefusesWhatItCannotNumber(t *testing.T) {
	k := open(t)
	if err := k.Feed(make([][]byte, 2), make([]Report, 1)); err == nil {
		t.Error("two packets and one report were taken")
	}
	reports := make([]Report, 1)
	if err := k.Feed([][]byte{{1, 2, 3}}, reports); err != nil || reports[0].Result != Lost {
		t.Errorf("three bytes that are no packet: %v, %v", reports[0], err)
	}
}

func TestEnumerate(t *testing.T) {
	var got []string
	a, b := Datagram{Proto: 17}, Datagram{Proto: 17, Reply: true}
	Enumerate([]Packet{a, b}, 2, func(s []Packet) { got = append(got, fmt.Sprint(s)) })
	want := fmt.Sprint([]string{"[>proto=17]", "[<proto=17]", "[>proto=17 >proto=17]", "[>proto=17 <proto=17]", "[<proto=17 >proto=17]", "[<proto=17 <proto=17]"})
	if fmt.Sprint(got) != want {
		t.Errorf("Enumerate = %v", got)
	}
}

func TestMinimize(t *testing.T) {
	sequence := RandomTCP(rand.New(rand.NewPCG(1, 2)), 20)
	sequence[7] = Segment{Flags: SYN | FIN | RST, Window: 42, WScale: -1}
	got := Minimize(sequence, func(s []Packet) bool {
		return strings.Contains(fmt.Sprint(s), "win=42")
	})
	if len(got) != 1 || !strings.Contains(got[0].String(), "FSR") {
		t.Errorf("Minimize = %v", got)
	}
}

func BenchmarkFeed(b *testing.B) {
	k := open(b)
	const n = 4096
	packets, reports := make([][]byte, n), make([]Report, n)
	for i := range packets {
		x, y := pair(i, false)
		packets[i] = NewConversation(x, y, 1).Append(nil, Segment{Flags: SYN, Window: 1000, WScale: -1})
	}
	for b.Loop() {
		if err := k.Feed(packets, reports); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/packet")
}
