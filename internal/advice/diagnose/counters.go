package diagnose

import "ctkeeper/internal/conntrack/message"

// counters judges what conntrack refuses, loses or calls invalid while the table has room.
func counters(v *view) []Finding {
	var all []Finding
	for _, judge := range []func(*view) (Finding, bool){chainTooLong, insertFailed, invalidPackets} {
		if f, ok := judge(v); ok {
			all = append(all, f)
		}
	}
	return all
}

// chainTooLong: since Linux 5.15 a flow whose hash chain is too long is refused.
func chainTooLong(v *view) (Finding, bool) {
	f := Finding{Code: ChainTooLong, Confidence: 0.95, Cause: message.New("cause_chain_too_long")}
	if rate, n, ok := v.rate("chain_toolong"); ok && n > 0 {
		f.Severity = Critical
		f.Evidence = append(f.Evidence, evidence(v.counterSource(), "ev_chain", n, "rate", rate,
			"seconds", v.interval.Seconds()))
	} else if total, known := v.n.Counter("chain_toolong"); known && total > 0 {
		f.Severity = Warning
		if ok && !v.longChains() {
			f.Severity = OK // the counter remembers what was cured since
		}
		f.Evidence = append(f.Evidence, evidence(v.counterSource(), "ev_chain_total", total))
	} else {
		return Finding{}, false
	}
	if v.count.known && v.buckets.known && v.buckets.n > 0 {
		f.Evidence = append(f.Evidence, evidence(v.source("buckets"), "ev_chain_mean",
			2*float64(v.count.n)/float64(v.buckets.n), "count", v.count.n, "buckets", v.buckets.n))
	}
	f.Cure = v.moreBuckets()
	return f, true
}

// longChains reports whether chains are long now, or will be when the table is full.
func (v *view) longChains() bool {
	if !v.buckets.known || v.buckets.n <= 0 {
		return true
	}
	return v.max.n > bucketsRatio*v.buckets.n || 2*float64(v.count.n)/float64(v.buckets.n) > chainMean
}

// moreBuckets makes buckets follow max; on a table whose buckets follow already there is nothing to set.
func (v *view) moreBuckets() []Cure {
	target := roundUp(max(v.max.n, v.count.n), 512)
	if !v.buckets.known || v.buckets.n >= target {
		return []Cure{do("ctkeeper plan", "cure_plan")}
	}
	return []Cure{v.set(message.New("cure_buckets", "buckets", target, "bytes", target*bucketBytes),
		assign{"buckets", target})}
}

// insertFailed: two packets of one new flow raced (DNS over UDP, mostly), and one was dropped.
func insertFailed(v *view) (Finding, bool) {
	f := Finding{Code: InsertFailed, Severity: Warning, Confidence: 0.8, Cause: message.New("cause_insert_failed")}
	rate, n, ok := v.rate("insert_failed")
	chain, _, _ := v.n.Rise("chain_toolong")
	if ok {
		n -= min(chain, n)
		rate = perSecond(int64(n), v.interval.Seconds())
	}
	average, okAverage := v.average("insert_failed")
	total, _ := v.n.Counter("insert_failed")
	long, _ := v.n.Counter("chain_toolong")
	switch {
	case ok && rate >= insertFailedRate:
		f.Evidence = []Evidence{evidence(v.counterSource(), "ev_insert_failed", n, "rate", rate)}
	case okAverage && average >= insertFailedSinceBoot && long < total/2:
		f.Confidence = 0.6
		f.Evidence = []Evidence{evidence(v.counterSource(), "ev_insert_failed_total", total, "rate", average)}
	default:
		return Finding{}, false
	}
	if sum := v.flows(); sum != nil {
		for _, row := range sum.DestPort {
			if row.Key == "udp/53" {
				f.Evidence = append(f.Evidence, evidence(v.flowSource(), "ev_dns_flows", row.Count))
			}
		}
	}
	f.Cure = []Cure{do("", "cure_insert_failed_dns"), do("", "cure_insert_failed_source_port")}
	return f, true
}

// invalidPackets: packets that fit no flow. They pass conntrack itself; what rules do with them hurts.
func invalidPackets(v *view) (Finding, bool) {
	f := Finding{Code: InvalidPackets, Severity: Warning, Confidence: 0.7, Cause: message.New("cause_invalid")}
	rate, n, ok := v.rate("invalid")
	average, okAverage := v.average("invalid")
	total, _ := v.n.Counter("invalid")
	switch {
	case ok && rate >= invalidRate:
		f.Evidence = []Evidence{evidence(v.counterSource(), "ev_invalid", n, "rate", rate)}
	case !ok && okAverage && average >= invalidSinceBoot:
		f.Confidence = 0.5
		f.Evidence = []Evidence{evidence(v.counterSource(), "ev_invalid_total", total, "rate", average)}
	default:
		return Finding{}, false
	}
	liberal, okLiberal := v.n.Setting("tcp_be_liberal")
	if okLiberal {
		f.Evidence = append(f.Evidence, evidence(v.source("tcp_be_liberal"), "ev_be_liberal", liberal))
	}
	f.Cure = []Cure{do("", "cure_invalid_look")}
	if !okLiberal || liberal == 0 {
		f.Cure = append(f.Cure, v.set(message.New("cure_be_liberal"), assign{"tcp_be_liberal", 1}))
	}
	return f, true
}
