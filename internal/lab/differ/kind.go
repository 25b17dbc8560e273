package differ

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/lab/oracle"
)

// Kind is what a tracker is talked to with.
type Kind struct {
	Name    string
	Talk    Talk
	Length  int // the most packets of a sequence
	V6      bool
	Helpers []model.Helper
	// Asks are prefixes of the settings that its tracker asks; a kind without is played without interruption.
	Asks []string
}

// Kinds are all trackers and helpers, over both families.
func Kinds() []Kind {
	common := []string{"checksum", "acct", "timestamp", "log_invalid"}
	var all []Kind
	for _, k := range []struct {
		name     string
		talk     Talk
		families []bool
		asks     string
	}{
		{"tcp", oracle.RandomTCP, both, "tcp_"}, {"udp", Of(oracle.UDPAlphabet()), both, "udp_"}, {"udplite", Of(oracle.UDPLiteAlphabet()), both, "udp_"},
		{"icmp", Of(oracle.ICMPAlphabet()), []bool{false}, "icmp_"}, {"icmpv6", Of(oracle.ICMPv6Alphabet()), []bool{true}, "icmpv6_"},
		{"sctp", Of(oracle.SCTPAlphabet()), both, "sctp_"}, {"gre", Of(oracle.GREAlphabet()), both, "gre_"}, {"other", Of(oracle.OtherAlphabet()), both, "generic_"},
	} {
		for _, v6 := range k.families {
			all = append(all, Kind{Name: named(k.name, v6), Talk: k.talk, Length: 14, V6: v6, Asks: append([]string{k.asks}, common...)})
		}
	}
	for _, v6 := range both {
		all = append(all, Kind{Name: named("ftp", v6), Talk: FTP(), Length: 14, V6: v6, Helpers: []model.Helper{{Kind: model.FTP, Port: 21}}})
	}
	return append(all, Kind{Name: "pptp", Talk: PPTP(true), Length: 20, Helpers: []model.Helper{{Kind: model.PPTP, Port: 1723}}})
}

var both = []bool{false, true}

func named(name string, v6 bool) string {
	if v6 && name != "icmpv6" {
		return name + " over ipv6"
	}
	return name
}

// Opened begins a random sequence with a handshake and these packets, so that a helper reads what follows.
func Opened(alphabet []oracle.Packet, begin ...oracle.Packet) Talk {
	syn := oracle.Segment{Flags: oracle.SYN, Window: 65535, WScale: 2}
	answer := syn
	answer.Flags, answer.Reply = oracle.SYN|oracle.ACK, true
	return func(r *rand.Rand, n int) []oracle.Packet {
		s := append([]oracle.Packet{syn, answer, oracle.Segment{Flags: oracle.ACK, Window: 65535, WScale: -1}}, begin...)
		return append(s, oracle.Random(r, alphabet, n)...)
	}
}

// Said is a line of text.
func Said(reply bool, text string) oracle.Packet {
	return oracle.Line{Segment: oracle.Segment{Reply: reply, Flags: oracle.ACK | oracle.PSH, Window: 65535, WScale: -1}, Text: text}
}

// FTP talks to the FTP helper.
func FTP() Talk {
	return Opened(oracle.FTPAlphabet(), Said(true, "220 hi\r\n"), Said(false, "NOOP\r\n"))
}

// PPTP talks to the PPTP helper, from the beginning of a session or of a call.
func PPTP(call bool) Talk {
	begin := []oracle.Packet{oracle.Control(false, 1, ""), oracle.Control(true, 2, "\x01\x00\x01")}
	if call {
		begin = append(slices.Clone(begin), oracle.Control(false, 7, "\x00\x01"), oracle.Control(true, 8, "\x00\x09\x00\x01\x01"))
	}
	return Opened(oracle.PPTPAlphabet(), begin...)
}

// Plain gives n sequences of the kind.
func (k Kind) Plain(n int, seed uint64) func() []oracle.Packet {
	return Random(n, k.Length, k.Talk, seed)
}

// Changed gives batches in which settings change, Waited in which time passes, Mixed both.
func (k Kind) Changed(batches, batch int, seed uint64) func() []oracle.Packet {
	return Interrupted(batches, batch, k.Length, k.Talk, Changes(k.Asks...), seed)
}

// Waited gives batches in which time passes.
func (k Kind) Waited(batches, batch int, seed uint64) func() []oracle.Packet {
	return Interrupted(batches, batch, k.Length, k.Talk, waiting, seed)
}

// Mixed gives batches in which settings change and time passes.
func (k Kind) Mixed(batches, batch int, seed uint64) func() []oracle.Packet {
	changes := Changes(k.Asks...)
	return Interrupted(batches, batch, k.Length, k.Talk, func(r *rand.Rand) oracle.Packet {
		if r.IntN(2) == 0 {
			return waiting(r)
		}
		return changes(r)
	}, seed)
}

func waiting(r *rand.Rand) oracle.Packet {
	return Waits(5*time.Second, 12*time.Second, 45*time.Second, 70*time.Second, 130*time.Second, 200*time.Second, 301*time.Second, 700*time.Second,
		24*time.Hour, 5*24*time.Hour)(r)
}

// Real reports whether waits are slept in truth: UDP's rule runs on a clock that cannot be moved.
func (k Kind) Real() bool { return strings.HasPrefix(k.Name, "udp ") || k.Name == "udp" }
