package model

// A flow hangs in the chains of two buckets, as in the kernel: one tuple's and that of the inverse. The first
// follows from the hash. The second is the first one's partner: buckets are paired by an affine map modulo
// their number, so that neighbours have partners that lie apart, and what hangs in a bucket can be found
// from the hash alone.

// pairing is the map from a bucket to its partner, and back.
type pairing struct {
	n, there, back uint64
	width          uint64 // of a bucket, in upper halves of hashes, rounded up
}

// newPairing pairs n buckets: by the golden section, so that no few steps come back near, or the next factor that has an inverse.
func newPairing(n uint64) pairing {
	for f := n * 0x9e3779b9 >> 32; ; f++ {
		if back, ok := inverse(f%n, n); ok || n == 1 {
			return pairing{n, f % n, back, (1<<32 + n - 1) / n}
		}
	}
}

// inverse returns x with a·x = 1 modulo n.
func inverse(a, n uint64) (x uint64, ok bool) {
	r, next := int64(n), int64(a)
	t, nextT := int64(0), int64(1)
	for next != 0 {
		q := r / next
		r, next = next, r-q*next
		t, nextT = nextT, t-q*nextT
	}
	return uint64((t + int64(n)) % int64(n)), r == 1
}

// partner is the second bucket of what has b as its first, first the opposite.
func (p pairing) partner(b uint64) uint64 { return (b*p.there + p.n/3) % p.n }
func (p pairing) first(b uint64) uint64   { return (b + p.n - p.n/3) % p.n * p.back % p.n }

// pairs is the pairing of the buckets that there are now.
func (m *Model) pairs() *pairing {
	if n := uint64(max(m.set.Buckets, 1)); m.paired.n != n {
		m.paired = newPairing(n)
	}
	return &m.paired
}

// bucket is where a tuple hangs.
func (m *Model) bucket(hash uint64, turn uint8) uint64 {
	p := m.pairs()
	b := hash >> 32 * p.n >> 32
	if turn == 1 {
		return p.partner(b)
	}
	return b
}

// chain calls f with every flow in a bucket's chain, until f says no more; buckets are counted round.
func (m *Model) chain(bucket uint64, f func(flow uint32) bool) bool {
	p := m.pairs()
	for _, b := range [2]uint64{bucket % p.n, p.first(bucket % p.n)} {
		if lo, hi := (b<<32+p.n-1)/p.n, ((b+1)<<32+p.n-1)/p.n; !m.eachIn(lo, hi, f) {
			return false
		}
	}
	return true
}

// reap takes out what expired of the chain that a lookup walked: up to the flow that was found, newer ones
// coming first, else all of it. The lookup's own slots and its neighbour bucket's stand for the chain's two
// kinds of nodes: no memory is touched that lies far.
func (m *Model) reap(hash uint64, found uint32, ok bool) {
	for {
		gone, any := m.overdue(hash, m.now, found, ok)
		if !any {
			return
		}
		m.remove(gone, Expired, m.arena.track(gone).deadline)
	}
}

// overdue finds a flow that reap would take.
func (m *Model) overdue(hash uint64, now int64, found uint32, ok bool) (flow uint32, any bool) {
	p, x, h := m.pairs(), &m.index, hash>>32
	b := h * p.n >> 32
	created := int64(-1 << 63)
	if ok {
		created = m.arena.head(found).created
	}
	i := x.home(uint32(max(h, p.width) - p.width))
	least := x.home(uint32(min(h+2*p.width, 1<<32-1))) - i
	for n := uint32(0); n <= x.mask(); n++ {
		l := &x.lines[i]
		for _, s := range &l.slots {
			if s == 0 || s>>32*p.n>>32-b > 1 {
				continue
			}
			if r := m.arena.at(uint32(s) - 1); now >= r.deadline && r.created >= created && (!ok || uint32(s)-1 != found) {
				return uint32(s) - 1, true
			}
		}
		if n >= least && l.passed() == 0 {
			break
		}
		i = (i + 1) & x.mask()
	}
	return 0, false
}

// ends notes when a flow's timer will run out, so that soonest stays a lower bound of all.
func (m *Model) ends(deadline int64) {
	if deadline < m.soonest {
		m.soonest = deadline
	}
	if deadline < m.gc.since {
		m.gc.since = deadline
	}
}
