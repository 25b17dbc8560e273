package model

import (
	"math/bits"

	"ctkeeper/internal/conntrack/packet"
)

// lineSlots is how many flows a line of the index holds.
const lineSlots = 7

// line is one cache line of the index. A flow's home line follows from its hash's upper half, in that
// order, so that a range of the hash is a range of lines; when it is full, the flow goes into the next that
// is not. A slot is the hash's upper half and a flow's number + 1. Each of the tags' lower seven bytes is a slot's
// tag, so that one comparison finds the slots worth looking at; the highest counts the flows that passed
// the line because it was full. A look-up goes on to the next line only if there are any.
type line struct {
	tags  uint64
	slots [lineSlots]uint64
}

const (
	passedShift = 56
	passedOne   = 1 << passedShift
	passedMany  = 255 // and more; never counted down
	lowBytes    = 0x01010101010101
	highBits    = 0x80808080808080
	lastSlot    = 0x80 << (8 * (lineSlots - 1)) // its mark
)

// index finds flows by their hash: open addressing in lines.
type index struct {
	lines []line
	shift uint // of a 32-bit hash to its home line; at most 29
	count int  // slots in use
}

func newIndex(capacity int) index {
	bits := uint(3)
	for lineSlots<<bits*3/4 < capacity {
		bits++
	}
	return index{lines: make([]line, 1<<bits), shift: 32 - bits}
}

func (x *index) home(h uint32) uint32 { return h >> (x.shift & 31) }
func (x *index) mask() uint32         { return uint32(len(x.lines) - 1) }

// places is how many places at knows: a line's slots, and one more that is always empty.
func (x *index) places() uint32 { return uint32(len(x.lines)) * (lineSlots + 1) }

// at is the slot at a place, in the order of the lines; 0 when it is empty.
func (x *index) at(place uint32) uint64 {
	if k := place % (lineSlots + 1); k < lineSlots {
		return x.lines[place/(lineSlots+1)].slots[k]
	}
	return 0
}

// candidates marks the slots whose tag is h's: the highest bit of their bytes. Others may be marked too, and
// empty slots look like those with tag 0.
func (l *line) candidates(h uint32) uint64 {
	t := l.tags ^ uint64(uint8(h))*lowBytes
	return (t - lowBytes) &^ t & highBits
}

// slotOf is the slot that the lowest mark stands for.
func slotOf(marks uint64) int { return bits.TrailingZeros64(marks) >> 3 & 7 }

func (l *line) passed() uint64 { return l.tags >> passedShift }

func (l *line) put(k int, slot uint64) {
	l.slots[k] = slot
	l.tags = l.tags&^(0xff<<(8*k)) | slot>>32&0xff<<(8*k)
}

// insert adds a slot; the caller knows that the key is not there.
func (x *index) insert(h, flow uint32) {
	if (x.count+1)*4 > len(x.lines)*lineSlots*3 {
		x.grow()
	}
	x.put(uint64(h)<<32 | uint64(flow+1))
	x.count++
}

func (x *index) put(slot uint64) {
	for i, mask := x.home(uint32(slot>>32)), x.mask(); ; i = (i + 1) & mask {
		l := &x.lines[i]
		for k, s := range &l.slots {
			if s == 0 {
				l.put(k, slot)
				return
			}
		}
		if l.passed() < passedMany {
			l.tags += passedOne
		}
	}
}

func (x *index) grow() {
	old := x.lines
	x.lines = make([]line, 2*len(old))
	x.shift--
	for i := range old {
		for _, s := range &old[i].slots {
			if s != 0 {
				x.put(s)
			}
		}
	}
}

// remove takes a flow's slot out.
func (x *index) remove(h, flow uint32) bool {
	want, mask := uint64(h)<<32|uint64(flow+1), x.mask()
	home := x.home(h)
	for i := home; ; i = (i + 1) & mask {
		l := &x.lines[i]
		for k, s := range &l.slots {
			if s == want {
				l.put(k, 0)
				x.count--
				x.unpass(home, i)
				return true
			}
		}
		if l.passed() == 0 {
			return false
		}
	}
}

// unpass counts a flow down in the lines that it had passed.
func (x *index) unpass(from, to uint32) {
	for i := from; i != to; i = (i + 1) & x.mask() {
		if x.lines[i].passed() < passedMany {
			x.lines[i].tags -= passedOne
		}
	}
}

// find returns the flow of a key, and whether the packet's turn is the flow's original direction. Nearly always it is the
// first candidate of the home line.
func (m *Model) find(k *packet.Key, hash uint64, turn uint8) (flow uint32, dir uint8, ok bool) {
	h := uint32(hash >> 32)
	x := &m.index
	l := &x.lines[x.home(h)]
	if s := l.slots[slotOf(l.candidates(h)|lastSlot)]; uint32(s>>32) == h && s != 0 {
		if hd := m.arena.head(uint32(s) - 1); hd.flags&hNAT == 0 && hd.key.Same(k) {
			return uint32(s) - 1, hd.turn ^ turn, true
		}
	}
	return m.search(k, h, turn)
}

// search is find over all candidates in all lines.
func (m *Model) search(k *packet.Key, h uint32, turn uint8) (flow uint32, dir uint8, ok bool) {
	x := &m.index
	for i, mask := x.home(h), x.mask(); ; i = (i + 1) & mask {
		l := &x.lines[i]
		for marks := l.candidates(h); marks != 0; marks &= marks - 1 {
			s := l.slots[slotOf(marks)]
			if uint32(s>>32) != h || s == 0 {
				continue
			}
			flow = uint32(s) - 1
			hd := m.arena.head(flow)
			if hd.flags&hNAT != 0 {
				if dir, ok = m.matchNAT(hd, k, turn); ok {
					return flow, dir, true
				}
				continue
			}
			if hd.key.Same(k) {
				return flow, hd.turn ^ turn, true
			}
		}
		if l.passed() == 0 {
			return 0, 0, false
		}
	}
}

// matchNAT compares with both tuples of a translated flow, whose directions are not each other's inverse.
func (m *Model) matchNAT(hd *head, k *packet.Key, turn uint8) (dir uint8, ok bool) {
	if turn == hd.turn && hd.key.Same(k) {
		return 0, true
	}
	e := &m.extras[hd.ext-1]
	return 1, turn == e.replyTurn && e.reply.Same(k)
}

// eachIn calls f with every flow whose hash lies in [lo, hi), until f says no more.
func (m *Model) eachIn(lo, hi uint64, f func(flow uint32) bool) bool {
	if lo >= hi {
		return true
	}
	x := &m.index
	end := x.home(uint32(hi-1)) - x.home(uint32(lo))
	for n, i := uint32(0), x.home(uint32(lo)); n <= x.mask(); n++ {
		l := &x.lines[i]
		for _, s := range &l.slots {
			if h := s >> 32; s != 0 && h >= lo && h < hi && !f(uint32(s)-1) {
				return false
			}
		}
		if n >= end && l.passed() == 0 {
			return true
		}
		i = (i + 1) & x.mask()
	}
	return true
}
