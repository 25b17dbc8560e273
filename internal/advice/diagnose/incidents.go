package diagnose

import (
	"time"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// historySource is what incidents are known from.
const historySource = "history of ctkeeper serve"

// refusals sums a namespace's incidents that refused packets.
type refusals struct {
	n                int
	refused, evicted uint64
	last             snapshot.Incident
}

// wereRefused is what the daemon counted of refused packets, namespace by namespace, newest first.
func (h *host) wereRefused() (names []string, sums map[string]*refusals) {
	sums = map[string]*refusals{}
	for _, i := range h.s.Incidents {
		if i.Refused == 0 {
			continue
		}
		r := sums[i.Namespace]
		if r == nil {
			r = &refusals{}
			sums[i.Namespace] = r
			names = append(names, i.Namespace)
		}
		r.n++
		r.refused += i.Refused
		r.evicted += i.EarlyDrops
		if i.Began.After(r.last.Began) {
			r.last = i
		}
	}
	return names, sums
}

// remember adds what the daemon kept to the findings that tell of a full table, and tells of one that nothing
// else knows of.
func (h *host) remember(all []Finding) []Finding {
	names, sums := h.wereRefused()
next:
	for _, name := range names {
		kept := sums[name].evidence()
		for i := range all {
			if f := &all[i]; f.Namespace == name && (f.Code == TableFull || f.Code == TableWasFull) {
				f.Evidence = append(f.Evidence, kept...)
				if f.Code == TableWasFull {
					f.Severity, f.Confidence = Warning, countedConfidence
				}
				continue next
			}
		}
		f := Finding{Code: TableWasFull, Severity: Warning, Confidence: countedConfidence, Namespace: name, Evidence: kept,
			Cause: message.New("cause_was_full"), Cure: []Cure{do("ctkeeper plan", "cure_plan")}}
		for i := range h.views {
			if v := &h.views[i]; v.name == name && v.limited() && v.count.known {
				f.Evidence = append(f.Evidence, v.roomEvidence()...)
				f.Cure = append(v.raise(), f.Cure...)
			}
		}
		all = append(all, f)
	}
	return all
}

// countedConfidence: the daemon compared the counters every second and saw the table at its limit.
const countedConfidence = 0.97

func (r *refusals) evidence() []Evidence {
	i := &r.last
	all := []Evidence{evidence(historySource, "ev_incidents", r.refused, "n", r.n, "evicted", r.evicted)}
	pairs := []any{"peak", i.Peak, "max", i.Max, "before", i.Before, "began", i.Began.UTC().Format(time.RFC3339)}
	if i.Ended.IsZero() {
		all = append(all, evidence(historySource, "ev_incident_open", i.Refused, pairs...))
	} else {
		all = append(all, evidence(historySource, "ev_incident", i.Refused, append(pairs, "seconds", int64(i.Ended.Sub(i.Began).Seconds()))...))
	}
	if len(i.Sources) > 0 {
		all = append(all, evidence(historySource, "ev_incident_source", i.Sources[0].Count, "source", i.Sources[0].Key))
	}
	for n, c := range i.Changes {
		if n == 5 {
			break
		}
		code := "ev_incident_change"
		if c.By != "" {
			code = "ev_incident_change_by"
		}
		all = append(all, evidence(historySource, code, c.To, "setting", c.Setting, "from", c.From, "at", c.At.UTC().Format(time.RFC3339), "by", c.By))
	}
	return all
}
