package diagnose

import (
	"fmt"
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
	f := limitFinding(ListenOverflow)
	for _, name := range []string{"TcpExt.ListenOverflows", "TcpExt.TCPReqQFullDrop"} {
		f.listen(h, name)
	}
	f.logged(h, snapshot.LogSYNFlooding)
	if n, ok := h.netRise("TcpExt.SyncookiesSent"); ok && n > 0 && f.Severity != OK {
		f.Evidence = append(f.Evidence, evidence("/proc/net/netstat", "ev_syncookies", n))
	}
	return f.conclude(message.New("cause_listen_overflow"),
		do("", "cure_listen_program"), machineCure("cure_somaxconn", "net.core.somaxconn", 4096))
}

// listen judges one counter: by its rise, or with one reading only by its average since boot.
func (f *Finding) listen(h *host, name string) {
	const source = "/proc/net/netstat"
	if n, ok := h.netRise(name); ok {
		if rate := perSecond(int64(n), h.s.Limits.NetSeconds); rate >= listenRate {
			f.Severity = Critical
			f.Evidence = append(f.Evidence, evidence(source, "ev_listen", n, "name", name, "rate", rate))
		}
		return
	}
	total, known := h.s.Limits.Net[name]
	average := perSecond(int64(total), float64(h.s.Host.Uptime))
	if known && h.s.Host.Uptime >= shortUptime && average >= listenSinceBoot {
		f.Severity, f.Confidence = worse(f.Severity, Warning), 0.6
		f.Evidence = append(f.Evidence, evidence(source, "ev_listen_total", total, "name", name, "rate", average))
	}
}

func portsExhausted(h *host) []Finding {
	p := h.s.Limits.Ports
	if p == nil || len(p.Worst) == 0 {
		return nil
	}
	f := limitFinding(PortsExhausted)
	room, worst := p.High-p.Low+1, p.Worst[0]
	f.near("/proc/net/tcp", "ev_ports", worst.Used, room, "src", worst.Src, "dst", worst.Dst)
	f.Evidence = append(f.Evidence, evidence("net.ipv4.ip_local_port_range", "ev_port_range", room, "low", p.Low, "high", p.High))
	cures := []Cure{do("", "cure_ports_reuse")}
	if p.Low > 1024 {
		cures = append(cures, Cure{Text: message.New("cure_port_range"),
			Sysctl: []string{`sysctl -w net.ipv4.ip_local_port_range="1024 65535"`}})
	}
	return f.conclude(message.New("cause_ports_exhausted", "dst", worst.Dst), cures...)
}

func neighbourOverflow(h *host) []Finding {
	f := limitFinding(NeighbourOverflow)
	var cures []Cure
	for _, n := range h.s.Limits.Neighbour {
		source := "/proc/net/stat/" + n.Table
		if !f.near(source, "ev_neighbour", n.Entries, n.Thresh3, "table", n.Table) {
			continue
		}
		if n.TableFulls > 0 {
			f.Evidence = append(f.Evidence, evidence(source, "ev_neighbour_fulls", n.TableFulls, "table", n.Table))
		}
		cures = append(cures, machineCure("cure_neighbour", neighbourKey(n.Table), 4*n.Thresh3))
	}
	f.logged(h, snapshot.LogNeighbourOverflow)
	if len(cures) == 0 {
		cures = []Cure{machineCure("cure_neighbour", neighbourKey("arp_cache"), 4096)}
	}
	return f.conclude(message.New("cause_neighbour_overflow"), cures...)
}

func neighbourKey(table string) string {
	if table == "ndisc_cache" {
		return "net.ipv6.neigh.default.gc_thresh3"
	}
	return "net.ipv4.neigh.default.gc_thresh3"
}

func socketMemory(h *host) []Finding {
	f := limitFinding(SocketMemory)
	cures := []Cure{do("", "cure_socket_memory")}
	if s := h.s.Limits.Sockets; s != nil {
		f.sockets(s)
		if s.TCPMemMax > 0 {
			cures = append(cures, Cure{Text: message.New("cure_tcp_mem"), Sysctl: []string{fmt.Sprintf(
				`sysctl -w net.ipv4.tcp_mem="%d %d %d"`, 2*s.TCPMemLow, 2*s.TCPMemHigh, 2*s.TCPMemMax)}})
		}
	}
	f.logged(h, snapshot.LogSocketMemory)
	f.logged(h, snapshot.LogOrphans)
	return f.conclude(message.New("cause_socket_memory"), cures...)
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
	f.near(source, "ev_orphans", s.Orphans, s.MaxOrphans)
}
