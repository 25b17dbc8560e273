package differ

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/lab/oracle"
)

// Talk is a way to make a random sequence of some length.
type Talk func(r *rand.Rand, length int) []oracle.Packet

// Of makes sequences over an alphabet.
func Of(alphabet []oracle.Packet) Talk {
	return func(r *rand.Rand, n int) []oracle.Packet { return oracle.Random(r, alphabet, n) }
}

// Random gives n sequences of 2 to length packets, one a call, then nil.
func Random(n, length int, talk Talk, seed uint64) func() []oracle.Packet {
	r := rand.New(rand.NewPCG(seed, 7))
	return func() []oracle.Packet {
		if n--; n < 0 {
			return nil
		}
		return talk(r, 2+r.IntN(length-1))
	}
}

// Interrupted gives batches of sequences between whose packets the same changes stand: waits and changed settings,
// at random places. The sequences of a batch are padded by none: a shorter one ends earlier.
func Interrupted(batches, batch, length int, talk Talk, between func(r *rand.Rand) oracle.Packet, seed uint64) func() []oracle.Packet {
	r := rand.New(rand.NewPCG(seed, 11))
	var places []oracle.Packet // nil stands for a packet
	left := 0
	return func() []oracle.Packet {
		if left == 0 {
			if batches--; batches < 0 {
				return nil
			}
			left, places = batch, places[:0]
			for range length {
				if r.IntN(3) == 0 {
					places = append(places, between(r))
				}
				places = append(places, nil)
			}
		}
		left--
		return interleave(places, talk(r, 2+r.IntN(length-1)))
	}
}

func interleave(places []oracle.Packet, talk []oracle.Packet) (all []oracle.Packet) {
	for _, p := range places {
		if p != nil {
			all = append(all, p)
			continue
		}
		if len(talk) == 0 {
			break
		}
		all, talk = append(all, talk[0]), talk[1:]
	}
	return all
}

// changeable are settings of a namespace, and values that differ in what follows.
var changeable = map[string][]int64{
	"tcp_loose": {0, 1}, "tcp_be_liberal": {0, 1}, "tcp_ignore_invalid_rst": {0, 1}, "tcp_max_retrans": {0, 1, 2, 3, 255},
	"checksum": {0, 1}, "acct": {0, 1}, "timestamp": {0, 1}, "log_invalid": {0, 1, 6, 17, 58, 132, 136, 255},
	"generic_timeout": seconds, "icmp_timeout": seconds, "icmpv6_timeout": seconds, "udp_timeout": seconds, "udp_timeout_stream": seconds,
	"gre_timeout": seconds, "gre_timeout_stream": seconds,
	"tcp_timeout_syn_sent": seconds, "tcp_timeout_syn_recv": seconds, "tcp_timeout_established": seconds, "tcp_timeout_fin_wait": seconds,
	"tcp_timeout_close_wait": seconds, "tcp_timeout_last_ack": seconds, "tcp_timeout_time_wait": seconds, "tcp_timeout_close": seconds,
	"tcp_timeout_max_retrans": seconds, "tcp_timeout_unacknowledged": seconds,
	"sctp_timeout_closed": seconds, "sctp_timeout_cookie_wait": seconds, "sctp_timeout_cookie_echoed": seconds, "sctp_timeout_established": seconds,
	"sctp_timeout_shutdown_sent": seconds, "sctp_timeout_shutdown_recd": seconds, "sctp_timeout_shutdown_ack_sent": seconds,
	"sctp_timeout_heartbeat_sent": seconds,
}

var seconds = []int64{20, 60, 140, 300, 620, 3000, 86400, 432000}

// Changeable are the names of the settings that sequences may change, sorted.
func Changeable() []string {
	var names []string
	for name := range changeable {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Changes draws a change of one of the settings that a protocol's tracker asks; kinds are prefixes of their names.
func Changes(kinds ...string) func(r *rand.Rand) oracle.Packet {
	var names []string
	for _, name := range Changeable() {
		if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k string) bool { return strings.HasPrefix(name, k) }) {
			names = append(names, name)
		}
	}
	return func(r *rand.Rand) oracle.Packet {
		name := names[r.IntN(len(names))]
		values := changeable[name]
		return oracle.Setting{Name: name, Value: values[r.IntN(len(values))]}
	}
}

// Waits draws a wait of one of these times.
func Waits(times ...time.Duration) func(r *rand.Rand) oracle.Packet {
	return func(r *rand.Rand) oracle.Packet { return oracle.Wait(times[r.IntN(len(times))]) }
}

// List gives these sequences, one a call, then nil.
func List(all ...[]oracle.Packet) func() []oracle.Packet {
	return func() []oracle.Packet {
		if len(all) == 0 {
			return nil
		}
		s := all[0]
		all = all[1:]
		return s
	}
}
