package rank

import (
	"cmp"

	"ctkeeper/internal/conntrack/flow"
)

// BoardOptions of a board.
type BoardOptions struct {
	By By
	// Limit is how many different keys are counted exactly; 0 means 131072, or 65536 of two keys or services. A key
	// takes 60 bytes, two take 84.
	Limit int
	// Timeouts tell the idle time; nil: it is not known.
	Timeouts *Timeouts
}

// Board counts flows by a grouping of one key or two, in one pass and bounded memory.
type Board struct {
	o      BoardOptions
	one    *sketch[key]
	two    *sketch[pair]        // two keys, or a service
	flows  [allMarks + 1]uint64 // by their marks
	double bool
}

// Place is one row of a ranking.
type Place struct {
	// Keys are one text for each key of the grouping.
	Keys []string `json:"keys,omitempty"`
	// Where is the filter expression that selects exactly these flows; "" when none does.
	Where string `json:"where,omitempty"`
	// Count may be too large by up to Error; the figures below count the flows seen since the key has
	// its place and may be too small by as much.
	Count uint64 `json:"count"`
	Error uint64 `json:"error,omitempty"`
	// Assured flows are not dropped for new ones, but Closing ones among them are collected when the
	// table is full; HalfOpen are TCP flows in SYN_SENT, SYN_SENT2 or SYN_RECV, and unreplied ones.
	Assured  uint64 `json:"assured"`
	Closing  uint64 `json:"closing"`
	HalfOpen uint64 `json:"half_open"`
	// IdleLong flows had no packet for more than an hour; of IdleUnknown the idle time is not known.
	IdleLong    uint64 `json:"idle_over_1h"`
	IdleUnknown uint64 `json:"idle_unknown"`
}

// Ranking is the rows of a board, largest first.
type Ranking struct {
	Rows []Place
	// Total counts all flows; it has no keys.
	Total Place
	// Exact is false when there were more keys than are counted exactly. A key that is in no row of a
	// ranking of all rows may then have as many flows as Missing says.
	Exact   bool
	Missing uint64
	// Keys is how many different keys were seen; when not Exact, at least so many.
	Keys int
}

// longIdle is how many seconds make a flow long idle.
const longIdle = 3600

// NewBoard returns an empty board.
func NewBoard(o BoardOptions) *Board {
	b := &Board{o: o}
	for _, p := range o.By.Parts() {
		b.double = b.double || p.Key == Service || o.By.n == 2
	}
	if b.double {
		b.two = newSketch[pair](cmp.Or(max(o.Limit, 0), 65536), pair.hash, pair.compare)
	} else {
		b.one = newSketch[key](cmp.Or(max(o.Limit, 0), 131072), key.hash, key.compare)
	}
	return b
}

// By is the board's grouping.
func (b *Board) By() By { return b.o.By }

// Reset forgets all flows, to read the table again.
func (b *Board) Reset() {
	b.flows = [allMarks + 1]uint64{}
	if b.double {
		b.two.reset()
	} else {
		b.one.reset()
	}
}

// Add counts a flow. It allocates nothing once the board's tables have grown.
func (b *Board) Add(fl *flow.Flow) {
	m := b.markOf(fl)
	b.flows[m]++
	if !b.double {
		b.one.add(b.o.By.parts[0].keyOf(fl, b.idle()), m)
		return
	}
	p := pair{a: b.o.By.parts[0].keyOf(fl, b.idle())}
	if b.o.By.parts[0].Key == Service {
		p.aPort = serviceOf(fl)
	}
	if b.o.By.n == 2 {
		p.b = b.o.By.parts[1].keyOf(fl, b.idle())
		if b.o.By.parts[1].Key == Service {
			p.bPort = serviceOf(fl)
		}
	}
	b.two.add(p, m)
}

// total is the sum of all rows.
func (b *Board) total() (p Place) {
	for i, n := range b.flows {
		m := marks(i)
		p.Count += n
		p.Assured += n * uint64(m.has(isAssured))
		p.HalfOpen += n * uint64(m.has(isHalfOpen))
		p.Closing += n * uint64(m.has(isClosing))
		p.IdleLong += n * uint64(m.has(isIdleLong))
		p.IdleUnknown += n * uint64(m.has(isIdleUnknown))
	}
	return p
}

func (b *Board) idle() func(*flow.Flow) (int64, bool) {
	if b.o.Timeouts == nil {
		return nil
	}
	return b.o.Timeouts.Idle
}

func (b *Board) markOf(fl *flow.Flow) marks {
	m := marksOf(fl)
	if m&isAssured != 0 && fl.Closing() {
		m |= isClosing
	}
	if b.o.Timeouts == nil {
		return m | isIdleUnknown
	}
	switch idle, known := b.o.Timeouts.Idle(fl); {
	case !known:
		m |= isIdleUnknown
	case idle > longIdle:
		m |= isIdleLong
	}
	return m
}

// Ranking returns the largest n rows; n of 0 means all.
func (b *Board) Ranking(n int) Ranking {
	if b.double {
		return ranking(b, b.two, n, b.pairPlace)
	}
	return ranking(b, b.one, n, b.keyPlace)
}

func ranking[K comparable](b *Board, s *sketch[K], n int, place func(K, *Place)) Ranking {
	s.settle()
	r := Ranking{Total: b.total(), Exact: s.exact(), Keys: len(s.entries)}
	if !s.exact() {
		r.Missing = uint64(s.lowest())
	}
	if n <= 0 {
		n = max(len(s.entries), 1)
	}
	best := newTop(n, s)
	for i := range s.entries {
		best.add(int32(i))
	}
	for _, i := range best.sorted() {
		e := &s.entries[i]
		p := Place{
			Count: uint64(e.count), Error: uint64(s.errorOf(i)), Assured: uint64(e.assured), HalfOpen: uint64(e.halfOpen),
			Closing: uint64(e.closing), IdleLong: uint64(e.idleLong), IdleUnknown: uint64(e.idleUnknown),
		}
		place(e.key, &p)
		r.Rows = append(r.Rows, p)
	}
	return r
}

func (b *Board) keyPlace(k key, p *Place) { b.pairPlace(pair{a: k}, p) }

// pairPlace writes the keys of a row and the filter that selects it.
func (b *Board) pairPlace(k pair, p *Place) {
	first := b.o.By.parts[0]
	where, ok := first.where(k.a, k.aPort)
	p.Keys = []string{first.text(k.a, k.aPort)}
	if b.o.By.n == 2 {
		second := b.o.By.parts[1]
		more, okToo := second.where(k.b, k.bPort)
		p.Keys = append(p.Keys, second.text(k.b, k.bPort))
		where, ok = where+" and "+more, ok && okToo
	}
	if ok {
		p.Where = where
	}
}
