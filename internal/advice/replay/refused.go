package replay

import (
	"cmp"
	"math"
	"math/bits"
	"net/netip"
	"slices"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Service is a protocol and, where it has ports, the lower of the two: the direction of a flow picked up
// from the middle says nothing of who opened it.
type Service struct {
	Proto flow.Proto
	Port  uint16
}

// Share is how many of something one key has. The true number lies in [Count, Count+Error].
type Share[K comparable] struct {
	Key          K
	Count, Error uint64
}

// top counts by key in bounded memory (Misra and Gries): when a new key finds no room, every count goes
// down by one, which is the error of all.
type top[K comparable] struct {
	limit  int
	counts map[K]uint64
	err    uint64
}

func newTop[K comparable](limit int) top[K] { return top[K]{limit: limit, counts: map[K]uint64{}} }

func (t *top[K]) add(k K) {
	if _, known := t.counts[k]; known || len(t.counts) < t.limit {
		t.counts[k]++
		return
	}
	t.err++
	for k, n := range t.counts {
		if n == 1 {
			delete(t.counts, k)
		} else {
			t.counts[k] = n - 1
		}
	}
}

// best are the n keys with the highest counts, ties in the order of less.
func (t *top[K]) best(n int, less func(a, b K) int) []Share[K] {
	out := make([]Share[K], 0, len(t.counts))
	for k, c := range t.counts {
		out = append(out, Share[K]{k, c, t.err})
	}
	slices.SortFunc(out, func(a, b Share[K]) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), less(a.Key, b.Key))
	})
	return out[:min(n, len(out))]
}

const (
	topKeys   = 1024
	topShown  = 10
	hllBits   = 12
	hllBucket = 1 << hllBits
)

// refusals are the packets that a full table refused.
type refusals struct {
	packets  uint64
	protos   [256]uint64
	sources  top[netip.Addr]
	services top[Service]
	// flows estimates how many flows they were of (HyperLogLog).
	flows [hllBucket]uint8
}

func newRefusals() refusals {
	return refusals{sources: newTop[netip.Addr](topKeys), services: newTop[Service](topKeys)}
}

func (r *refusals) add(p *packet.Packet) {
	r.packets++
	r.protos[p.Proto()]++
	t := p.Key.Tuple(p.Turn)
	r.sources.add(address(t.Src, t.Family))
	r.services.add(serviceOf(t))
	h := p.Hash * 0x9e3779b97f4a7c15
	i := h >> (64 - hllBits)
	r.flows[i] = max(r.flows[i], uint8(bits.LeadingZeros64(h<<hllBits|1)+1))
}

// byProtocol are all protocols with refused packets, the most first.
func (r *refusals) byProtocol() (out []Share[flow.Proto]) {
	for proto, n := range r.protos {
		if n > 0 {
			out = append(out, Share[flow.Proto]{Key: flow.Proto(proto), Count: n})
		}
	}
	slices.SortStableFunc(out, func(a, b Share[flow.Proto]) int { return cmp.Compare(b.Count, a.Count) })
	return out
}

func address(a [16]byte, family uint8) netip.Addr {
	if family == 4 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(a)
}

func serviceOf(t packet.Tuple) Service {
	s := Service{Proto: flow.Proto(t.Proto)}
	if s.Proto != flow.ICMP && s.Proto != flow.ICMPv6 {
		s.Port = min(t.SPort, t.DPort)
	}
	return s
}

// distinct is how many flows the refused packets were of, within some 2 % (1.04/√4096).
func (r *refusals) distinct() uint64 {
	sum, zeros := 0.0, 0
	for _, n := range r.flows {
		sum += math.Ldexp(1, -int(n))
		if n == 0 {
			zeros++
		}
	}
	m := float64(hllBucket)
	est := 0.7213 / (1 + 1.079/m) * m * m / sum
	if est < 2.5*m && zeros > 0 {
		est = m * math.Log(m/float64(zeros))
	}
	return min(uint64(math.Round(est)), r.packets)
}
