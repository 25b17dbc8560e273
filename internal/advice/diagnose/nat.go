package diagnose

import "ctkeeper/internal/conntrack/message"

// nat judges whether source NAT runs out of ports. The kernel counts no such refusal: what tells is a
// destination that nearly as many translated flows go to as one address has ports, and the tuple checks
// (the `found` counter since Linux 4.9) that the search for a free port costs.
func nat(v *view) []Finding {
	sum := v.flows()
	if sum == nil || sum.NAT == 0 || len(sum.Dest) == 0 {
		return nil
	}
	row := sum.Dest[0]
	certain := row.Count - min(row.Error, row.Count)
	if float64(certain) < natPortsShare*natPorts || float64(sum.NAT) < natPortsShare*natPorts {
		return nil
	}
	f := Finding{Code: NATPortsExhausted, Severity: Warning, Confidence: 0.6}
	f.Evidence = []Evidence{
		evidence(v.flowSource(), "ev_nat_dest", row.Count, "key", row.Key, "ports", int64(natPorts)),
		evidence(v.flowSource(), "ev_nat_flows", sum.NAT),
	}
	if rate, n, ok := v.rate("found"); ok && n > 0 {
		f.Evidence = append(f.Evidence, evidence(v.counterSource(), "ev_nat_search", n, "rate", rate))
		if rate >= natSearchRate {
			f.Severity, f.Confidence = Critical, 0.85
		}
	}
	f.Cause = message.New("cause_nat_ports", "key", row.Key)
	f.Cure = []Cure{do("", "cure_nat_more_addresses"), do("", "cure_nat_keepalive")}
	return []Finding{f}
}
