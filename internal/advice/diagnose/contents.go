package diagnose

import (
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
)

// contents judges what fills a table that is at least half full.
func contents(v *view) []Finding {
	if v.flows() == nil || !v.over(contentsShare) {
		return nil
	}
	var all []Finding
	if v.isFlood() {
		all = append(all, v.halfOpenFlood())
	}
	if v.isStale() {
		all = append(all, v.staleEstablished())
	}
	if v.isCloseWait() {
		all = append(all, v.closeWaitPressure())
	}
	if row, ok := v.single(); ok {
		all = append(all, v.singleSource(row))
	}
	return all
}

// contentsCure is what relieves the table by what fills it.
func (v *view) contentsCure() []Cure {
	var all []Cure
	if v.flows() == nil {
		return nil
	}
	if v.isFlood() {
		all = append(all, v.floodCure()...)
	}
	if v.isStale() {
		all = append(all, v.staleCure()...)
	}
	if v.isCloseWait() {
		all = append(all, v.closeWaitCure()...)
	}
	return all
}

func (v *view) halfOpen() uint64 {
	n, _ := v.class("tcp", "SYN_SENT", "SYN_SENT2", "SYN_RECV")
	return n
}

func (v *view) isFlood() bool {
	return v.limited() && float64(v.halfOpen()) >= halfOpenShare*float64(v.max.n)
}

func (v *view) halfOpenFlood() Finding {
	sum := v.flows()
	sent, _ := v.class("tcp", "SYN_SENT", "SYN_SENT2")
	recv, _ := v.class("tcp", "SYN_RECV")
	f := Finding{Code: HalfOpenFlood, Severity: Warning, Confidence: 0.85}
	if v.full() {
		f.Severity = Critical
	}
	f.Evidence = []Evidence{evidence(v.flowSource(), "ev_half_open", v.halfOpen(),
		"share", float64(v.halfOpen())/float64(sum.Total), "sent", sent, "recv", recv)}
	rows := sum.SourcePrefix
	if len(rows) == 0 {
		rows = sum.Source
	}
	for i, row := range rows {
		if i == 3 || row.HalfOpen == 0 {
			break
		}
		f.Evidence = append(f.Evidence, evidence(v.flowSource(), "ev_half_open_source", row.HalfOpen,
			"key", row.Key, "flows", row.Count))
	}
	if n, ok := v.h.netRise("TcpExt.SyncookiesSent"); ok && n > 0 {
		f.Evidence = append(f.Evidence, evidence("/proc/net/netstat", "ev_syncookies", n))
	}
	f.Cause = message.New("cause_half_open_flood")
	f.Cure = append(v.floodCure(), do("", "cure_flood_synproxy"))
	return f
}

// floodCure shortens the timeouts of handshakes: what an honest handshake needs is a few seconds.
func (v *view) floodCure() []Cure {
	var assigns []assign
	for _, a := range []assign{{"tcp_timeout_syn_sent", 30}, {"tcp_timeout_syn_recv", 15}} {
		if now, ok := v.n.Setting(a.name); !ok || now > a.value {
			assigns = append(assigns, a)
		}
	}
	if len(assigns) == 0 {
		return nil
	}
	return []Cure{v.set(message.New("cure_half_open"), assigns...)}
}

// established are the histograms of idle time of established TCP flows.
func (v *view) stale() (idle, total uint64, ok bool) {
	for _, c := range v.flows().Classes {
		if c.Proto == "tcp" && c.State == "ESTABLISHED" && c.Idle != nil {
			idle += c.Idle.Over(staleIdle)
			total += c.Count
			ok = true
		}
	}
	return idle, total, ok
}

func (v *view) isStale() bool {
	idle, _, ok := v.stale()
	return ok && v.flows().Total > 0 && float64(idle) >= staleShare*float64(v.flows().Total)
}

func (v *view) staleEstablished() Finding {
	idle, total, _ := v.stale()
	f := Finding{Code: StaleEstablished, Severity: Warning, Confidence: 0.9}
	f.Evidence = []Evidence{evidence(v.flowSource(), "ev_stale", idle,
		"share", float64(idle)/float64(v.flows().Total), "established", total)}
	if t, ok := v.n.Setting("tcp_timeout_established"); ok {
		f.Evidence = append(f.Evidence, evidence(v.source("tcp_timeout_established"), "ev_timeout", t,
			"name", "tcp_timeout_established"))
	}
	f.Cause = message.New("cause_stale_established", "idle", idle)
	f.Cure = append(v.staleCure(), do("", "cure_stale_now", "idle", idle))
	return f
}

func (v *view) staleCure() []Cure {
	if now, ok := v.n.Setting("tcp_timeout_established"); ok && now <= staleIdle {
		return nil
	}
	return []Cure{v.set(message.New("cure_established"), assign{"tcp_timeout_established", staleIdle})}
}

func (v *view) isCloseWait() bool {
	n, _ := v.class("tcp", "CLOSE_WAIT")
	return v.flows().Total > 0 && float64(n) >= closeWaitShare*float64(v.flows().Total)
}

func (v *view) closeWaitPressure() Finding {
	n, _ := v.class("tcp", "CLOSE_WAIT")
	f := Finding{Code: CloseWaitPressure, Severity: Warning, Confidence: 0.85}
	f.Evidence = []Evidence{evidence(v.flowSource(), "ev_close_wait", n,
		"share", float64(n)/float64(v.flows().Total))}
	if t, ok := v.n.Setting("tcp_timeout_close_wait"); ok {
		f.Evidence = append(f.Evidence, evidence(v.source("tcp_timeout_close_wait"), "ev_timeout", t,
			"name", "tcp_timeout_close_wait"))
	}
	f.Cause = message.New("cause_close_wait")
	f.Cure = append(v.closeWaitCure(), do("", "cure_close_wait_program"))
	return f
}

func (v *view) closeWaitCure() []Cure {
	const target = 60 // the kernel's default
	if now, ok := v.n.Setting("tcp_timeout_close_wait"); ok && now <= target {
		return nil
	}
	return []Cure{v.set(message.New("cure_close_wait"), assign{"tcp_timeout_close_wait", target})}
}

// single is the one address that fills the table, if one does.
func (v *view) single() (rank.Row, bool) {
	sum := v.flows()
	if sum == nil || len(sum.Source) == 0 || !v.limited() {
		return rank.Row{}, false
	}
	row := sum.Source[0]
	certain := float64(row.Count - min(row.Error, row.Count))
	if certain >= singleShare*float64(v.max.n) {
		return row, true
	}
	return row, v.over(fillingShare) && certain >= singleOfFilling*float64(sum.Total)
}

func (v *view) singleSource(row rank.Row) Finding {
	sum := v.flows()
	f := Finding{Code: SingleSource, Severity: Warning, Confidence: 0.9}
	f.Evidence = []Evidence{evidence(v.flowSource(), "ev_top_source", row.Count,
		"key", row.Key, "share", float64(row.Count)/float64(sum.Total), "error", row.Error)}
	if len(sum.DestPort) > 0 {
		f.Evidence = append(f.Evidence, evidence(v.flowSource(), "ev_top_port", sum.DestPort[0].Count,
			"key", sum.DestPort[0].Key, "share", float64(sum.DestPort[0].Count)/float64(sum.Total)))
	}
	f.Cause = message.New("cause_single_source", "key", row.Key)
	f.Cure = []Cure{do("", "cure_single_source", "key", row.Key)}
	return f
}
