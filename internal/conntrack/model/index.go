package model

import "ctkeeper/internal/conntrack/packet"

// index finds flows by key: open addressing with linear probing in the order of the hash's upper half, so
// that a range of the hash is a range of slots. A slot is the hash's upper half and a flow's number + 1.
type index struct {
	slots []uint64
	shift uint // of a 32-bit hash to its home slot
	count int  // slots in use
}

func newIndex(capacity int) index {
	bits := uint(6)
	for 1<<bits*3/4 < capacity {
		bits++
	}
	return index{slots: make([]uint64, 1<<bits), shift: 32 - bits}
}

func (x *index) home(h uint32) uint32 { return uint32(uint64(h) >> x.shift) }
func (x *index) mask() uint32         { return uint32(len(x.slots) - 1) }

// insert adds a slot; the caller knows that the key is not there.
func (x *index) insert(h, flow uint32) {
	if (x.count+1)*4 > len(x.slots)*3 {
		x.grow()
	}
	x.put(uint64(h)<<32 | uint64(flow+1))
	x.count++
}

func (x *index) put(slot uint64) {
	i, mask := x.home(uint32(slot>>32)), x.mask()
	for x.slots[i&mask] != 0 {
		i++
	}
	x.slots[i&mask] = slot
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]uint64, 2*len(old))
	x.shift--
	for _, s := range old {
		if s != 0 {
			x.put(s)
		}
	}
}

// remove takes a flow's slot out and closes the gap behind it.
func (x *index) remove(h, flow uint32) bool {
	want, mask := uint64(h)<<32|uint64(flow+1), x.mask()
	i := x.home(h)
	for x.slots[i] != want {
		if x.slots[i] == 0 {
			return false
		}
		i = (i + 1) & mask
	}
	for j := i; ; {
		j = (j + 1) & mask
		s := x.slots[j]
		if s == 0 {
			break
		}
		if home := x.home(uint32(s >> 32)); (j-home)&mask >= (j-i)&mask {
			x.slots[i] = s
			i = j
		}
	}
	x.slots[i] = 0
	x.count--
	return true
}

// find returns the flow of a key, and whether the packet's turn is the flow's original direction.
func (m *Model) find(k *packet.Key, hash uint64, turn uint8) (flow uint32, dir uint8, ok bool) {
	h := uint32(hash >> 32)
	x := &m.index
	mask := x.mask()
	for i := x.home(h); ; i = (i + 1) & mask {
		s := x.slots[i]
		if s == 0 {
			return 0, 0, false
		}
		if uint32(s>>32) != h {
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
		if same(&hd.key, k) {
			return flow, hd.turn ^ turn, true
		}
	}
}

func same(a, b *packet.Key) bool {
	return a.A == b.A && a.B == b.B && a.APort == b.APort && a.BPort == b.BPort && a.Proto == b.Proto && a.Family == b.Family && a.Zone == b.Zone
}

// matchNAT compares with both tuples of a translated flow, whose directions are not each other's inverse.
func (m *Model) matchNAT(hd *head, k *packet.Key, turn uint8) (dir uint8, ok bool) {
	if turn == hd.turn && same(&hd.key, k) {
		return 0, true
	}
	e := &m.extras[hd.ext-1]
	return 1, turn == e.replyTurn && same(&e.reply, k)
}

// eachIn calls f with every flow whose hash lies in [lo, hi), until f says no more.
func (m *Model) eachIn(lo, hi uint64, f func(flow uint32) bool) bool {
	if lo >= hi {
		return true
	}
	x := &m.index
	mask, end := x.mask(), x.home(uint32(hi-1))
	i := x.home(uint32(lo))
	for n := uint32(0); n <= mask; n++ {
		s := x.slots[i]
		if s == 0 && n >= end-x.home(uint32(lo)) {
			return true
		}
		if h := s >> 32; s != 0 && h >= lo && h < hi && !f(uint32(s)-1) {
			return false
		}
		i = (i + 1) & mask
	}
	return true
}
