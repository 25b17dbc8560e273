package rank

import (
	"hash/maphash"
	"math/bits"
)

// key is a packed key: an address, a prefix, a protocol with a port, a zone.
type key struct{ hi, lo uint64 }

// entry counts the flows of one key. The true count lies in [count-err, count].
type entry struct {
	key      key
	count    uint32
	err      uint32
	assured  uint32
	halfOpen uint32
}

// sketch counts by key: exactly while at most limit keys come, by SpaceSaving beyond. Then a new key
// takes the place of one with the least count and starts from that count, which is its error.
type sketch struct {
	seed    [2]uint64
	limit   int
	entries []entry
	index   []uint32 // entry number + 1; 0 is free; open addressing, at most half full
	// least is a lower bound of all counts and cursor where the search for it goes on. Counts only
	// grow, so one pass for each value of least finds them all: the search costs no more than the
	// counting did.
	least  uint32
	cursor int
	full   bool // a key was replaced: no longer exact

	// Flows wait here until there are many: their places in index and entries are then looked at
	// together, so that the waits for memory, which are most of the cost in a large table, overlap.
	waiting []item
	touched uint32
}

// item is one flow that waits to be counted.
type item struct {
	key               key
	hash              uint64
	assured, halfOpen bool
}

// together is how many flows are counted at once.
const together = 64

const firstIndex = 1 << 10

func newSketch(limit int) *sketch {
	s := maphash.MakeSeed() // keys come from whoever sends packets: they must not choose the collisions
	return &sketch{limit: limit, waiting: make([]item, 0, together), index: make([]uint32, firstIndex), seed: [2]uint64{maphash.String(s, "hi"), maphash.String(s, "lo")}}
}

func (s *sketch) hash(k key) uint64 {
	hi, lo := bits.Mul64(k.hi^s.seed[0], k.lo^s.seed[1])
	h := hi ^ lo ^ k.hi ^ bits.RotateLeft64(k.lo, 32)
	hi, lo = bits.Mul64(h^s.seed[1], 0x9e3779b97f4a7c15)
	return hi ^ lo
}

// add takes in one flow.
func (s *sketch) add(k key, assured, halfOpen bool) {
	s.waiting = append(s.waiting, item{key: k, hash: s.hash(k), assured: assured, halfOpen: halfOpen})
	if len(s.waiting) == together {
		s.settle()
	}
}

// settle counts the flows that wait.
func (s *sketch) settle() {
	s.touch()
	for i := range s.waiting {
		w := &s.waiting[i]
		e := s.find(w.key, w.hash)
		e.count++
		if w.assured {
			e.assured++
		}
		if w.halfOpen {
			e.halfOpen++
		}
	}
	s.waiting = s.waiting[:0]
}

// touch brings the places where the waiting flows will most likely be found near the processor: loads
// that do not depend on each other.
func (s *sketch) touch() {
	mask := uint64(len(s.index) - 1)
	var place [together]uint32
	for i := range s.waiting {
		place[i] = s.index[s.waiting[i].hash&mask]
	}
	sum := uint32(0)
	for i := range s.waiting {
		if n := place[i]; n != 0 {
			sum += s.entries[n-1].count
		}
	}
	s.touched = sum // keeps the loads from being left out
}

// find returns the key's entry and makes one when there is none.
func (s *sketch) find(k key, hash uint64) *entry {
	mask := uint64(len(s.index) - 1)
	i := hash & mask
	for ; s.index[i] != 0; i = (i + 1) & mask {
		if e := &s.entries[s.index[i]-1]; e.key == k {
			return e
		}
	}
	if len(s.entries) == s.limit {
		return s.replace(k)
	}
	if 2*(len(s.entries)+1) > len(s.index) {
		s.grow()
		return s.find(k, hash)
	}
	s.entries = append(s.entries, entry{key: k})
	s.index[i] = uint32(len(s.entries))
	return &s.entries[len(s.entries)-1]
}

// grow goes from the first small tables to the full ones at once: memory that is never touched costs
// nothing, and copying at each doubling would.
func (s *sketch) grow() {
	s.entries = append(make([]entry, 0, s.limit), s.entries...)
	size := firstIndex
	for size < 2*s.limit {
		size *= 2
	}
	s.index = make([]uint32, size)
	for n := range s.entries {
		s.place(s.entries[n].key, uint32(n+1))
	}
}

func (s *sketch) place(k key, n uint32) {
	mask := uint64(len(s.index) - 1)
	i := s.hash(k) & mask
	for s.index[i] != 0 {
		i = (i + 1) & mask
	}
	s.index[i] = n
}

// replace gives the place of a key with the least count to k.
func (s *sketch) replace(k key) *entry {
	s.full = true
	for {
		for ; s.cursor < len(s.entries); s.cursor++ {
			if e := &s.entries[s.cursor]; e.count <= s.least {
				s.remove(e.key)
				*e = entry{key: k, count: e.count, err: e.count}
				s.place(k, uint32(s.cursor+1))
				s.cursor++
				return e
			}
		}
		s.cursor = 0
		s.least++
	}
}

// remove takes a key out of the index and closes the gap.
func (s *sketch) remove(k key) {
	mask := uint64(len(s.index) - 1)
	gap := s.hash(k) & mask
	for s.entries[s.index[gap]-1].key != k {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; s.index[i] != 0; i = (i + 1) & mask {
		home := s.hash(s.entries[s.index[i]-1].key) & mask
		if (i-home)&mask >= (i-gap)&mask {
			s.index[gap] = s.index[i]
			gap = i
		}
	}
	s.index[gap] = 0
}

func (s *sketch) reset() {
	s.entries, s.waiting = s.entries[:0], s.waiting[:0]
	clear(s.index)
	s.least, s.cursor, s.full = 0, 0, false
}
