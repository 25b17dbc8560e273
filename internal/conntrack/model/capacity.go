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
		evicted := 0
		for {
			i, why, found := m.victim(first + b)
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

// victim finds a flow in a bucket that early drop may take.
func (m *Model) victim(bucket uint64) (flow uint32, why Why, found bool) {
	m.chain(bucket, func(i uint32) bool {
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
		if !m.chain(m.bucket(hash, turn), func(uint32) bool { n++; return n <= limit }) {
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
