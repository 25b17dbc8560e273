package diagnose

import (
	"time"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// capacity judges the room in one table: full, filling, full of what the kernel can take back, unlimited.
func capacity(v *view) []Finding {
	if v.max.known && v.max.n == 0 {
		return []Finding{v.unlimited()}
	}
	o, ok := v.occupancy()
	if !ok {
		return nil
	}
	switch {
	case v.full():
		return v.tableFull()
	case v.reclaimable() && o >= fillingShare:
		return []Finding{v.occupancyReclaimable()}
	case o >= fillingShare || v.soon():
		return v.tableFilling()
	}
	return nil
}

// full reports whether the table refuses flows now: at max and refusing, or at max with nothing that tells
// that early drop makes room, or nearly so with the kernel saying it this very minute.
func (v *view) full() bool {
	if v.refused.known && v.refused.n > 0 {
		return true
	}
	if v.over(nearFullShare) && v.loggedNow() {
		return true
	}
	return v.atMax && v.count.n >= v.max.n && !v.reclaimable()
}

// loggedNow reports whether the kernel's log says "table full" of this table within the last minute.
func (v *view) loggedNow() bool {
	g, ok := v.logGroup(snapshot.LogTableFull)
	return ok && v.h.s.Log.Current && !g.Last.IsZero() && v.h.age(g.Last) <= logNow
}

// reclaimable reports whether early drop will make room nearly always, and was seen to refuse nothing.
func (v *view) reclaimable() bool {
	p, ok := v.refuseProbability()
	return ok && p < evictSafe && (!v.refused.known || v.refused.n == 0)
}

func (v *view) tableFull() []Finding {
	f := Finding{Code: TableFull, Severity: Critical, Confidence: v.fullConfidence()}
	f.Evidence = append(v.roomEvidence(), v.refusedEvidence()...)
	f.Evidence = append(f.Evidence, v.logEvidence(snapshot.LogTableFull)...)
	f.Evidence = append(f.Evidence, v.hiddenEvidence()...)
	f.Evidence = append(f.Evidence, v.topEvidence()...)
	f.Cause = v.fullCause()
	f.Cure = append(v.raise(), v.contentsCure()...)
	f.Cure = append(f.Cure, do("ctkeeper plan", "cure_plan"))
	found := []Finding{f}
	if p, ok := v.refuseProbability(); ok && p >= evictUnlikely {
		found = append(found, v.earlyDropUnlikely(p, Critical))
	}
	return found
}

// fullConfidence grows with what agrees: the counters, the log, the count.
func (v *view) fullConfidence() float64 {
	_, logged := v.logGroup(snapshot.LogTableFull)
	switch {
	case v.refused.known && v.refused.n > 0 && logged:
		return 0.99
	case v.refused.known && v.refused.n > 0:
		return 0.97
	case v.loggedNow():
		return 0.95
	case logged:
		return 0.9
	}
	return 0.8
}

// fullCause names what fills the table, where that is known.
func (v *view) fullCause() message.Message {
	switch {
	case v.flows() == nil:
		return message.New("cause_full_unknown")
	case v.isFlood():
		return message.New("cause_full_flood")
	case v.isStale():
		return message.New("cause_full_stale")
	}
	if row, ok := v.single(); ok {
		return message.New("cause_full_source", "source", row.Key)
	}
	return message.New("cause_full_demand")
}

func (v *view) tableFilling() []Finding {
	o, _ := v.occupancy()
	f := Finding{Code: TableFilling, Severity: Warning, Confidence: 0.9}
	if p, ok := v.pressure(); o >= nearFullShare && (!ok || p >= fillingShare) {
		f.Severity = Critical
	}
	f.Evidence = v.roomEvidence()
	if left, rate, ok := v.timeToFull(); ok {
		f.Evidence = append(f.Evidence, evidence(v.countSource(), "ev_time_to_full", left.Seconds(),
			"rate", rate, "seconds", v.interval.Seconds(), "left", int64(left.Seconds())))
	}
	f.Evidence = append(f.Evidence, v.topEvidence()...)
	f.Cause = message.New("cause_filling")
	f.Cure = append(v.raise(), v.contentsCure()...)
	f.Cure = append(f.Cure, do("ctkeeper plan", "cure_plan"))
	found := []Finding{f}
	if p, ok := v.refuseProbability(); ok && p >= evictUnlikely {
		found = append(found, v.earlyDropUnlikely(p, Warning))
	}
	return found
}

// soon reports whether the table, at the rate of the last readings, is full within minutes.
func (v *view) soon() bool {
	left, _, ok := v.timeToFull()
	return ok && left <= soonFull && v.over(soonShare)
}

// timeToFull is the time until count reaches max at the rise between the first and the last reading.
func (v *view) timeToFull() (time.Duration, float64, bool) {
	r := v.n.Readings
	if len(r) < 2 || !v.limited() {
		return 0, 0, false
	}
	a, b := r[0], r[len(r)-1]
	if a.Count == nil || b.Count == nil || v.interval <= 0 {
		return 0, 0, false
	}
	rise := *b.Count - *a.Count
	if rise <= 0 || float64(rise) < soonRise*float64(*a.Count) || *b.Count >= v.max.n {
		return 0, 0, false
	}
	rate := float64(rise) / v.interval.Seconds()
	return time.Duration(float64(v.max.n-*b.Count) / rate * float64(time.Second)), rate, true
}

func (v *view) occupancyReclaimable() Finding {
	f := Finding{Code: OccupancyReclaimable, Severity: OK, Confidence: 0.9}
	if v.atMax {
		f.Severity = Warning
	}
	p, _ := v.refuseProbability()
	f.Evidence = append(v.roomEvidence(), v.refuseEvidence(p))
	f.Evidence = append(f.Evidence, v.topEvidence()...)
	f.Cause = message.New("cause_reclaimable")
	f.Cure = append(v.contentsCure(), do("ctkeeper plan", "cure_plan"))
	return f
}

func (v *view) earlyDropUnlikely(p float64, severity Severity) Finding {
	f := Finding{Code: EarlyDropUnlikely, Severity: severity, Confidence: 0.9}
	f.Evidence = []Evidence{v.refuseEvidence(p)}
	f.Cause = message.New("cause_early_drop_unlikely")
	f.Cure = append(v.raise(), do("ctkeeper plan", "cure_plan"))
	return f
}

func (v *view) unlimited() Finding {
	f := Finding{Code: MaxUnlimited, Severity: Warning, Confidence: 0.95}
	f.Evidence = []Evidence{evidence(v.source("max"), "ev_max", int64(0))}
	if v.count.known {
		f.Evidence = append(f.Evidence, evidence(v.countSource(), "ev_count", v.count.n))
	}
	f.Cause = message.New("cause_max_unlimited")
	target := int64(262144) // the kernel's own default on a machine with over 4 GiB
	if ram := v.h.s.Host.MemTotal; ram != 0 {
		target = min(target, roundUp(int64(memoryShare/2*float64(ram))/int64(v.h.flowBytes()), 512))
	}
	target = max(target, roundUp(2*v.count.n, 512))
	f.Cure = []Cure{v.set(message.New("cure_set_max", "max", target), assign{"max", target})}
	return f
}
