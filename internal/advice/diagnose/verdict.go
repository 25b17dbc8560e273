package diagnose

import "ctkeeper/internal/conntrack/message"

// What a verdict loses of its confidence by what could not be read.
const (
	healthyConfidence   = 0.95
	withoutCounters     = 0.15
	withoutLog          = 0.1
	withoutFlows        = 0.05
	leastConfidence     = 0.3
	unknownConfidence   = 0.0
	notConntrackWithout = 0.6
)

// judge fills the report's verdict, severity and confidence from its findings, worst first.
func (h *host) judge(r *Report) {
	r.Severity = OK
	if len(r.Findings) > 0 {
		r.Severity = r.Findings[0].Severity
	}
	switch {
	case r.Severity != OK:
		h.lead(r)
	case !h.known(r):
		r.Verdict, r.Severity, r.Confidence = VerdictUnknown, Unknown, unknownConfidence
		r.Text = message.New("verdict_unknown")
	default:
		h.wellVerdict(r)
	}
}

// known reports whether enough was read to call the host well.
func (h *host) known(r *Report) bool {
	if _, ok := r.Find(ModuleAbsent); ok {
		return true
	}
	for i := range h.views {
		v := &h.views[i]
		if v.max.known && v.count.known {
			return true
		}
		if v.n.Tracking != nil && !*v.n.Tracking {
			return true
		}
	}
	return false
}

// lead takes the verdict from the worst finding.
func (h *host) lead(r *Report) {
	f := r.Findings[0]
	r.Verdict, r.Confidence = f.Code, f.Confidence
	if !lookAlike(f.Code) {
		r.Text = message.New("verdict_"+f.Code, "namespace", h.nameOf(f))
		return
	}
	r.Verdict = VerdictNotConntrack
	r.Text = message.New("verdict_not_" + f.Code)
	if !h.known(r) {
		// What it is can be told, that it is not conntrack too can not.
		r.Confidence = min(r.Confidence, notConntrackWithout)
		return
	}
	r.Confidence = min(r.Confidence, h.confidence(r))
}

// nameOf is the namespace that a verdict names.
func (h *host) nameOf(f Finding) string {
	if f.Namespace == "" && len(h.views) > 0 {
		return h.views[0].name
	}
	return f.Namespace
}

// wellVerdict is the verdict when nothing is wrong.
func (h *host) wellVerdict(r *Report) {
	r.Verdict, r.Confidence = VerdictHealthy, h.confidence(r)
	for _, code := range []string{ModuleAbsent, NotTracking} {
		if f, ok := r.Find(code); ok && (code == ModuleAbsent || h.noneTracks()) {
			r.Verdict, r.Confidence = code, f.Confidence
			r.Text = message.New("verdict_" + code)
			return
		}
	}
	r.Text = message.New("verdict_healthy")
	var top float64
	for i := range h.views {
		if o, ok := h.views[i].occupancy(); ok && o >= top {
			top = o
			r.Text = message.New("verdict_healthy_share", "occupancy", o, "namespace", h.views[i].name)
		}
	}
}

func (h *host) noneTracks() bool {
	for i := range h.views {
		if v := &h.views[i]; v.mayTrack() && v.looked() {
			return false
		}
	}
	return len(h.views) > 0
}

// confidence is how sure "nothing is wrong with conntrack" is.
func (h *host) confidence(r *Report) float64 {
	c := healthyConfidence
	if _, ok := r.Find(CountersUnavailable); ok {
		c -= withoutCounters
	}
	if _, ok := r.Find(LogUnavailable); ok {
		c -= withoutLog
	}
	for i := range h.views {
		if v := &h.views[i]; v.flows() == nil && v.mayTrack() && v.looked() {
			c -= withoutFlows
			break
		}
	}
	return max(c, leastConfidence)
}
