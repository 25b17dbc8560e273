package diagnose

import (
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// past judges what the log tells of full tables that are not full now.
func past(h *host) []Finding {
	var all []Finding
	var others []snapshot.LogGroup
	for _, g := range h.s.Log.Groups {
		switch v := h.owner(g); {
		case g.Kind == snapshot.LogExpectFull:
			all = append(all, h.expectWasFull(g)...)
		case g.Kind != snapshot.LogTableFull || v != nil && v.full():
		case v != nil:
			all = append(all, h.tableWasFull(g, v))
		default:
			others = append(others, g)
		}
	}
	all = append(all, h.othersWereFull(others)...)
	if len(all) == 0 {
		all = append(all, h.unexplainedDrops()...)
	}
	return all
}

// othersWereFull is one finding for all the tables that the log names and nobody finds any more.
func (h *host) othersWereFull(groups []snapshot.LogGroup) []Finding {
	if len(groups) == 0 {
		return nil
	}
	slices.SortStableFunc(groups, func(a, b snapshot.LogGroup) int { return b.Last.Compare(a.Last) })
	f := limitFinding(TableWasFull)
	f.Cause = message.New("cause_was_full")
	f.Cure = []Cure{do("ctkeeper plan", "cure_plan")}
	for i, g := range groups {
		if !h.old(g) {
			f.Severity = Warning
		}
		if i < logNamespaces {
			f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
		}
	}
	if more := len(groups) - logNamespaces; more > 0 {
		f.Evidence = append(f.Evidence, evidence(h.logSource(), "ev_log_more", more))
	}
	return []Finding{f}
}

// owner is the namespace that a log group is about; nil when the log does not tell.
//
// Since Linux 6.15 or so the message names every namespace but the first one, so where any group has a
// number, one without is of the first namespace. Before, nobody can tell.
func (h *host) owner(g snapshot.LogGroup) *view {
	for i := range h.views {
		v := &h.views[i]
		if g.NetnsInode != 0 && v.n.Inode == g.NetnsInode {
			return v
		}
		if g.NetnsInode == 0 && v.n.Initial && (h.logNames() || len(h.views) == 1) {
			return v
		}
	}
	if g.NetnsInode == 0 && len(h.views) == 1 && !h.logNames() {
		return &h.views[0]
	}
	return nil
}

// logNames reports whether this kernel's messages name the namespace.
func (h *host) logNames() bool {
	for _, g := range h.s.Log.Groups {
		if g.NetnsInode != 0 {
			return true
		}
	}
	return false
}

// logGroup is the log's newest group of a kind that is about this namespace.
func (v *view) logGroup(kind snapshot.LogKind) (snapshot.LogGroup, bool) {
	var best snapshot.LogGroup
	var found bool
	for _, g := range v.h.s.Log.Groups {
		if g.Kind != kind || v.h.owner(g) != v {
			continue
		}
		if !found || g.Last.After(best.Last) {
			best, found = g, true
		}
	}
	return best, found
}

// logEvidence is what the log says of this namespace: that and when, never how many.
func (v *view) logEvidence(kind snapshot.LogKind) []Evidence {
	if g, ok := v.logGroup(kind); ok {
		return v.h.groupEvidence(g)
	}
	return nil
}

func (h *host) groupEvidence(g snapshot.LogGroup) []Evidence {
	seen := g.Lines + g.Repeated
	code := "ev_log"
	pairs := []any{"example", withoutRecord(g.Example)}
	if !g.Last.IsZero() {
		code = "ev_log_last"
		pairs = append(pairs, "last", g.Last.UTC().Format(time.RFC3339))
	}
	all := []Evidence{evidence(h.logSource(), code, seen, pairs...)}
	if g.NetnsInode != 0 {
		if v := h.owner(g); v != nil {
			all = append(all, evidence(h.logSource(), "ev_log_netns", g.NetnsInode, "name", v.name))
		} else {
			all = append(all, evidence(h.logSource(), "ev_log_netns_gone", g.NetnsInode))
		}
	} else if h.owner(g) == nil {
		all = append(all, evidence(h.logSource(), "ev_log_netns_untold", len(h.views)))
	}
	if g.Suppressed > 0 {
		all = append(all, evidence(h.logSource(), "ev_log_suppressed", g.Suppressed))
	}
	return all
}

// withoutRecord is a log line without the numbers that /dev/kmsg puts before it: "4,465,7560059303,-;".
func withoutRecord(line string) string {
	head, rest, ok := strings.Cut(line, ";")
	if ok && strings.Trim(head, "0123456789,-c") == "" {
		return rest
	}
	return line
}

func (h *host) tableWasFull(g snapshot.LogGroup, v *view) Finding {
	f := Finding{Code: TableWasFull, Severity: Warning, Confidence: 0.9, Namespace: v.name, Evidence: h.groupEvidence(g)}
	if h.old(g) {
		f.Severity = OK
	}
	f.Cause = message.New("cause_was_full")
	if v.limited() && v.count.known {
		f.Evidence = append(f.Evidence, v.roomEvidence()...)
	}
	if total, ok := v.n.Counter("drop"); ok {
		f.Evidence = append(f.Evidence, evidence(v.counterSource(), "ev_drop_total", total))
	}
	f.Cure = append(v.raise(), do("ctkeeper plan", "cure_plan"))
	return f
}

// old reports whether a message is history: of an earlier boot, or a week old.
func (h *host) old(g snapshot.LogGroup) bool {
	if g.SinceBoot != nil && !*g.SinceBoot {
		return true
	}
	return !g.Last.IsZero() && h.age(g.Last) > logRecent
}

// age is how long before the snapshot something happened.
func (h *host) age(t time.Time) time.Duration { return h.s.Taken.Sub(t) }

// recent reports whether the log has a message of a kind that other limits leave, a day old at most.
func (h *host) recent(kind snapshot.LogKind) (snapshot.LogGroup, bool) {
	for _, g := range h.s.Log.Groups {
		if g.Kind != kind || (g.SinceBoot != nil && !*g.SinceBoot) {
			continue
		}
		if g.Last.IsZero() || h.age(g.Last) <= logLookAlike {
			return g, true
		}
	}
	return snapshot.LogGroup{}, false
}

// unexplainedDrops: without any line in a log, drops that no clash explains still tell of a full table.
func (h *host) unexplainedDrops() []Finding {
	var all []Finding
	for i := range h.views {
		v := &h.views[i]
		drop, ok := v.n.Counter("drop")
		failed, _ := v.n.Counter("insert_failed")
		if !ok || drop < failed+dropsUnexplained || v.full() {
			continue
		}
		f := Finding{Code: TableWasFull, Severity: OK, Confidence: 0.5, Namespace: v.name}
		if h.noLog() {
			f.Severity = Warning
		}
		f.Evidence = []Evidence{evidence(v.counterSource(), "ev_drop_unexplained", drop-failed,
			"drop", drop, "insert_failed", failed)}
		f.Cause = message.New("cause_was_full_counter")
		f.Cure = []Cure{do("ctkeeper plan", "cure_plan")}
		all = append(all, f)
	}
	return all
}

// expectWasFull is the log's part of expectation_table_full.
func (h *host) expectWasFull(g snapshot.LogGroup) []Finding {
	v := h.owner(g)
	if v != nil && v.expectFull() {
		return nil
	}
	f := Finding{Code: ExpectationTableFull, Severity: Warning, Confidence: 0.9, Evidence: h.groupEvidence(g)}
	if h.old(g) {
		f.Severity = OK
	}
	f.Cause = message.New("cause_expectations")
	if v == nil && len(h.views) > 0 {
		v = &h.views[0]
	}
	if v != nil {
		f.Namespace = v.name
		f.Cure = v.moreExpectations()
	}
	return []Finding{f}
}

// expectations judges the table of expected flows, which only helpers (FTP, SIP, PPTP) fill.
func expectations(v *view) []Finding {
	if !v.expectFull() {
		return nil
	}
	limit := v.expectMax()
	f := Finding{Code: ExpectationTableFull, Severity: Critical, Confidence: 0.95}
	f.Evidence = append([]Evidence{evidence("expectation table", "ev_expectations",
		*v.n.Expectations, "max", limit.n)}, v.logEvidence(snapshot.LogExpectFull)...)
	f.Cause = message.New("cause_expectations")
	f.Cure = v.moreExpectations()
	return []Finding{f}
}

func (v *view) expectMax() figure {
	return first(setting(v.n, "expect_max"), pointed(v.h.s.Machine.ExpectMax))
}

func (v *view) expectFull() bool {
	limit := v.expectMax()
	return limit.known && limit.n > 0 && v.n.Expectations != nil && *v.n.Expectations >= limit.n
}

func (v *view) moreExpectations() []Cure {
	limit := v.expectMax()
	if !limit.known {
		return []Cure{do("ctkeeper plan", "cure_plan")}
	}
	return []Cure{v.set(message.New("cure_expect_max", "max", 4*limit.n), assign{"expect_max", 4 * limit.n})}
}
