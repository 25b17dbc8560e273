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

// logWords are in the names of what could not be read of the log.
func logWords() []string { return []string{"kmsg", "journal", "/var/log", "kernel log"} }

// noLog reports whether no log could be read: none was found, or all that could be opened are empty while
// another refused.
func (h *host) noLog() bool {
	for _, s := range h.s.Log.Sources {
		if s.Lines > 0 {
			return false
		}
	}
	return len(h.s.Log.Sources) == 0 || len(missing(h.s, logWords()...)) > 0
}

func (h *host) logUnavailable() []Finding {
	if !h.noLog() {
		return nil
	}
	f := Finding{Code: LogUnavailable, Severity: OK, Confidence: 0.95}
	for _, m := range missing(h.s, logWords()...) {
		f.Evidence = append(f.Evidence, evidence(m.Source, "ev_missing", m.Why))
	}
	f.Cause = message.New("cause_log_unavailable")
	f.Cure = []Cure{do("sudo ctkeeper doctor", "cure_as_root")}
	return []Finding{f}
}
