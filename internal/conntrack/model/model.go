package model

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Config starts a model.
type Config struct {
	// Profile is the kernel; the zero value is 6.18's.
	Profile Profile
	// Settings are the sysctls; nil means the profile's defaults. They can be changed later by
	// Model.Change.
	Settings *Settings
	// Seed stands for the kernel's hash seed and random numbers. Packets must be decoded with the same
	// seed in packet.Options.
	Seed uint64
	// Flows is how many flows to make room for; more are taken too.
	Flows int
	// GCPhase is when the collector's first pass runs, after the first packet; 0 means a second.
	GCPhase int64
	// Helpers are attached to new flows; none follows FTP or PPTP otherwise.
	Helpers []Helper
	// Netns is the inode number in log lines of kernels that name it.
	Netns uint32
	// Ended is called when a flow leaves the table, Logged for every line that the kernel would print.
	Ended  func(End)
	Logged func(at int64, line string)
}

// Why is how a flow ended.
type Why uint8

// Ways in which a flow ends.
const (
	Expired   Why = iota + 1
	Killed        // by its own packet: an RST without reply, a reopened connection
	Evicted       // by early drop
	Collected     // alive, by the collector of a full table
)

// End is a flow's end.
type End struct {
	Flow uint64
	Why  Why
	// At is when it ended; an expired flow's deadline.
	At int64
	// State and Status are its last.
	State  flow.State
	Status flow.Status
	// Key and Turn name it: Turn is that of packets in the original direction.
	Key  packet.Key
	Turn uint8
}

// Counters are the kernel's statistics (/proc/net/stat/nf_conntrack), and what it does not count.
type Counters struct {
	Found, Invalid, Insert, InsertFailed, Drop, EarlyDrop, ICMPError, SearchRestart, ClashResolve, ChainTooLong uint64
	ExpectNew, ExpectCreate, ExpectDelete                                                                       uint64
	// Refused are the drops at a full table, New the flows confirmed, GCDropped the live flows that the
	// collector took. The kernel counts none of them apart.
	Refused, New, GCDropped uint64
	// Peak is the highest count, flows that expired and were not collected included.
	Peak int
}

// extra is what few flows have.
type extra struct {
	reply     packet.Key // of a translated flow
	replyTurn uint8
}

// Model is one namespace's connection tracking.
type Model struct {
	cfg     Config
	prof    Profile
	set     Settings
	index   index
	paired  pairing
	arena   arena
	extras  []extra
	holes   []uint32 // free extras
	victims []uint32 // of the early drop under way
	count   int
	held    int
	soonest int64 // no flow's timer runs out before
	nextID  uint64
	stats   Counters
	gc      collector
	log     rateLimit
	helpers *helpers // nil without helpers
	// unrouted is set while a packet is stepped that opens no flow.
	unrouted bool
	// absent is set while a packet is stepped whose flow was looked up already, and is not there.
	absent  bool
	rand    uint64
	touched uint64 // keeps touch from being optimised away
	now     int64
}

// New returns an empty table.
func New(cfg Config) *Model {
	if cfg.Profile.Name == "" {
		cfg.Profile = Linux618()
	}
	m := &Model{cfg: cfg, prof: cfg.Profile, rand: cfg.Seed ^ 0x9e3779b97f4a7c15}
	if cfg.Settings != nil {
		m.set = *cfg.Settings
	} else {
		m.set = Defaults(m.prof)
	}
	m.index, m.helpers = newIndex(cfg.Flows), newHelpers(cfg.Helpers)
	m.gc.next, m.soonest = -1, 1<<62
	return m
}

// Settings are those in force.
func (m *Model) Settings() Settings { return m.set }

// Change puts other settings in force, from now on: flows that exist keep their timers until their next
// packet.
func (m *Model) Change(s Settings) { m.set = s }

// Count is the kernel's nf_conntrack_count: flows that expired and were not collected yet included.
func (m *Model) Count() int { return m.count }

// Counters are the statistics so far.
func (m *Model) Counters() Counters { return m.stats }

// random draws 32 bits (splitmix64).
func (m *Model) random() uint32 {
	m.rand += 0x9e3779b97f4a7c15
	z := m.rand
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return uint32(z >> 32)
}

// remove takes a flow out of the table.
func (m *Model) remove(i uint32, why Why, at int64) {
	hd, tr := m.arena.head(i), m.arena.track(i)
	if hd.flags&hKin != 0 {
		m.part(i)
	}
	m.index.remove(uint32(hd.key.Hash(m.cfg.Seed)>>32), i)
	if hd.flags&hNAT != 0 {
		m.index.remove(uint32(m.extras[hd.ext-1].reply.Hash(m.cfg.Seed)>>32), i)
	}
	m.count--
	if holds(hd, tr) {
		m.held--
	}
	if m.cfg.Ended != nil {
		m.cfg.Ended(End{Flow: hd.id, Why: why, At: at, State: m.stateOf(hd, tr), Status: flow.Status(tr.status), Key: hd.key, Turn: hd.turn})
	}
	m.forget(hd)
	hd.flags = 0
	m.arena.release(i)
}

// forget frees what a flow had beside its records.
func (m *Model) forget(hd *head) {
	if hd.ext == 0 {
		return
	}
	m.extras[hd.ext-1] = extra{}
	m.holes = append(m.holes, hd.ext-1)
	hd.ext = 0
}

// extra returns a flow's extra, made when there is none.
func (m *Model) extra(hd *head) *extra {
	if hd.ext == 0 {
		if n := len(m.holes); n > 0 {
			hd.ext = m.holes[n-1] + 1
			m.holes = m.holes[:n-1]
		} else {
			m.extras = append(m.extras, extra{})
			hd.ext = uint32(len(m.extras))
		}
	}
	return &m.extras[hd.ext-1]
}

func (m *Model) stateOf(hd *head, tr *track) flow.State {
	switch flow.Proto(hd.key.Proto()) {
	case flow.TCP:
		return flow.MakeState(flow.TCP, tr.state)
	case flow.SCTP:
		return flow.MakeState(flow.SCTP, tr.state)
	case flow.DCCP:
		if tr.state != dcNone {
			return flow.MakeState(flow.DCCP, tr.state)
		}
	}
	return flow.NoState
}
