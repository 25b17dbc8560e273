package kernlog

import (
	"sort"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// maxGroups bounds the groups of one channel: a container host's log may name thousands of namespaces.
// Groups beyond it are folded into the one that names no namespace.
const maxGroups = 256

// maxExample bounds the line that a group shows.
const maxExample = 400

// Options say what a reader of logs must know of the host. The zero value reads what needs no knowledge.
type Options struct {
	// Booted is when the host came up; without it, times since boot stay unknown.
	Booted time.Time
	// Now is when the log is read; zero: the clock's time when the reading starts.
	Now time.Time
	// Location is the zone of stamps that name none; nil means UTC.
	Location *time.Location
	// Progress is called now and then while a source is read; nil: never.
	Progress func(Progress)
}

// Progress tells how far the reading of one source is.
type Progress struct {
	Source string
	Bytes  int64 // read, before decompression where the size is known
	Size   int64 // of the file; 0 when it is not known
}

// Summary sums messages in bounded memory. Sources of one channel (a file and its rotations) add up;
// of channels that tell the same events (kmsg, journal, kern.log, syslog) each group's largest is kept,
// so that no line is counted twice. A Summary is not safe for concurrent use.
type Summary struct {
	opts     Options
	sources  []snapshot.LogSource
	channels map[string]*channel
	current  bool
}

type groupKey struct {
	kind   snapshot.LogKind
	inode  uint64
	family string
}

// channel is one way by which the kernel's messages are kept.
type channel struct {
	groups map[groupKey]*snapshot.LogGroup
}

// cursor is the state of reading one source.
type cursor struct {
	sum     *Summary
	channel *channel
	ref     time.Time
	// last is the group of the line directly before, for "last message repeated".
	last *snapshot.LogGroup
	// pending is the number that a suppressed line gave, waiting for the warning behind it.
	pending uint64
	boot    bool // the source holds this boot's messages only
}

// NewSummary returns an empty summary.
func NewSummary(o Options) *Summary {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	return &Summary{opts: o, channels: map[string]*channel{}}
}

func (s *Summary) cursor(name string, ref time.Time) *cursor {
	c := s.channels[name]
	if c == nil {
		c = &channel{groups: map[groupKey]*snapshot.LogGroup{}}
		s.channels[name] = c
	}
	if ref.IsZero() {
		ref = s.opts.Now
	}
	return &cursor{sum: s, channel: c, ref: ref}
}

// add sums one message that stands in raw.
func (c *cursor) add(l Line, raw string) {
	if l.Kind == snapshot.LogRepeated {
		if c.last != nil {
			c.last.Repeated += l.Count
			c.spread(c.last, l.Stamp)
		}
		return
	}
	g := c.group(groupKey{l.Kind, l.NetnsInode, l.Family})
	if l.Repeats > 0 {
		g.Repeated += l.Repeats
	} else {
		g.Lines++
	}
	c.spread(g, l.Stamp)
	if g.Example == "" {
		g.Example = cutExample(raw)
	}
	c.last = g
	switch l.Kind {
	case snapshot.LogSuppressed:
		g.Suppressed += l.Count
		c.pending = l.Count
	case snapshot.LogSuppressedNotNet:
		g.Suppressed += l.Count
		c.pending = 0
	default:
		g.Suppressed += c.pending
		c.pending = 0
	}
}

// other notes that a line stood between that is none of the known messages.
func (c *cursor) other() { c.last, c.pending = nil, 0 }

func (c *cursor) group(k groupKey) *snapshot.LogGroup {
	g := c.channel.groups[k]
	if g != nil {
		return g
	}
	if len(c.channel.groups) >= maxGroups && k.inode != 0 {
		k.inode = 0
		return c.group(k)
	}
	g = &snapshot.LogGroup{Kind: k.kind, NetnsInode: k.inode, Family: k.family}
	c.channel.groups[k] = g
	return g
}

func (c *cursor) spread(g *snapshot.LogGroup, s Stamp) {
	t, ok := s.Resolve(c.sum.opts.Location, c.ref, c.sum.opts.Booted)
	switch {
	case ok:
		if g.First.IsZero() || t.Before(g.First) {
			g.First = t
		}
		if t.After(g.Last) {
			g.Last = t
		}
		if !c.sum.opts.Booted.IsZero() {
			since := !g.Last.Before(c.sum.opts.Booted.Add(-bootSlack))
			g.SinceBoot = &since
		}
	case c.boot:
		since := true
		g.SinceBoot = &since
	}
}

// bootSlack is how far the boot time and a log's stamps may differ: /proc/stat knows whole seconds, and
// the clock is stepped once the network is up.
const bootSlack = 5 * time.Second

func cutExample(s string) string {
	if len(s) > maxExample {
		s = s[:maxExample]
	}
	return toText(s)
}

// Log returns what was summed, conntrack's own messages first.
func (s *Summary) Log() snapshot.Log {
	merged := map[groupKey]snapshot.LogGroup{}
	for _, c := range s.channels {
		for k, g := range c.groups {
			old, ok := merged[k]
			if !ok {
				merged[k] = *g
				continue
			}
			merged[k] = larger(old, *g)
		}
	}
	log := snapshot.Log{Sources: s.sources, Current: s.current}
	for _, g := range merged {
		log.Groups = append(log.Groups, g)
	}
	sort.Slice(log.Groups, func(i, j int) bool {
		a, b := log.Groups[i], log.Groups[j]
		switch {
		case rank(a.Kind) != rank(b.Kind):
			return rank(a.Kind) < rank(b.Kind)
		case a.NetnsInode != b.NetnsInode:
			return a.NetnsInode < b.NetnsInode
		}
		return a.Family < b.Family
	})
	return log
}

// larger joins what two channels tell of the same messages: the larger numbers, the wider span.
func larger(a, b snapshot.LogGroup) snapshot.LogGroup {
	if b.Lines+b.Repeated > a.Lines+a.Repeated || b.Lines+b.Repeated == a.Lines+a.Repeated && b.Example < a.Example {
		a, b = b, a
	}
	a.Suppressed = max(a.Suppressed, b.Suppressed)
	if !b.First.IsZero() && (a.First.IsZero() || b.First.Before(a.First)) {
		a.First = b.First
	}
	if b.Last.After(a.Last) {
		a.Last = b.Last
	}
	if a.SinceBoot == nil || b.SinceBoot != nil && *b.SinceBoot {
		a.SinceBoot = b.SinceBoot
	}
	return a
}

func rank(k snapshot.LogKind) int {
	for i, kind := range []snapshot.LogKind{
		snapshot.LogTableFull, snapshot.LogExpectFull, snapshot.LogConntrackOther, snapshot.LogSYNFlooding,
		snapshot.LogNeighbourOverflow, snapshot.LogSocketMemory, snapshot.LogOrphans, snapshot.LogTimeWaitOverflow,
		snapshot.LogRouteCache, snapshot.LogFiles, snapshot.LogFork, snapshot.LogSuppressed, snapshot.LogSuppressedNotNet,
	} {
		if kind == k {
			return i
		}
	}
	return len(k) + 100
}
