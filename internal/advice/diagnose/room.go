package diagnose

// Evidence that several findings share.

// roomEvidence is count against max, and how much of it the kernel cannot take back.
func (v *view) roomEvidence() []Evidence {
	o, _ := v.occupancy()
	all := []Evidence{evidence(v.countSource(), "ev_occupancy", o, "count", v.count.n, "max", v.max.n)}
	if p, ok := v.pressure(); ok {
		sum := v.flows()
		all = append(all, evidence(v.flowSource(), "ev_pressure", p, "pinned", sum.Pinned(),
			"unassured", sum.Unassured(), "closing", sum.Closing))
	}
	return all
}

// refusedEvidence is what the counters say of refused and of evicted flows.
func (v *view) refusedEvidence() []Evidence {
	var all []Evidence
	if v.refused.known {
		all = append(all, evidence(v.counterSource(), "ev_refused", v.refused.n,
			"seconds", v.interval.Seconds(), "rate", perSecond(v.refused.n, v.interval.Seconds())))
	}
	if total, ok := v.n.Counter("drop"); ok {
		all = append(all, evidence(v.counterSource(), "ev_drop_total", total))
	}
	if rate, n, ok := v.rate("early_drop"); ok && n > 0 {
		all = append(all, evidence(v.counterSource(), "ev_early_drop", n, "rate", rate))
	} else if total, ok := v.n.Counter("early_drop"); ok && total > 0 {
		all = append(all, evidence(v.counterSource(), "ev_early_drop_total", total))
	}
	return all
}

func perSecond(n int64, seconds float64) float64 {
	if seconds <= 0 {
		return 0
	}
	return float64(n) / seconds
}

// hiddenEvidence tells of flows that count but that no listing shows: expired and not yet reaped, or kept
// for a listener that does not take its events.
func (v *view) hiddenEvidence() []Evidence {
	sum := v.flows()
	if sum == nil || !v.count.known || v.count.n < hiddenLeast {
		return nil
	}
	if float64(sum.Total) >= hiddenShare*float64(v.count.n) {
		return nil
	}
	return []Evidence{evidence(v.flowSource(), "ev_hidden", v.count.n-int64(sum.Total), "listed", sum.Total)}
}

// topEvidence names who and what fills the table.
func (v *view) topEvidence() []Evidence {
	sum := v.flows()
	if sum == nil || sum.Total == 0 {
		return nil
	}
	var all []Evidence
	for _, row := range sum.Source[:min(3, len(sum.Source))] {
		share := float64(row.Count) / float64(sum.Total)
		if share < topShare {
			break
		}
		all = append(all, evidence(v.flowSource(), "ev_top_source", row.Count,
			"key", row.Key, "share", share, "error", row.Error))
	}
	if len(sum.DestPort) > 0 {
		row := sum.DestPort[0]
		all = append(all, evidence(v.flowSource(), "ev_top_port", row.Count,
			"key", row.Key, "share", float64(row.Count)/float64(sum.Total)))
	}
	var top int
	for i, c := range sum.Classes {
		if c.Count > sum.Classes[top].Count {
			top = i
		}
	}
	if len(sum.Classes) > 0 {
		c := sum.Classes[top]
		all = append(all, evidence(v.flowSource(), "ev_top_class", c.Count, "class", className(c.Proto, c.State),
			"share", float64(c.Count)/float64(sum.Total)))
	}
	return all
}

func className(proto, state string) string {
	if state == "" {
		return proto
	}
	return proto + " " + state
}
