package model

import (
	"fmt"

	"ctkeeper/internal/conntrack/flow"
)

// room makes sure that a new flow fits: below the limit, or by early drop. A limit of 0 is none.
func (m *Model) room(hash uint64, turn uint8) bool {
	if m.set.Max == 0 || int64(m.count) < m.set.Max {
		return true
	}
	if m.earlyDrop(hash, turn) {
		return true
	}
	m.gc.early = true
	return false
}

// earlyDrop looks through eight buckets from the new tuple's on and evicts every flow of the first that
// holds one not assured. Flows that expired go too but make no room by the kernel's reckoning.
func (m *Model) earlyDrop(hash uint64, turn uint8) bool {
	first := m.bucket(hash, turn)
	for b := range uint64(8) {
		if evicted := m.evict(first + b); evicted > 0 {
			m.stats.EarlyDrop += uint64(evicted)
			return true
		}
	}
	return false
}

// evict takes what early drop may take out of a bucket, and counts what had not expired. It reads the bucket's lines of
// the index, then its flows, before it removes any, so that each are fetched at once.
func (m *Model) evict(bucket uint64) (evicted int) {
	in := m.victims[:0]
	m.chain(bucket, func(i uint32) bool {
		in = append(in, i)
		return true
	})
	m.victims = in
	out := in[:0]
	for _, i := range in {
		if t := m.arena.track(i); m.now >= t.deadline || t.status&assuredOrDying == 0 {
			out = append(out, i)
		}
	}
	for _, i := range out {
		r := m.arena.at(i)
		switch {
		case r.head.flags&hLive == 0: // both its tuples hang in this bucket, and it is gone
		case m.now >= r.deadline:
			m.remove(i, Expired, r.deadline)
		default:
			m.remove(i, Evicted, m.now)
			evicted++
		}
	}
	return evicted
}

const assuredOrDying = uint16(flow.Assured | flow.Dying)

// chainTooLong draws the limit and counts two chains: the flow is refused at the second one beyond the limit. The first chain is
// the one that it would join, the other any that has nothing to do with it, as the inverse tuple's has not in the kernel; its
// partner, where it will hang, has the same flows in part. Some 4 % more are refused than by the kernel for it.
func (m *Model) chainTooLong(hash uint64) bool {
	buckets := max(m.set.Buckets, 1)
	if m.prof.ChainMin >= 50 && int64(m.count) <= 2*buckets && buckets > 256 {
		return false // that many do not meet by chance where four are to be expected
	}
	limit := m.prof.ChainMin + int(m.random()%uint32(m.prof.ChainMax-m.prof.ChainMin+1))
	for _, bucket := range [2]uint64{m.bucket(hash, 0), uint64(uint32(hash)) * uint64(buckets) >> 32} {
		n := 0
		if !m.chain(bucket, func(uint32) bool { n++; return n <= limit+1 }) {
			return true
		}
	}
	return false
}

// rateLimit is the kernel's for network messages: ten lines in five seconds.
type rateLimit struct {
	begin           int64
	printed, missed int
	started         bool
}

const (
	logBurst    = 10
	logInterval = 5 * second
)

// logFull writes the kernel's line about a full table.
func (m *Model) logFull() {
	if m.prof.NetnsInLog && m.cfg.Netns != 0 {
		m.logLimited(fmt.Sprintf("nf_conntrack: nf_conntrack: table full in netns %d, dropping packet", m.cfg.Netns))
		return
	}
	m.logLimited("nf_conntrack: nf_conntrack: table full, dropping packet")
}

// logLimited writes a line, unless too many were written.
func (m *Model) logLimited(line string) {
	l := &m.log
	if !l.started || m.now-l.begin > logInterval {
		if l.missed > 0 {
			m.print(fmt.Sprintf("net_ratelimit: %d callbacks suppressed", l.missed))
		}
		*l = rateLimit{begin: m.now, started: true}
	}
	if l.printed >= logBurst {
		l.missed++
		return
	}
	l.printed++
	m.print(line)
}

func (m *Model) print(line string) {
	if m.cfg.Logged != nil {
		m.cfg.Logged(m.now, line)
	}
}
