package rank

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"sort"
	"strconv"

	"ctkeeper/internal/conntrack/flow"
)

// Key is what flows are counted by.
type Key uint8

// The keys.
const (
	Src Key = iota
	Dst
	SrcPrefix // /24 and /64
	DstPrefix
	DstPort
	Zone
	keys
)

// Options of a ranking. The zero value ranks by every key.
type Options struct {
	// Keys are those to rank by; nil means all.
	Keys []Key
	// Limit is how many different values of a key are counted exactly; 0 means 65536. A key takes
	// 40 bytes.
	Limit int
	// Top is how many rows the summary has for each key; 0 means 20.
	Top int
	// Timeouts tell the idle time; nil: it is not known and the summary has no idle histograms.
	Timeouts *Timeouts
}

// class counts the flows of one protocol and state.
type class struct {
	proto           flow.Proto
	state           flow.State
	count           uint64
	assured         uint64
	unreplied       uint64
	idle, remaining IdleHistogram
}

// states is how many state numbers a protocol has room for; higher ones, which no kernel has, share the
// last place.
const states = 16

// Ranker counts flows in one pass. It allocates nothing for a flow once its tables have grown.
type Ranker struct {
	o        Options
	sketches [keys]*sketch
	classes  [256]*[states]*class
	total    uint64
	assured  uint64
	closing  uint64
	nat      uint64
	timed    bool // some flow had a remaining time
}

// New returns an empty ranking.
func New(o Options) *Ranker {
	if o.Limit <= 0 {
		o.Limit = 65536
	}
	if o.Top <= 0 {
		o.Top = 20
	}
	if o.Keys == nil {
		o.Keys = []Key{Src, Dst, SrcPrefix, DstPrefix, DstPort, Zone}
	}
	r := &Ranker{o: o}
	for _, k := range o.Keys {
		r.sketches[k] = newSketch(o.Limit)
	}
	return r
}

// Fields are the optional parts of a flow that a ranking looks at, for whoever reads the flows.
const Fields = flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasZone

// Reset forgets all flows, to read the table again.
func (r *Ranker) Reset() {
	for _, s := range r.sketches {
		if s != nil {
			s.reset()
		}
	}
	r.classes = [256]*[states]*class{}
	r.total, r.assured, r.closing, r.nat, r.timed = 0, 0, 0, 0, false
}

// Add counts a flow.
func (r *Ranker) Add(fl *flow.Flow) {
	assured := fl.Status&flow.Assured != 0
	unreplied := fl.Status&flow.SeenReply == 0
	r.total++
	if assured {
		r.assured++
		if fl.Closing() {
			r.closing++
		}
	}
	if fl.Status&(flow.SrcNAT|flow.DstNAT) != 0 {
		r.nat++
	}
	c := r.class(fl)
	c.count++
	if assured {
		c.assured++
	}
	if unreplied {
		c.unreplied++
	}
	r.times(c, fl)
	half := unreplied || fl.State == flow.TCPSynSent || fl.State == flow.TCPSynRecv || fl.State == flow.TCPSynSent2
	for k, s := range r.sketches {
		if s != nil {
			s.add(keyOf(Key(k), fl), assured, half)
		}
	}
}

func (r *Ranker) class(fl *flow.Flow) *class {
	p := fl.Proto()
	n := min(fl.State.Number(), states-1)
	row := r.classes[p]
	if row == nil {
		row = new([states]*class)
		r.classes[p] = row
	}
	if row[n] == nil {
		row[n] = &class{proto: p, state: fl.State}
	}
	return row[n]
}

func (r *Ranker) times(c *class, fl *flow.Flow) {
	if !fl.Has(flow.HasTimeout) {
		c.remaining.Unknown++
		c.idle.Unknown++
		return
	}
	r.timed = true
	c.remaining.add(int64(fl.Timeout))
	if r.o.Timeouts == nil {
		return
	}
	if idle, ok := r.o.Timeouts.Idle(fl); ok {
		c.idle.add(idle)
	} else {
		c.idle.Unknown++
	}
}

// add counts one value.
func (h *IdleHistogram) add(seconds int64) {
	i := sort.Search(len(IdleBounds), func(i int) bool { return seconds <= IdleBounds[i] })
	h.Buckets[i]++
	h.Max = max(h.Max, seconds)
}

// v4 marks the high half of an IPv4 address's key; no IPv6 flow has such an address.
const v4 = ^uint64(0)

func keyOf(k Key, fl *flow.Flow) key {
	switch k {
	case Src:
		return addrKey(fl.Orig.Src, false)
	case Dst:
		return addrKey(fl.Orig.Dst, false)
	case SrcPrefix:
		return addrKey(fl.Orig.Src, true)
	case DstPrefix:
		return addrKey(fl.Orig.Dst, true)
	case DstPort:
		if fl.Proto().HasPorts() {
			return key{uint64(fl.Proto()), uint64(fl.Orig.DstPort)}
		}
		return key{uint64(fl.Proto()), noPort}
	}
	return key{0, uint64(fl.Zone)}
}

// noPort marks protocols without ports.
const noPort = 1 << 16

func addrKey(a netip.Addr, prefix bool) key {
	if a.Is4() {
		b := a.As4()
		n := uint64(binary.BigEndian.Uint32(b[:]))
		if prefix {
			n &^= 0xff
		}
		return key{v4, n}
	}
	b := a.As16()
	k := key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	if prefix {
		k.lo = 0
	}
	return k
}

// text is the key as people write it.
func (k key) text(kind Key) string {
	switch kind {
	case Zone:
		return strconv.FormatUint(k.lo, 10)
	case DstPort:
		if k.lo == noPort {
			return flow.Proto(k.hi).String()
		}
		return flow.Proto(k.hi).String() + "/" + strconv.FormatUint(k.lo, 10)
	}
	a, bits := k.addr()
	if kind == SrcPrefix || kind == DstPrefix {
		return netip.PrefixFrom(a, bits).String()
	}
	return a.String()
}

// addr is the address in a key, and the length of the prefixes of its family.
func (k key) addr() (netip.Addr, int) {
	if k.hi == v4 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(k.lo)))), 24
	}
	b := binary.BigEndian.AppendUint64(nil, k.hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, k.lo))), 64
}

// Summary returns what was counted.
func (r *Ranker) Summary() Summary {
	for _, s := range r.sketches {
		if s != nil {
			s.settle()
		}
	}
	return Summary{
		Total: r.total, Assured: r.assured, Closing: r.closing, NAT: r.nat, Classes: r.classRows(),
		Source: r.rows(Src), Dest: r.rows(Dst), SourcePrefix: r.rows(SrcPrefix), DestPrefix: r.rows(DstPrefix),
		DestPort: r.rows(DstPort), Zone: r.rows(Zone), Sketched: r.sketched(),
	}
}

// keyNames are the names of the keys in the summary's JSON.
var keyNames = [keys]string{"src", "dst", "src_prefix", "dst_prefix", "dport", "zone"}

func (r *Ranker) sketched() []string {
	var names []string
	for k, s := range r.sketches {
		if s != nil && s.full {
			names = append(names, keyNames[k])
		}
	}
	return names
}

func (r *Ranker) classRows() []Class {
	var rows []Class
	for _, row := range r.classes {
		if row == nil {
			continue
		}
		for _, c := range row {
			if c != nil {
				rows = append(rows, r.classRow(c))
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b Class) int { return cmp.Compare(b.Count, a.Count) })
	return rows
}

func (r *Ranker) classRow(c *class) Class {
	row := Class{Proto: c.proto.String(), State: c.state.String(), Count: c.count, Assured: c.assured, Unreplied: c.unreplied}
	if r.timed {
		remaining := c.remaining
		row.Remaining = &remaining
	}
	if r.o.Timeouts != nil {
		idle := c.idle
		row.Idle = &idle
	}
	return row
}

// rows returns the largest entries of one key.
func (r *Ranker) rows(k Key) []Row {
	s := r.sketches[k]
	if s == nil {
		return nil
	}
	top := newTop(r.o.Top)
	for i := range s.entries {
		top.add(&s.entries[i])
	}
	rows := make([]Row, 0, len(top.entries))
	for _, e := range top.sorted() {
		rows = append(rows, Row{
			Key: e.key.text(k), Count: uint64(e.count), Error: uint64(e.err),
			Assured: uint64(e.assured), HalfOpen: uint64(e.halfOpen),
		})
	}
	return rows
}
