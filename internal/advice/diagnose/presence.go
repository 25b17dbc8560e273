package diagnose

import (
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// presence tells what is not there: the module, tracking itself, the counters, the log.
func presence(h *host) []Finding {
	if h.s.Module.State == snapshot.ModuleAbsent {
		return append([]Finding{{
			Code: ModuleAbsent, Severity: OK, Confidence: 0.95,
			Evidence: []Evidence{evidence("/proc/sys/net/netfilter", "ev_module_absent", h.s.Host.Kernel)},
			Cause:    message.New("cause_module_absent"),
		}}, h.logUnavailable()...)
	}
	var all []Finding
	for i := range h.views {
		all = append(all, h.views[i].presence()...)
	}
	return append(all, h.logUnavailable()...)
}

func (v *view) presence() []Finding {
	var all []Finding
	if v.n.Tracking != nil && !*v.n.Tracking {
		f := Finding{Code: NotTracking, Severity: OK, Confidence: 0.85, Namespace: v.name}
		f.Evidence = []Evidence{evidence("netfilter", "ev_not_tracking", v.name)}
		if v.count.known {
			f.Evidence = append(f.Evidence, evidence(v.countSource(), "ev_count", v.count.n))
		}
		f.Cause = message.New("cause_not_tracking")
		return append(all, f)
	}
	if _, ok := v.n.Counter("drop"); ok || !v.looked() && len(v.h.views) > 1 {
		return nil
	}
	f := Finding{Code: CountersUnavailable, Severity: OK, Confidence: 0.95, Namespace: v.name}
	for _, m := range missing(v.h.s, "nf_conntrack", "ip_conntrack", "ctnetlink", "counter") {
		f.Evidence = append(f.Evidence, evidence(m.Source, "ev_missing", m.Why))
	}
	f.Cause = message.New("cause_counters_unavailable")
	f.Cure = []Cure{do("sudo ctkeeper doctor", "cure_as_root")}
	return append(all, f)
}

func (h *host) logUnavailable() []Finding {
	if len(h.s.Log.Sources) > 0 {
		return nil
	}
	f := Finding{Code: LogUnavailable, Severity: OK, Confidence: 0.95}
	for _, m := range missing(h.s, "kmsg", "journal", "/var/log", "log") {
		f.Evidence = append(f.Evidence, evidence(m.Source, "ev_missing", m.Why))
	}
	f.Cause = message.New("cause_log_unavailable")
	f.Cure = []Cure{do("sudo ctkeeper doctor", "cure_as_root")}
	return []Finding{f}
}
