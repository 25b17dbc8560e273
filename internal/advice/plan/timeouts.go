package plan

import (
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
)

const (
	// day is what kube-proxy, MikroTik and Cisco keep an established flow.
	day = 86400
	// keepaliveDefault is the kernel's own: 7200 s, then 9 probes 75 s apart.
	keepaliveDefault = 7200 + 9*75
	// shareOfMax held by one state from which its timeout matters.
	shareOfMax = 0.1
)

// keepalive is after how long an idle connection has shown that it lives, or is given up.
func (m *maker) keepalive() int64 {
	t, p, i := m.s.Host.KeepaliveTime, m.s.Host.KeepaliveProbes, m.s.Host.KeepaliveInterval
	if t == nil || p == nil || i == nil {
		return keepaliveDefault
	}
	return *t + *p**i
}

// class finds the flows of one protocol and state.
func (m *maker) class(proto, state string) (rank.Class, bool) {
	if m.n.Flows == nil {
		return rank.Class{}, false
	}
	for _, c := range m.n.Flows.Summary.Classes {
		if c.Proto == proto && c.State == state {
			return c, true
		}
	}
	return rank.Class{}, false
}

// tight reports whether this namespace's table is short of room.
func (m *maker) tight() bool {
	c, ok := m.n.Count()
	limit, okMax := m.running("max")
	return ok && okMax && limit > 0 && float64(c) >= tightShare*float64(limit)
}

// short are the values that half-open and closing states are brought to when they fill a table: what a
// retransmission re-creates or a closed connection no longer needs.
func short() []struct {
	setting, state string
	to             int64
} {
	return []struct {
		setting, state string
		to             int64
	}{
		{"tcp_timeout_syn_sent", "SYN_SENT", 30}, {"tcp_timeout_syn_recv", "SYN_RECV", 30},
		{"tcp_timeout_time_wait", "TIME_WAIT", 30}, {"tcp_timeout_fin_wait", "FIN_WAIT", 60},
		{"tcp_timeout_close_wait", "CLOSE_WAIT", 60}, {"tcp_timeout_last_ack", "LAST_ACK", 30},
	}
}

// opening lowers half-open and closing timeouts where those states hold a good part of a tight table.
func (m *maker) opening() {
	limit, ok := m.running("max")
	if !ok || limit <= 0 || !m.tight() {
		return
	}
	for _, s := range short() {
		c, found := m.class("tcp", s.state)
		now, okNow := m.running(s.setting)
		if !found || !okNow || now <= s.to || float64(c.Count) < shareOfMax*float64(limit) {
			continue
		}
		reason := message.New("reason_state", "state", s.state, "flows", int64(c.Count), "share", float64(c.Count)/float64(limit), "timeout", now)
		if st := m.step(s.setting, s.to, reason, m.n.Flows.Source); st != nil {
			st.Flows = &c.Count
		}
	}
}

// established brings five days to one where the idle times show that no live flow is lost.
func (m *maker) established() {
	const name = "tcp_timeout_established"
	now, ok := m.running(name)
	if !ok || m.planned(name) {
		return
	}
	least := max(m.keepalive(), 1)
	to := max(int64(day), least)
	if now < least {
		m.keep(name, message.New("keep_established_low", "timeout", now, "keepalive", least))
		return
	}
	if now <= to {
		m.keep(name, message.New("keep_established_fine", "timeout", now, "keepalive", least))
		return
	}
	c, found := m.class("tcp", "ESTABLISHED")
	switch {
	case !found || c.Idle == nil:
		m.keep(name, message.New("keep_established_unknown", "timeout", now))
		return
	case m.s.Host.Uptime > 0 && m.s.Host.Uptime < to:
		m.keep(name, message.New("keep_established_young", "uptime", m.s.Host.Uptime, "timeout", now))
		return
	}
	stale := c.Idle.Over(to)
	if stale > 0 && !m.tight() {
		m.keep(name, message.New("keep_established_idle", "flows", int64(stale), "timeout", now))
		return
	}
	reason := message.New("reason_established", "timeout", now, "flows", int64(c.Count), "longest", c.Idle.Max, "keepalive", least)
	if stale > 0 {
		reason = message.New("reason_established_stale", "timeout", now, "flows", int64(c.Count), "stale", int64(stale), "keepalive", least)
	}
	if st := m.step(name, to, reason, m.n.Flows.Source); st != nil {
		st.Flows = &c.Count
		if stale > 0 {
			st.Breaks = append(st.Breaks, message.New("breaks_stale", "flows", int64(stale), "timeout", to))
		}
	}
}
