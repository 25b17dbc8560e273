package rank

import (
	"cmp"
	"hash/maphash"
	"math/bits"

	"ctkeeper/internal/conntrack/flow"
)

// key is a packed key: an address, a prefix, a protocol with a port, a zone.
type key struct{ hi, lo uint64 }

// pair is two keys, with what services have beside their address.
type pair struct {
	a, b         key
	aPort, bPort uint32
}

// marks are what is counted of a flow beside it.
type marks uint8

const (
	isAssured marks = 1 << iota
	isHalfOpen
	isClosing
	isIdleLong
	isIdleUnknown

	allMarks = isAssured | isHalfOpen | isClosing | isIdleLong | isIdleUnknown
)

// has is 1 if one of them is among the marks, else 0, without a branch that could be foretold wrongly.
func (m marks) has(one marks) uint32 { return uint32(m&one) / uint32(one) }

// marksOf are the marks that every ranking counts.
func marksOf(fl *flow.Flow) marks {
	var m marks
	if fl.Status&flow.Assured != 0 {
		m = isAssured
	}
	if fl.Status&flow.SeenReply == 0 || fl.State == flow.TCPSynSent || fl.State == flow.TCPSynRecv || fl.State == flow.TCPSynSent2 {
		m |= isHalfOpen
	}
	return m
}

// entry counts the flows of one key.
type entry[K comparable] struct {
	count, assured                           uint32
	key                                      K
	halfOpen, closing, idleLong, idleUnknown uint32
}

// sketch counts by key: exactly while at most limit keys come, by SpaceSaving beyond. Then a new key
// takes the place of one with the least count and starts from that count, which is its error.
type sketch[K comparable] struct {
	seed    [2]uint64
	hash    func(K, *[2]uint64) uint64
	order   func(a, b K) int
	limit   int
	entries []entry[K]
	errors  []uint32 // empty while exact; else the true count of entry n lies in [count-errors[n], count]
	index   []slot   // open addressing, at most half full
	// least is a lower bound of all counts and cursor where the search for it goes on. Counts only
	// grow, so one pass for each value of least finds them all: the search costs no more than the
	// counting did.
	least  uint32
	cursor int

	// Flows wait here until there are many: their places in index and entries are then looked at
	// together, so that the waits for memory, which are most of the cost in a large table, overlap.
	waiting []item[K]
	touched uint32
}

// slot is a place in the index: an entry's number + 1, 0 being free, and its hash, which tells nearly always without a look at
// the entry that it is another's.
type slot struct{ hash, entry uint32 }

// item is one flow that waits to be counted.
type item[K comparable] struct {
	key   K
	hash  uint32
	marks marks
}

// together is how many flows are counted at once.
const together = 256

const firstIndex = 1 << 10

func newSketch[K comparable](limit int, hash func(K, *[2]uint64) uint64, order func(a, b K) int) *sketch[K] {
	s := maphash.MakeSeed() // keys come from whoever sends packets: they must not choose the collisions
	return &sketch[K]{
		hash: hash, order: order, limit: limit, waiting: make([]item[K], 0, together), index: make([]slot, firstIndex),
		seed: [2]uint64{maphash.String(s, "hi"), maphash.String(s, "lo")},
	}
}

func (k key) hash(seed *[2]uint64) uint64 {
	hi, lo := bits.Mul64(k.hi^seed[0], k.lo^seed[1])
	h := hi ^ lo ^ k.hi ^ bits.RotateLeft64(k.lo, 32)
	hi, lo = bits.Mul64(h^seed[1], 0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.hi, o.hi), cmp.Compare(k.lo, o.lo))
}

func (p pair) compare(o pair) int {
	return cmp.Or(p.a.compare(o.a), p.b.compare(o.b), cmp.Compare(p.aPort, o.aPort), cmp.Compare(p.bPort, o.bPort))
}

func (p pair) hash(seed *[2]uint64) uint64 {
	ports := key{uint64(p.aPort), uint64(p.bPort)}
	inner := key{p.a.hash(seed), bits.RotateLeft64(p.b.hash(seed), 32) ^ ports.hash(seed)}
	return inner.hash(seed)
}

// add takes in one flow.
func (s *sketch[K]) add(k K, m marks) {
	s.waiting = append(s.waiting, item[K]{key: k, hash: uint32(s.hash(k, &s.seed)), marks: m})
	if len(s.waiting) == together {
		s.settle()
	}
}

// settle counts the flows that wait.
func (s *sketch[K]) settle() {
	var places [together]uint32
	s.touch(&places)
	for i := range s.waiting {
		w := &s.waiting[i]
		n := int(places[i]) - 1
		if n < 0 || s.entries[n].key != w.key {
			n = s.find(w.key, w.hash)
		}
		s.entries[n].add(w.marks)
	}
	s.waiting = s.waiting[:0]
}

func (e *entry[K]) add(m marks) {
	e.count++
	e.assured += m.has(isAssured)
	e.halfOpen += m.has(isHalfOpen)
	e.closing += m.has(isClosing)
	e.idleLong += m.has(isIdleLong)
	e.idleUnknown += m.has(isIdleUnknown)
}

// touch brings near the processor what the waiting flows will need, by loads that do not depend on each other, and
// notes where each key's entry most likely is.
func (s *sketch[K]) touch(places *[together]uint32) {
	mask := uint32(len(s.index) - 1)
	sum := uint32(0)
	for i := range s.waiting {
		sum += s.index[s.waiting[i].hash&mask].entry
	}
	for i := range s.waiting {
		hash := s.waiting[i].hash
		at := s.index[hash&mask]
		for j := hash + 1; at.hash != hash && at.entry != 0; j++ {
			at = s.index[j&mask]
		}
		places[i] = at.entry
	}
	for _, n := range places[:len(s.waiting)] {
		if n != 0 {
			e := &s.entries[n-1]
			sum += e.count + e.idleUnknown // both ends: it may lie across two cache lines
		}
	}
	s.touched = sum // keeps the loads from being left out
}

// find returns the number of the key's entry and makes one when there is none.
func (s *sketch[K]) find(k K, hash uint32) int {
	mask := uint32(len(s.index) - 1)
	i := hash & mask
	for ; s.index[i].entry != 0; i = (i + 1) & mask {
		if at := s.index[i]; at.hash == hash && s.entries[at.entry-1].key == k {
			return int(at.entry - 1)
		}
	}
	if len(s.entries) == s.limit {
		return s.replace(k, hash)
	}
	if 2*(len(s.entries)+1) > len(s.index) {
		s.grow()
		return s.find(k, hash)
	}
	s.entries = append(s.entries, entry[K]{key: k})
	s.index[i] = slot{hash, uint32(len(s.entries))}
	return len(s.entries) - 1
}

// grow goes from the first small tables to the full ones at once: memory that is never touched costs
// nothing, and copying at each doubling would.
func (s *sketch[K]) grow() {
	s.entries = append(make([]entry[K], 0, s.limit), s.entries...)
	size := firstIndex
	for size < 2*s.limit {
		size *= 2
	}
	old := s.index
	s.index = make([]slot, size)
	for _, at := range old {
		if at.entry != 0 {
			s.place(at)
		}
	}
}

func (s *sketch[K]) place(at slot) {
	mask := uint32(len(s.index) - 1)
	i := at.hash & mask
	for s.index[i].entry != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = at
}

// replace gives the place of a key with the least count to k.
func (s *sketch[K]) replace(k K, hash uint32) int {
	if s.exact() {
		s.errors = append(s.errors, make([]uint32, len(s.entries))...)
	}
	for {
		for ; s.cursor < len(s.entries); s.cursor++ {
			n := s.cursor
			e := &s.entries[n]
			if e.count > s.least {
				continue
			}
			s.remove(slot{uint32(s.hash(e.key, &s.seed)), uint32(n + 1)})
			*e = entry[K]{key: k, count: e.count}
			s.errors[n] = e.count
			s.place(slot{hash, uint32(n + 1)})
			s.cursor++
			return n
		}
		s.cursor = 0
		s.least++
	}
}

// exact reports whether every key has its own entry.
func (s *sketch[K]) exact() bool { return len(s.errors) == 0 }

// errorOf is by how much the count of an entry may be too large.
func (s *sketch[K]) errorOf(n int32) uint32 {
	if s.exact() {
		return 0
	}
	return s.errors[n]
}

// lowest is the least count.
func (s *sketch[K]) lowest() uint32 {
	low := ^uint32(0)
	for i := range s.entries {
		low = min(low, s.entries[i].count)
	}
	return low
}

// remove takes an entry out of the index and closes the gap.
func (s *sketch[K]) remove(gone slot) {
	mask := uint32(len(s.index) - 1)
	gap := gone.hash & mask
	for s.index[gap].entry != gone.entry {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; s.index[i].entry != 0; i = (i + 1) & mask {
		if (i-s.index[i].hash)&mask >= (i-gap)&mask {
			s.index[gap] = s.index[i]
			gap = i
		}
	}
	s.index[gap] = slot{}
}

func (s *sketch[K]) reset() {
	s.entries, s.waiting = s.entries[:0], s.waiting[:0]
	clear(s.index)
	s.least, s.cursor, s.errors = 0, 0, s.errors[:0]
}
