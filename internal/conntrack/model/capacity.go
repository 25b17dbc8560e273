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

// nodes is the hash range of a bucket: bucket = hash · buckets / 2³².
func (m *Model) nodes(bucket uint64) (lo, hi uint64) {
	n := uint64(max(m.set.Buckets, 1))
	bucket %= n
	return (bucket<<32 + n - 1) / n, ((bucket+1)<<32 + n - 1) / n
}

// node is where a tuple lies in the hash: its inverse lies half a circle on.
func node(hash uint64, turn uint8) uint64 { return (hash>>32 + uint64(turn)<<31) & 0xffffffff }

func (m *Model) bucket(hash uint64, turn uint8) uint64 {
	return node(hash, turn) * uint64(max(m.set.Buckets, 1)) >> 32
}

// earlyDrop looks through eight buckets from the new tuple's on and evicts every flow of the first that
// holds one not assured. Flows that expired go too but make no room by the kernel's reckoning.
func (m *Model) earlyDrop(hash uint64, turn uint8) bool {
	first := m.bucket(hash, turn)
	for b := range uint64(8) {
		lo, hi := m.nodes(first + b)
		evicted := 0
		for {
			i, why, found := m.victim(lo, hi)
			if !found {
				break
			}
			at := m.now
			if why == Expired {
				at = m.arena.track(i).deadline
			} else {
				evicted++
			}
			m.remove(i, why, at)
		}
		if evicted > 0 {
			m.stats.EarlyDrop += uint64(evicted)
			return true
		}
	}
	return false
}

// victim finds a flow in a hash range that early drop may take.
func (m *Model) victim(lo, hi uint64) (flow uint32, why Why, found bool) {
	m.each(lo, hi, func(i uint32) bool {
		tr := m.arena.track(i)
		switch {
		case m.now >= tr.deadline:
			flow, why, found = i, Expired, true
		case tr.status&assuredOrDying == 0:
			flow, why, found = i, Evicted, true
		}
		return !found
	})
	return flow, why, found
}

const assuredOrDying = uint16(flow.Assured | flow.Dying)

// chainTooLong draws the limit and counts the two chains that the flow would join.
func (m *Model) chainTooLong(hash uint64) bool {
	buckets := max(m.set.Buckets, 1)
	if int64(m.count)*2 < buckets && buckets > 256 {
		return false // some 50 in one bucket of a table half empty does not happen by chance
	}
	limit := m.prof.ChainMin + int(m.random()%uint32(m.prof.ChainMax-m.prof.ChainMin+1))
	for turn := range uint8(2) {
		n := 0
		lo, hi := m.nodes(m.bucket(hash, turn))
		if !m.each(lo, hi, func(uint32) bool { n++; return n <= limit }) {
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
