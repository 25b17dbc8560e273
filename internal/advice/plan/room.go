package plan

import (
	"math"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

const (
	// headroom: max is at least twice what the table holds now.
	headroom = 2
	// tightShare of max from which a table asks for room: node-mixin's threshold.
	tightShare = 0.75
	// floodShare of the flows being half-open means that more room would only hold more of them.
	floodShare = 0.5
	// growthDays: a growth that meets max sooner asks for room now.
	growthDays = 60
	// growthRoom is the room for what will have grown by then.
	growthRoom = 1.3
	// bucketsRatio is the largest max / buckets that is kept; 4 was the kernel's own until 5.14.
	bucketsRatio = 4
)

// room is how much room the fullest namespace shows that it needs.
type room struct {
	n     *snapshot.Namespace
	count int64
	// full tells that it was at max or refused, so that the true demand is more than count.
	full bool
	// past tells that it stood at count before, not now.
	past bool
}

func (m *maker) demand() (room, bool) {
	limit, ok := m.running("max")
	var worst room
	found := false
	for i := range m.s.Namespaces {
		n := &m.s.Namespaces[i]
		c, known := n.Count()
		if !known || found && c <= worst.count {
			continue
		}
		drops, _, _ := n.Rise("drop")
		worst = room{n: n, count: c, full: ok && limit > 0 && (float64(c) >= fullShare*float64(limit) || drops > 0 && c*2 > limit)}
		found = true
	}
	if h := m.o.History; found && h != nil && int64(h.Peak.Highest) > worst.count {
		worst = room{n: m.n, count: int64(h.Peak.Highest), full: worst.full || h.Refused > 0, past: true}
	}
	return worst, found
}

// growing is the growth that the history shows, when it meets max soon.
func (m *maker) growing() *demand.Growth {
	if h := m.o.History; h != nil && h.Growth != nil && h.Growth.Full != nil && *h.Growth.Full <= growthDays {
		return h.Growth
	}
	return nil
}

// room sizes max to the demand that the table shows, inside the budget, and lets buckets follow.
func (m *maker) room() {
	limit, ok := m.running("max")
	d, known := m.demand()
	switch {
	case m.planned("max"):
	case !ok || !known:
		m.keep("max", message.New("keep_unknown"))
	case limit == 0:
		m.keep("max", message.New("keep_max_unlimited"))
	case !m.p.Initial && !m.machineWritable():
		m.keep("max", message.New("keep_machine"))
		return
	case m.flood(d):
		m.keep("max", message.New("keep_max_flood", "half_open", int64(halfOpen(d.n)), "count", d.count))
	default:
		m.raise(limit, d)
	}
	m.buckets()
}

func (m *maker) raise(limit int64, d room) {
	want := d.count * headroom
	if d.full {
		want = max(want, limit*headroom)
	}
	growing := m.growing()
	if float64(d.count) < tightShare*float64(limit) && !d.full && growing == nil {
		code, pairs := "keep_max_roomy", []any{"count", d.count, "max", limit, "share", float64(d.count) / float64(limit)}
		if d.past {
			code, pairs = "keep_max_past", append(pairs, "from", stamp(m.o.History.From))
		}
		m.keep("max", message.New(code, pairs...))
		return
	}
	if growing != nil {
		want = max(want, int64(growthRoom*(float64(d.count)+growing.WeekHigh*growthDays/7)))
	}
	if d.n == m.n && m.fullLog() {
		want = max(want, limit*headroom)
	}
	fits := m.fits()
	to := roundUp(want, 512)
	reason := m.whyRaise(limit, d, growing)
	if fits > 0 && to > fits {
		to = fits
		reason = message.New("reason_max_budget", "count", d.count, "want", roundUp(want, 512), "budget", int64(m.p.Memory.Budget))
	}
	if to <= limit {
		m.keep("max", message.New("keep_max_budget", "max", limit, "budget", int64(m.p.Memory.Budget)))
		return
	}
	from := source(d.n)
	if d.past || growing != nil {
		from = m.o.History.Source
	}
	if st := m.step("max", to, reason, from); st != nil {
		st.Memory = (to - limit) * int64(m.p.Memory.Flow)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// whyRaise is the reason for more room.
func (m *maker) whyRaise(limit int64, d room, growing *demand.Growth) message.Message {
	pairs := []any{"count", d.count, "max", limit, "headroom", headroom}
	tight := d.full || float64(d.count) >= tightShare*float64(limit)
	switch {
	case growing != nil && !tight:
		return message.New("reason_max_growth", append(pairs, "week", int64(growing.Week), "days", int64(*growing.Full))...)
	case d.past && d.full:
		return message.New("reason_max_past_full", append(pairs, "refused", int64(m.o.History.Refused), "from", stamp(m.o.History.From))...)
	case d.past:
		return message.New("reason_max_past", append(pairs, "at", stamp(m.o.History.At))...)
	case d.full:
		return message.New("reason_max_full", pairs...)
	}
	return message.New("reason_max", pairs...)
}

// fits is the largest max inside the budget, its buckets included; 0 when memory is not known.
func (m *maker) fits() int64 {
	if m.p.Memory.Budget == 0 {
		return 0
	}
	return int64(m.p.Memory.Budget/(m.p.Memory.Flow+settings.BucketBytes)) / 512 * 512
}

// fullLog reports whether the kernel's log tells of a full table since boot.
func (m *maker) fullLog() bool {
	g, ok := m.s.Log.Find(snapshot.LogTableFull)
	return ok && g.SinceBoot != nil && *g.SinceBoot
}

func (m *maker) flood(d room) bool {
	return d.n.Flows != nil && d.count > 0 && float64(halfOpen(d.n)) > floodShare*float64(d.n.Flows.Summary.Total)
}

// halfOpen counts TCP flows whose handshake is not finished.
func halfOpen(n *snapshot.Namespace) uint64 {
	if n.Flows == nil {
		return 0
	}
	total := uint64(0)
	for _, c := range n.Flows.Summary.Classes {
		switch {
		case c.Proto == "tcp" && (c.State == "SYN_SENT" || c.State == "SYN_SENT2" || c.State == "SYN_RECV"):
			total += c.Count
		}
	}
	return total
}

// source is where a namespace's count was read.
func source(n *snapshot.Namespace) string {
	if n.Flows != nil {
		return "nf_conntrack_count, " + n.Flows.Source
	}
	return "nf_conntrack_count"
}

// buckets follow max: the ratio that the host has is kept, but for one beyond bucketsRatio.
func (m *maker) buckets() {
	limit, okMax := m.value("max")
	old, okOld := m.running("max")
	have, ok := m.running("buckets")
	if !ok || !okMax || have <= 0 || m.planned("buckets") {
		return
	}
	if !okOld {
		old = 0
	}
	want := follow(m.kernel, limit, old, have)
	if want <= have {
		m.keep("buckets", message.New("keep_buckets", "buckets", have, "max", limit, "chain", 2*float64(limit)/float64(have)))
		return
	}
	reason := message.New("reason_buckets", "buckets", have, "max", limit, "chain", 2*float64(limit)/float64(have), "then", 2*float64(limit)/float64(want))
	if st := m.step("buckets", want, reason, "nf_conntrack_buckets"); st != nil {
		st.Memory = (want - have) * settings.BucketBytes
	}
}

// follow is how many buckets a max asks for where old went with have: never fewer than there are.
func follow(k settings.Kernel, limit, old, have int64) int64 {
	ratio := 1.0
	if old > have && have > 0 {
		ratio = math.Min(float64(old)/float64(have), bucketsRatio)
	}
	return max(k.RoundBuckets(int64(float64(limit)/ratio)), have)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// finish orders the steps and adds up what they cost.
func (m *maker) finish() {
	m.p.Steps = Ordered(m.p.Steps)
	before, okBefore := m.cost(m.running)
	after, okAfter := m.cost(m.value)
	if okBefore && okAfter {
		m.p.Memory.Before, m.p.Memory.After = before, after
	}
	m.notes()
}

func (m *maker) cost(value func(string) (int64, bool)) (uint64, bool) {
	limit, ok := value("max")
	b, okB := value("buckets")
	if !ok || !okB || limit < 0 || b < 0 {
		return 0, false
	}
	return uint64(limit)*m.p.Memory.Flow + uint64(b)*settings.BucketBytes, true
}

// Ordered puts buckets before max when the table grows and after it when it shrinks, so that no state
// between is worse than both ends; the rest keeps its order.
func Ordered(steps []Step) []Step {
	grow := true
	for _, st := range steps {
		if st.Setting == "max" && st.From != nil && st.To < *st.From {
			grow = false
		}
	}
	first, last := []Step{}, []Step{}
	for _, st := range steps {
		if st.Setting == "buckets" == grow {
			first = append(first, st)
		} else {
			last = append(last, st)
		}
	}
	return append(first, last...)
}

// notes says what a reader must know of the plan as a whole.
func (m *maker) notes() {
	if len(m.p.Steps) == 0 {
		m.p.Notes = append(m.p.Notes, message.New("note_nothing"))
		return
	}
	kept := uint64(0)
	for _, st := range m.p.Steps {
		if st.Flows != nil {
			kept += *st.Flows
		}
	}
	if kept > 0 {
		m.p.Notes = append(m.p.Notes, message.New("note_timers", "flows", kept))
	}
	if !m.p.Initial && m.namespaced() {
		m.p.Notes = append(m.p.Notes, message.New("note_namespace", "namespace", m.p.Namespace))
	}
	if m.p.Memory.After > m.p.Memory.Budget && m.p.Memory.Budget > 0 {
		m.p.Notes = append(m.p.Notes, message.New("note_over_budget", "bytes", int64(m.p.Memory.After), "budget", int64(m.p.Memory.Budget)))
	}
}

// namespaced reports whether a step is about a setting that belongs to the namespace.
func (m *maker) namespaced() bool {
	for _, st := range m.p.Steps {
		if s, _ := settings.Lookup(st.Setting); s.Scope == settings.Namespace {
			return true
		}
	}
	return false
}
