package oracle

import (
	"math/rand/v2"
)

// TCPAlphabet are the packets that enumerated TCP sequences are made of: every flag class in both
// directions, and those an attacker or a confused peer sends: bare FIN, no flags, SYN+FIN, out of the window
// on either side, acknowledging what was never sent.
func TCPAlphabet() []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		seg := func(flags byte, length uint16) Segment {
			return Segment{Reply: reply, Flags: flags, Len: length, Window: 5000, WScale: -1}
		}
		syn, data, rst, old := seg(SYN, 0), seg(ACK|PSH, 100), seg(RST, 0), seg(ACK, 10)
		syn.WScale = 2
		ahead, unseen, resetAhead := data, seg(ACK, 0), rst
		ahead.SeqOff, unseen.AckOff, old.SeqOff, resetAhead.SeqOff = 1<<20, 1<<20, -(1 << 20), 1000
		all = append(all, syn, seg(SYN|ACK, 0), seg(ACK, 0), data, seg(FIN|ACK, 0), rst, seg(RST|ACK, 0),
			ahead, unseen, old, resetAhead, seg(FIN, 0), seg(0, 0), seg(SYN|FIN, 0))
	}
	return all
}

// UDPAlphabet are the packets of enumerated UDP sequences.
func UDPAlphabet() []Packet { return datagrams(17) }

// OtherAlphabet are the packets of enumerated sequences of a protocol that conntrack has no tracker for.
func OtherAlphabet() []Packet { return datagrams(99) }

func datagrams(proto byte) []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		all = append(all, Datagram{Proto: proto, Reply: reply}, Datagram{Proto: proto, Reply: reply, Len: 40})
		if proto == 17 {
			all = append(all, Datagram{Proto: proto, Reply: reply, BadSum: true}, Datagram{Proto: proto, Reply: reply, BadLen: true})
		}
	}
	return all
}

// ICMPAlphabet are the packets of enumerated ICMP sequences: queries and answers of each kind, with a code
// that differs, and types that open nothing.
func ICMPAlphabet() []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		for _, kind := range []byte{0, 8, 13, 14, 15, 17, 9, 30, 200} {
			all = append(all, Datagram{Proto: 1, Type: kind, Reply: reply})
		}
		all = append(all, Datagram{Proto: 1, Type: 8, Code: 5, Reply: reply}, Datagram{Proto: 1, Type: 0, Code: 5, Reply: reply},
			Datagram{Proto: 1, Type: 8, Reply: reply, BadSum: true})
	}
	return all
}

// ICMPv6Alphabet is the same for ICMPv6, with what is never tracked.
func ICMPv6Alphabet() []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		for _, kind := range []byte{128, 129, 139, 140, 1, 2, 130, 133, 134, 135, 136, 137, 138, 143, 151, 160, 200} {
			all = append(all, Datagram{Proto: 58, Type: kind, Reply: reply})
		}
		all = append(all, Datagram{Proto: 58, Type: 128, Code: 5, Reply: reply}, Datagram{Proto: 58, Type: 129, Code: 5, Reply: reply},
			Datagram{Proto: 58, Type: 128, Reply: reply, BadSum: true}, Datagram{Proto: 58, Type: 137, Len: 40, Reply: reply})
	}
	return all
}

// GREAlphabet are the packets of GRE sequences: without a version's meaning, and of PPTP calls that nobody agreed.
func GREAlphabet() []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		all = append(all, Call{Reply: reply}, Call{Reply: reply, Version: 1, ID: 9}, Call{Reply: reply, Version: 1, ID: 10}, Call{Reply: reply, Version: 2})
	}
	return all
}

// UDPLiteAlphabet are the packets of UDPLite sequences.
func UDPLiteAlphabet() []Packet { return datagrams(136) }

// SCTPAlphabet are the packets of enumerated SCTP sequences.
func SCTPAlphabet() []Packet {
	var all []Packet
	for _, reply := range []bool{false, true} {
		one := func(kind byte, tag Tag) {
			all = append(all, Association{Chunks: []byte{kind}, Reply: reply, Tag: tag})
		}
		one(SCTPInit, TagZero)
		for _, kind := range []byte{SCTPData, SCTPInitAck, SCTPHeartbeat, SCTPHeartbeatAck, SCTPAbort, SCTPShutdown,
			SCTPShutdownAck, SCTPError, SCTPCookieEcho, SCTPCookieAck, SCTPShutdownComplete} {
			one(kind, TagPeer)
		}
		one(SCTPInit, TagPeer)
		one(SCTPAbort, TagWrong)
		one(SCTPData, TagWrong)
		all = append(all, Association{Chunks: []byte{SCTPCookieEcho, SCTPData}, Reply: reply})
	}
	return all
}

// Enumerate calls fn with every sequence of the alphabet up to a depth, shorter ones first. The slice is
// reused.
func Enumerate(alphabet []Packet, depth int, fn func([]Packet)) {
	for n := 1; n <= depth; n++ {
		index := make([]int, n)
		sequence := make([]Packet, n)
		for more := true; more; {
			for i, at := range index {
				sequence[i] = alphabet[at]
			}
			fn(sequence)
			more = count(index, len(alphabet))
		}
	}
}

// count moves a number in the given base on by one; it is false after the last.
func count(index []int, base int) bool {
	for i := len(index) - 1; i >= 0; i-- {
		if index[i]++; index[i] < base {
			return true
		}
		index[i] = 0
	}
	return false
}

// RandomTCP makes a TCP sequence: mostly what stacks send, with anything at all between.
func RandomTCP(r *rand.Rand, length int) []Packet {
	all := make([]Packet, length)
	for i := range all {
		all[i] = randomSegment(r, i)
	}
	return all
}

// pick chooses one of its arguments.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func randomSegment(r *rand.Rand, i int) Segment {
	s := Segment{Reply: r.IntN(2) == 0, Window: pick[uint16](r, 0, 1, 100, 5000, 65535), WScale: -1}
	switch {
	case i < 3 && r.IntN(3) != 0: // begin with a handshake more often than not
		s.Flags, s.Reply = [...]byte{SYN, SYN | ACK, ACK}[i], i == 1
	default:
		s.Flags = pick[byte](r, SYN, SYN|ACK, ACK, ACK, ACK, ACK|PSH, ACK|PSH, FIN|ACK, FIN|ACK, RST, RST|ACK, SYN|URG, ACK|URG, FIN, 0, byte(r.IntN(64)))
	}
	if s.Flags&(ACK|PSH) != 0 && s.Flags&(SYN|RST) == 0 {
		s.Len = pick[uint16](r, 0, 0, 1, 100, 1400)
	}
	if r.IntN(4) == 0 {
		s.SeqOff = offset(r)
	}
	if r.IntN(4) == 0 {
		s.AckOff = offset(r)
	}
	if s.Flags&SYN != 0 {
		s.WScale = pick[int8](r, -1, 0, 2, 7, 14, 15)
		s.SACKOK = r.IntN(2) == 0
	} else if r.IntN(10) == 0 {
		s.SACKOff = pick[int32](r, 1, 100, 1400, 100000)
	}
	s.BadSum = r.IntN(40) == 0
	return s
}

func offset(r *rand.Rand) int32 {
	return pick[int32](r, -1, 1, -2, 2, -100, 100, -1400, 1400, 5000, -5000, 66000, -66000, 70000, -70000, 1<<20, -(1 << 20), 1<<30, int32(r.Uint32()))
}

// Random makes a sequence over an alphabet.
func Random(r *rand.Rand, alphabet []Packet, length int) []Packet {
	all := make([]Packet, length)
	for i := range all {
		all[i] = alphabet[r.IntN(len(alphabet))]
	}
	return all
}

// Minimize shortens a sequence as far as it still fails: packets are left out one by one, and again,
// until none can be.
func Minimize(sequence []Packet, fails func([]Packet) bool) []Packet {
	for shorter := true; shorter; {
		shorter = false
		for i := 0; i < len(sequence); i++ {
			candidate := append(append([]Packet(nil), sequence[:i]...), sequence[i+1:]...)
			if len(candidate) > 0 && fails(candidate) {
				sequence, shorter = candidate, true
				i--
			}
		}
	}
	return sequence
}
