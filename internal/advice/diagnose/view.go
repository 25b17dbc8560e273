package diagnose

import (
	"math"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// host is the snapshot with what all findings need worked out once.
type host struct {
	s     *snapshot.Snapshot
	views []view
}

// view is one namespace's table in figures. Each figure says whether it is known.
type view struct {
	h    *host
	n    *snapshot.Namespace
	name string

	count, max, buckets figure
	// unassured may be evicted by a packet; pinned can be reclaimed by nobody.
	unassured, pinned figure
	// refused is the rise of drop less what else it counts, known only where it means refusals.
	refused  figure
	interval time.Duration
	// atMax tells whether any reading stood at max.
	atMax bool
}

// figure is a number that may not be known.
type figure struct {
	n     int64
	known bool
}

func known(n int64) figure { return figure{n, true} }

func pointed(p *int64) figure {
	if p == nil {
		return figure{}
	}
	return known(*p)
}

func (f figure) pointer() *int64 {
	if !f.known {
		return nil
	}
	return &f.n
}

func newHost(s *snapshot.Snapshot) *host {
	h := &host{s: s, views: make([]view, len(s.Namespaces))}
	for i := range s.Namespaces {
		h.views[i] = newView(h, &s.Namespaces[i])
	}
	return h
}

func newView(h *host, n *snapshot.Namespace) view {
	v := view{h: h, n: n, name: n.Name}
	v.max = first(setting(n, "max"), readingMax(n), pointed(h.s.Machine.Max))
	v.buckets = first(setting(n, "buckets"), pointed(h.s.Machine.Buckets))
	for _, r := range n.Readings {
		if r.Count != nil && (!v.count.known || *r.Count > v.count.n) {
			v.count = known(*r.Count)
		}
	}
	if !v.count.known {
		v.count = setting(n, "count")
	}
	if sum := v.flows(); sum != nil {
		v.unassured = known(int64(sum.Unassured()))
		v.pinned = known(int64(sum.Pinned()))
	}
	v.atMax = v.limited() && v.count.known && float64(v.count.n) >= atMaxShare*float64(v.max.n)
	v.refused = refused(n, v.atMax)
	if r := n.Readings; len(r) > 1 {
		v.interval = r[len(r)-1].At.Sub(r[0].At)
	}
	return v
}

func first(figures ...figure) figure {
	for _, f := range figures {
		if f.known {
			return f
		}
	}
	return figure{}
}

func setting(n *snapshot.Namespace, name string) figure {
	x, ok := n.Setting(name)
	return figure{x, ok}
}

func readingMax(n *snapshot.Namespace) figure {
	for i := len(n.Readings) - 1; i >= 0; i-- {
		if n.Readings[i].Max != nil {
			return known(*n.Readings[i].Max)
		}
	}
	return figure{}
}

// refused is the rise of drop while the count stood at max, less the clashes that drop counts too. A
// chain that is too long counts in insert_failed but not in drop.
func refused(n *snapshot.Namespace, atMax bool) figure {
	drop, _, ok := n.Rise("drop")
	if !ok {
		return figure{}
	}
	if !atMax {
		return known(0)
	}
	failed, _, _ := n.Rise("insert_failed")
	chain, _, _ := n.Rise("chain_toolong")
	clashes := failed - min(chain, failed)
	return known(int64(drop - min(clashes, drop)))
}

// looked reports whether anything of the namespace was read: others are only known to exist.
func (v *view) looked() bool { return len(v.n.Readings) > 0 || len(v.n.Settings) > 0 }

// limited reports whether max is known and limits (0 means no limit up to Linux 6.18).
func (v *view) limited() bool { return v.max.known && v.max.n > 0 }

// occupancy is count / max.
func (v *view) occupancy() (float64, bool) {
	if !v.limited() || !v.count.known {
		return 0, false
	}
	return float64(v.count.n) / float64(v.max.n), true
}

// pressure is the share of max that the kernel cannot reclaim by itself.
func (v *view) pressure() (float64, bool) {
	if !v.limited() || !v.pinned.known {
		return 0, false
	}
	return float64(v.pinned.n) / float64(v.max.n), true
}

// refuseProbability is the chance that a new flow finds nothing to evict on a full table.
func (v *view) refuseProbability() (float64, bool) {
	if !v.unassured.known || !v.buckets.known || v.buckets.n <= 0 {
		return 0, false
	}
	if !v.h.scansEntries() {
		return math.Exp(-nodesScanned * float64(v.unassured.n) / float64(v.buckets.n)), true
	}
	total := int64(v.flows().Total)
	if total == 0 {
		return 1, true
	}
	return math.Pow(1-float64(v.unassured.n)/float64(total), entriesScanned), true
}

// refuseEvidence states that chance, and what it comes from.
func (v *view) refuseEvidence(p float64) Evidence {
	if v.h.scansEntries() {
		return evidence(v.flowSource(), "ev_refuse_probability_entries", p,
			"unassured", v.unassured.n, "total", v.flows().Total)
	}
	return evidence(v.flowSource(), "ev_refuse_probability", p, "unassured", v.unassured.n, "buckets", v.buckets.n)
}

// scansEntries reports whether the kernel's early drop looks at some 8 flows rather than at 8 buckets, as
// it did before Linux 4.9.
func (h *host) scansEntries() bool {
	k, ok := settings.ParseKernel(h.s.Host.Kernel)
	return ok && k.Version < settings.V(4, 9)
}

// flows is the ranked table, nil when it was not read.
func (v *view) flows() *rank.Summary {
	if v.n.Flows == nil {
		return nil
	}
	return &v.n.Flows.Summary
}

// over reports whether occupancy is known and at least share.
func (v *view) over(share float64) bool {
	o, ok := v.occupancy()
	return ok && o >= share
}

// elsewhere reports whether the namespace is neither the machine's first nor the present one.
func (v *view) elsewhere() bool { return !v.n.Initial && !v.n.Present }

// rate is a counter's rise a second between the readings.
func (v *view) rate(counter string) (float64, uint64, bool) {
	n, over, ok := v.n.Rise(counter)
	if !ok || over <= 0 {
		return 0, 0, false
	}
	return float64(n) / over.Seconds(), n, true
}

// average is a counter a second since boot; it is too low once the counter has wrapped.
func (v *view) average(counter string) (float64, bool) {
	n, ok := v.n.Counter(counter)
	if !ok || v.h.s.Host.Uptime < shortUptime {
		return 0, false
	}
	return float64(n) / float64(v.h.s.Host.Uptime), true
}

// class returns the flows of a protocol in any of the states.
func (v *view) class(proto string, states ...string) (count, assured uint64) {
	sum := v.flows()
	if sum == nil {
		return 0, 0
	}
	for _, c := range sum.Classes {
		if c.Proto != proto {
			continue
		}
		for _, s := range states {
			if c.State == s {
				count += c.Count
				assured += c.Assured
			}
		}
	}
	return count, assured
}

func (v *view) summary() Namespace {
	n := Namespace{
		Name: v.name, Kind: v.n.Kind, Inode: v.n.Inode, Tracking: v.n.Tracking,
		Count: v.count.pointer(), Max: v.max.pointer(), Buckets: v.buckets.pointer(),
	}
	if o, ok := v.occupancy(); ok {
		n.Occupancy = &o
	}
	if p, ok := v.pressure(); ok {
		n.Pressure = &p
	}
	if p, ok := v.refuseProbability(); ok {
		n.RefuseProbability = &p
	}
	if v.refused.known {
		r := uint64(v.refused.n)
		n.Refused, n.Seconds = &r, v.interval.Seconds()
	}
	return n
}

// Sources, as evidence names them.

// source is the sysctl or file that a setting was read from.
func (v *view) source(name string) string {
	if val, ok := v.n.Settings[name]; ok && val.Key != "" {
		return val.Key
	}
	return v.key(name)
}

// countSource is where count was read.
func (v *view) countSource() string {
	if val, ok := v.n.Settings["count"]; ok && val.Key != "" {
		return val.Key
	}
	return v.counterSource()
}

func (v *view) counterSource() string {
	for i := len(v.n.Readings) - 1; i >= 0; i-- {
		if s := v.n.Readings[i].Source; s != "" {
			return s
		}
	}
	return v.key("count")
}

func (v *view) flowSource() string {
	if v.n.Flows == nil || v.n.Flows.Source == "" {
		return "ctnetlink"
	}
	return v.n.Flows.Source
}

// logSource names the logs that were read.
func (h *host) logSource() string {
	var names []string
	for _, s := range h.s.Log.Sources {
		names = append(names, s.Name)
	}
	if len(names) == 0 {
		return "kernel log"
	}
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return strings.Join(names, ", ")
}
