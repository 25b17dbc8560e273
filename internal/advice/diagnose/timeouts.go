package diagnose

import "ctkeeper/internal/conntrack/message"

// timeouts judges settings that break live but idle connections.
func timeouts(v *view) []Finding {
	established, ok := v.n.Setting("tcp_timeout_established")
	if !ok || !v.mayTrack() {
		return nil
	}
	h := v.h.s.Host
	wait := orDefault(h.KeepaliveTime, keepaliveTime)
	all := wait + orDefault(h.KeepaliveProbes, keepaliveProbes)*orDefault(h.KeepaliveInterval, keepaliveInterval)
	if established >= all {
		return nil
	}
	f := Finding{Code: TimeoutBreaksIdle, Severity: OK, Confidence: 0.9}
	if established < wait {
		// Not even the first probe comes in time.
		f.Severity = Warning
	}
	f.Evidence = []Evidence{
		evidence(v.source("tcp_timeout_established"), "ev_timeout", established, "name", "tcp_timeout_established"),
		evidence("net.ipv4.tcp_keepalive_time", "ev_keepalive", all, "time", wait),
	}
	if sum := v.flows(); sum != nil {
		n, _ := v.class("tcp", "ESTABLISHED")
		f.Evidence = append(f.Evidence, evidence(v.flowSource(), "ev_established_now", n))
	}
	f.Cause = message.New("cause_timeout_breaks_idle", "timeout", established, "keepalive", all)
	f.Cure = []Cure{v.set(message.New("cure_established_up"), assign{"tcp_timeout_established", staleIdle})}
	return []Finding{f}
}

// mayTrack reports whether anything may be tracked in the namespace: true when that is not known.
func (v *view) mayTrack() bool { return v.n.Tracking == nil || *v.n.Tracking }

func orDefault(p *int64, d int64) int64 {
	if p == nil {
		return d
	}
	return *p
}
