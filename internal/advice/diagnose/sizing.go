package diagnose

import "ctkeeper/internal/conntrack/message"

// sizing judges max against memory and buckets against max. Both are the machine's, so the first
// namespace that shows them speaks for all.
func sizing(h *host) []Finding {
	for i := range h.views {
		v := &h.views[i]
		if v.limited() {
			return append(v.bucketsTooFew(), v.maxExceedsMemory()...)
		}
	}
	return nil
}

func (v *view) bucketsTooFew() []Finding {
	if !v.buckets.known || v.buckets.n <= 0 || !v.longChains() {
		return nil
	}
	ratio := float64(v.max.n) / float64(v.buckets.n)
	mean := 2 * float64(v.count.n) / float64(v.buckets.n)
	f := Finding{Code: BucketsTooFew, Severity: Warning, Confidence: 0.9}
	f.Evidence = []Evidence{evidence(v.source("buckets"), "ev_buckets", v.buckets.n, "max", v.max.n,
		"ratio", ratio, "chain", 2*ratio)}
	if v.count.known {
		f.Evidence = append(f.Evidence, evidence(v.countSource(), "ev_chain_mean", mean,
			"count", v.count.n, "buckets", v.buckets.n))
	}
	f.Cause = message.New("cause_buckets")
	f.Cure = v.moreBuckets()
	return []Finding{f}
}

func (v *view) maxExceedsMemory() []Finding {
	ram := v.h.s.Host.MemTotal
	if ram == 0 {
		return nil
	}
	flow := v.h.flowBytes()
	need := float64(v.max.n)*float64(flow) + float64(v.buckets.n)*bucketBytes
	if need <= memoryShare*float64(ram) {
		return nil
	}
	f := Finding{Code: MaxExceedsMemory, Severity: Warning, Confidence: 0.85}
	f.Evidence = []Evidence{
		evidence(v.source("max"), "ev_memory_need", int64(need), "max", v.max.n, "flow", flow),
		evidence("/proc/meminfo", "ev_memory", ram, "share", need/float64(ram)),
		evidence(v.h.slabSource(), "ev_flow_bytes", flow),
	}
	f.Cause = message.New("cause_max_exceeds_memory")
	fits := roundUp(int64(memoryShare/2*float64(ram)/float64(flow+bucketBytes)), 512)
	if v.count.known && fits < 2*v.count.n {
		f.Cure = []Cure{do("ctkeeper plan", "cure_plan")}
		return []Finding{f}
	}
	f.Cure = []Cure{v.set(message.New("cure_set_max", "max", fits), assign{"max", fits})}
	return []Finding{f}
}
