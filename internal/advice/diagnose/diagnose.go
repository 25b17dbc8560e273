// Package diagnose judges a snapshot: is conntrack the problem, was it, will it be, or does something else
// only look like it?
//
//	report := diagnose.Diagnose(s)
//
// Each family of findings has a file of its own. A finding is one conclusion with its evidence, cause and
// cure, as codes and parameters; `surface/wording` has the sentences, docs/findings.md says what each code
// means and where its threshold comes from.
//
// The package is pure: it reads nothing, knows no clock but the snapshot's, and changes nothing. It does
// not size a table (that is advice/plan); the figures in its cures are what relieves the finding at hand.
package diagnose

import (
	"cmp"
	"slices"

	"ctkeeper/internal/conntrack/snapshot"
)

// Diagnose returns everything that the snapshot tells, worst first.
func Diagnose(s snapshot.Snapshot) Report {
	h := newHost(&s)
	r := Report{Missing: once(s.Missing)}
	for i := range h.views {
		v := &h.views[i]
		r.Namespaces = append(r.Namespaces, v.summary())
		r.Findings = append(r.Findings, v.findings()...)
	}
	r.Findings = h.remember(append(r.Findings, h.findings()...))
	order(r.Findings)
	h.judge(&r)
	return r
}

// findings returns what is wrong, or worth knowing, in one namespace.
func (v *view) findings() []Finding {
	var all []Finding
	for _, family := range []func(*view) []Finding{
		capacity, expectations, counters, contents, nat, timeouts,
	} {
		all = append(all, family(v)...)
	}
	for i := range all {
		all[i].Namespace = v.name
	}
	return all
}

// findings returns what concerns the machine as a whole.
func (h *host) findings() []Finding {
	var all []Finding
	for _, family := range []func(*host) []Finding{
		past, sizing, bootFindings, presence,
		fileLimits, processLimits, listenOverflow, portsExhausted, neighbourOverflow, socketMemory,
	} {
		all = append(all, family(h)...)
	}
	return all
}

// order sorts findings: the worst first, and among equals those that refuse packets now before those that
// will, those that look like it, and those about files.
func order(f []Finding) {
	slices.SortStableFunc(f, func(a, b Finding) int {
		if c := cmp.Compare(b.Severity.rank(), a.Severity.rank()); c != 0 {
			return c
		}
		return cmp.Compare(place(a.Code), place(b.Code))
	})
}

// once leaves out what was missed twice, as in both readings.
func once(all []snapshot.Missing) []snapshot.Missing {
	var list []snapshot.Missing
	for _, m := range all {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}
