package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// collector is the kernel's worker that reaps expired flows (gc_worker, 6.18): a pass over the whole
// table, whose distance to the next follows from the mean time that flows had left.
type collector struct {
	next  int64  // when the next pass begins or goes on; -1 before the first packet
	begin int64  // of the pass under way
	place uint32 // in the index, where it goes on
	busy  bool
	early bool  // a packet was refused: take what is not assured, or closing, over 95 %
	took  bool  // the pass under way does so
	mean  int64 // of the time left, in ticks, over the nodes met
	nodes int64
	least int64 // the earliest deadline met in the pass
	since int64 // the earliest set since the pass began
}

const (
	gcMin        = 1 * second
	gcMax        = 60 * second
	gcClamp      = 300 * second
	gcInitNodes  = 100
	gcTick       = 4 * second / 1000 // at HZ=250
	gcTickReaps  = 64000 / 250
	gcOldParts   = 128
	gcOldPause   = 125 * second / 1000
	gcFirstPause = 1 * second
)

// collect runs the passes that are due by now.
func (m *Model) collect(now int64) {
	g := &m.gc
	if g.next < 0 {
		g.next = now + gcFirstPause
		if m.cfg.GCPhase > 0 {
			g.next = now + m.cfg.GCPhase
		}
		return
	}
	for g.next < now {
		if m.count == 0 && !g.busy {
			g.next += (now - g.next + gcMax - 1) / gcMax * gcMax
			return
		}
		if m.prof.AdaptiveGC {
			m.pass(g.next)
		} else {
			m.oldPass(g.next)
		}
		if !g.busy && m.prof.AdaptiveGC {
			m.idle(now)
		}
	}
}

// idle skips passes that would find nothing: no deadline lies before them.
func (m *Model) idle(now int64) {
	g := &m.gc
	if quiet := min(now, m.soonest-gcClamp) - g.next; quiet > gcMax {
		g.next += quiet / gcMax * gcMax
	}
}

// pass scans from where it stopped to the end, or until a tick's worth of flows is reaped.
func (m *Model) pass(at int64) {
	g := &m.gc
	if !g.busy {
		*g = collector{next: g.next, begin: at, busy: true, early: g.early, took: g.early, mean: gcMax / gcTick, nodes: gcInitNodes, least: 1 << 62, since: 1 << 62}
	}
	if all := m.index.places(); m.scan(at, &g.place, all) {
		g.next = at + gcTick
		return
	}
	if g.took {
		g.early = false
	}
	g.busy, g.place, m.soonest = false, 0, min(g.least, g.since)
	pause := min(max(g.mean*gcTick, gcMin), gcMax)
	g.next = at + max(pause-(at-g.begin), gcTick)
}

// scan reaps in places up to to and moves from on; true when it stopped for the number of flows reaped.
func (m *Model) scan(at int64, from *uint32, to uint32) bool {
	g := &m.gc
	for reaped := 0; *from < to; *from++ {
		s := m.index.at(*from)
		if s == 0 {
			continue
		}
		f := uint32(s) - 1
		tr := m.arena.track(f)
		switch left := tr.deadline - at; {
		case left <= 0:
			m.remove(f, Expired, tr.deadline)
			if reaped++; reaped > gcTickReaps {
				return true
			}
		case g.took && m.crowded() && expendable(m.arena.head(f), tr):
			m.stats.GCDropped++
			m.remove(f, Collected, at)
		default:
			g.weigh(left)
			g.least = min(g.least, tr.deadline)
		}
	}
	return false
}

// weigh takes a flow's time left into the mean, once for each of its two nodes. The kernel divides whole ticks:
// what is left over is lost, and beyond some thousands of nodes the mean hardly moves.
func (g *collector) weigh(left int64) {
	ticks := min(max(left, gcMin), gcClamp) / gcTick
	for range 2 {
		g.nodes++
		g.mean += (ticks - g.mean) / g.nodes
	}
}

// crowded: the count is at 95 % of the limit, reckoned as the kernel does, in whole hundredths.
func (m *Model) crowded() bool {
	limit := m.set.Max / 100 * 95
	return limit > 0 && int64(m.count) > limit
}

// expendable flows are not assured, or closing.
func expendable(hd *head, tr *track) bool {
	if tr.status&uint16(flow.Assured) == 0 {
		return true
	}
	return flow.MakeState(flow.Proto(hd.key.Proto()), tr.state).Closing()
}

// oldPass scans a part of the table (to 5.13).
func (m *Model) oldPass(at int64) {
	g := &m.gc
	n := m.index.places()
	g.least, g.took = 1<<62, g.early
	g.place = min(g.place, n)
	for to := min(g.place+max(n/gcOldParts, 1), n); m.scan(at, &g.place, to); {
	}
	g.place, g.early = g.place%n, false
	g.next = at + gcOldPause
}

// Read takes out what expired, as a reading of any namespace's table does as it walks through the hash: of the part
// between two shares of it. 0 and 1 are the whole.
func (m *Model) Read(now int64, from, to float64) {
	m.now = max(m.now, now)
	all := float64(m.index.places())
	for place := uint32(from * all); place < uint32(to*all); place++ {
		if s := m.index.at(place); s != 0 {
			if f := uint32(s) - 1; m.arena.track(f).deadline <= m.now {
				m.remove(f, Expired, m.arena.track(f).deadline)
			}
		}
	}
}

// Load puts a flow into the table that came from elsewhere, such as a ctnetlink dump: its timer ends at
// deadline. The reply tuple may be any other than the original's inverse.
func (m *Model) Load(orig, reply packet.Tuple, status flow.Status, state flow.State, created, deadline int64) bool {
	k, turn, ok := orig.Canonical()
	if !ok {
		return false
	}
	rk, rturn, ok := reply.Canonical()
	if !ok {
		return false
	}
	hash := k.Hash(m.cfg.Seed)
	if _, _, found := m.find(&k, hash, turn); found || m.set.Max != 0 && int64(m.count) >= m.set.Max {
		return false
	}
	i := m.arena.alloc()
	hd, tr := m.arena.head(i), m.arena.track(i)
	*hd = head{key: k, turn: turn, created: created}
	*tr = track{deadline: deadline, status: uint16(status), state: state.Number()}
	if state.Proto() == flow.TCP {
		tr.flags = [2]uint8{fSackPerm | fBeLiberal, fSackPerm | fBeLiberal}
	}
	if !k.Same(&rk) || turn == rturn {
		e := m.extra(hd)
		e.reply, e.replyTurn = rk, rturn
		hd.flags |= hNAT
		m.index.insert(uint32(rk.Hash(m.cfg.Seed)>>32), i)
	}
	m.equip(i, hd)
	m.ends(deadline)
	m.insert(i, hd, tr, hash)
	m.stats.New--
	m.stats.Insert++
	return true
}
