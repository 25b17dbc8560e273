package model

import "ctkeeper/internal/conntrack/packet"

// BatchSize is how many packets StepBatch and Touch take at a time: enough for their cache misses to overlap, few
// enough to stay in the nearest cache.
const BatchSize = 64

// StepBatch steps packets in order and fills in a verdict for each; now holds the time of each. What it
// yields is what Step yields one by one. It first touches all the memory that the packets need, so that
// the misses overlap.
func (m *Model) StepBatch(now []int64, p []packet.Packet, v []Verdict) {
	for len(p) > 0 {
		n := min(len(p), BatchSize)
		m.Touch(p[:n])
		for i := range n {
			if v[i] = (Verdict{}); !m.established(now[i], &p[i], &v[i]) {
				v[i] = m.step(now[i], &p[i])
			}
		}
		now, p, v = now[n:], p[n:], v[n:]
	}
}

// Touch reads the memory that packets to come will need: the lines of the index, then the records that the packets'
// hashes point at. It changes nothing; packets beyond a batch's number are left out.
func (m *Model) Touch(p []packet.Packet) {
	p = p[:min(len(p), BatchSize)]
	var marks [BatchSize]uint64
	x := &m.index
	for i := range p {
		h := uint32(p[i].Hash >> 32)
		marks[i] = x.lines[x.home(h)].candidates(h)
	}
	var sink uint64
	for i := range p {
		if marks[i] == 0 {
			continue
		}
		s := x.lines[x.home(uint32(p[i].Hash>>32))].slots[slotOf(marks[i])]
		if f := uint32(s) - 1; f < m.arena.used {
			r := m.arena.at(f)
			sink ^= r.id ^ uint64(r.deadline)
		}
	}
	m.touched = sink
}
