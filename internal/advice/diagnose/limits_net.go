package diagnose

import (
	"strconv"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// Other limits of the network stack that look like a full table from outside.

func processSource(pid int, what string) string { return "/proc/" + strconv.Itoa(pid) + "/" + what }

// machineCure sets a sysctl that is not conntrack's, so it is no setting of ctkeeper's.
func machineCure(code, key string, value int64) Cure {
	return Cure{Text: message.New(code, "value", value), Sysctl: []string{"sysctl -w " + key + "=" + strconv.FormatInt(value, 10)}}
}

// netRise is a counter's rise between the two readings of /proc/net.
func (h *host) netRise(name string) (uint64, bool) {
	a, okA := h.s.Limits.Net[name]
	b, okB := h.s.Limits.NetLast[name]
	if !okA || !okB || b < a || h.s.Limits.NetSeconds <= 0 {
		return 0, false
	}
	return b - a, true
}

func listenOverflow(h *host) []Finding {
	const overflows, drops = "TcpExt.ListenOverflows", "TcpExt.TCPReqQFullDrop"
	f := Finding{Code: ListenOverflow, Severity: OK, Confidence: 0.9}
	for _, name := range []string{overflows, drops} {
		n, ok := h.netRise(name)
		rate := perSecond(int64(n), h.s.Limits.NetSeconds)
		if ok && rate >= listenRate {
			f.Severity = Critical
			f.Evidence = append(f.Evidence, evidence("/proc/net/netstat", "ev_listen", n, "name", name, "rate", rate))
		}
		total, known := h.s.Limits.Net[name]
		if !ok && known && h.s.Host.Uptime >= shortUptime && float64(total)/float64(h.s.Host.Uptime) >= listenSinceBoot {
			f.Severity, f.Confidence = Warning, 0.6
			f.Evidence = append(f.Evidence, evidence("/proc/net/netstat", "ev_listen_total", total, "name", name,
				"rate", float64(total)/float64(h.s.Host.Uptime)))
		}
	}
	if g, ok := h.recent(snapshot.LogSYNFlooding); ok {
		f.Severity = worse(f.Severity, Warning)
		f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
	}
	if f.Severity == OK {
		return nil
	}
	if n, ok := h.netRise("TcpExt.SyncookiesSent"); ok && n > 0 {
		f.Evidence = append(f.Evidence, evidence("/proc/net/netstat", "ev_syncookies", n))
	}
	f.Cause = message.New("cause_listen_overflow")
	f.Cure = []Cure{do("", "cure_listen_program"), machineCure("cure_somaxconn", "net.core.somaxconn", 4096)}
	return []Finding{f}
}

func portsExhausted(h *host) []Finding {
	p := h.s.Limits.Ports
	if p == nil || len(p.Worst) == 0 {
		return nil
	}
	room := p.High - p.Low + 1
	worst := p.Worst[0]
	share, s := use(worst.Used, room)
	if s == OK {
		return nil
	}
	f := Finding{Code: PortsExhausted, Severity: s, Confidence: 0.9}
	f.Evidence = []Evidence{
		evidence("/proc/net/tcp", "ev_ports", share, "src", worst.Src, "dst", worst.Dst, "used", worst.Used, "room", room),
		evidence("net.ipv4.ip_local_port_range", "ev_port_range", room, "low", p.Low, "high", p.High),
	}
	f.Cause = message.New("cause_ports_exhausted", "dst", worst.Dst)
	f.Cure = []Cure{do("", "cure_ports_reuse")}
	if p.Low > 1024 {
		f.Cure = append(f.Cure, Cure{Text: message.New("cure_port_range"),
			Sysctl: []string{`sysctl -w net.ipv4.ip_local_port_range="1024 65535"`}})
	}
	return []Finding{f}
}

func neighbourOverflow(h *host) []Finding {
	f := Finding{Code: NeighbourOverflow, Severity: OK, Confidence: 0.9}
	var cures []Cure
	for _, n := range h.s.Limits.Neighbour {
		share, s := use(n.Entries, n.Thresh3)
		if s == OK {
			continue
		}
		f.Severity = worse(f.Severity, s)
		f.Evidence = append(f.Evidence, evidence("/proc/net/stat/"+n.Table, "ev_neighbour", share,
			"table", n.Table, "used", n.Entries, "max", n.Thresh3))
		if n.TableFulls > 0 {
			f.Evidence = append(f.Evidence, evidence("/proc/net/stat/"+n.Table, "ev_neighbour_fulls", n.TableFulls,
				"table", n.Table))
		}
		cures = append(cures, machineCure("cure_neighbour", neighbourKey(n.Table), 4*n.Thresh3))
	}
	if g, ok := h.recent(snapshot.LogNeighbourOverflow); ok {
		f.Severity = worse(f.Severity, Warning)
		f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
	}
	if f.Severity == OK {
		return nil
	}
	if len(cures) == 0 {
		cures = []Cure{machineCure("cure_neighbour", neighbourKey("arp_cache"), 4096)}
	}
	f.Cause = message.New("cause_neighbour_overflow")
	f.Cure = cures
	return []Finding{f}
}

func neighbourKey(table string) string {
	if table == "ndisc_cache" {
		return "net.ipv6.neigh.default.gc_thresh3"
	}
	return "net.ipv4.neigh.default.gc_thresh3"
}

func socketMemory(h *host) []Finding {
	f := Finding{Code: SocketMemory, Severity: OK, Confidence: 0.9}
	if s := h.s.Limits.Sockets; s != nil {
		f.sockets(s)
	}
	for _, kind := range []snapshot.LogKind{snapshot.LogSocketMemory, snapshot.LogOrphans} {
		if g, ok := h.recent(kind); ok {
			f.Severity = worse(f.Severity, Warning)
			f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
		}
	}
	if f.Severity == OK {
		return nil
	}
	f.Cause = message.New("cause_socket_memory")
	f.Cure = []Cure{do("", "cure_socket_memory")}
	if s := h.s.Limits.Sockets; s != nil && s.TCPMemMax > 0 {
		f.Cure = append(f.Cure, Cure{Text: message.New("cure_tcp_mem"), Sysctl: []string{
			"sysctl -w net.ipv4.tcp_mem=\"" + strconv.FormatInt(2*s.TCPMemLow, 10) + " " +
				strconv.FormatInt(2*s.TCPMemHigh, 10) + " " + strconv.FormatInt(2*s.TCPMemMax, 10) + "\""}})
	}
	return []Finding{f}
}

func (f *Finding) sockets(s *snapshot.Sockets) {
	const source = "/proc/net/sockstat"
	switch {
	case s.TCPMemMax > 0 && s.TCPMem >= s.TCPMemMax:
		f.Severity = Critical
	case s.TCPMemHigh > 0 && s.TCPMem >= s.TCPMemHigh:
		f.Severity = Warning
	}
	if f.Severity != OK {
		f.Evidence = append(f.Evidence, evidence(source, "ev_tcp_mem", s.TCPMem, "pressure", s.TCPMemHigh, "max", s.TCPMemMax))
	}
	if share, severity := use(s.Orphans, s.MaxOrphans); severity != OK {
		f.Severity = worse(f.Severity, severity)
		f.Evidence = append(f.Evidence, evidence(source, "ev_orphans", share, "used", s.Orphans, "max", s.MaxOrphans))
	}
}
