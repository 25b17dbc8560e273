package collect

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// netDir is where the network's counters of the present namespace lie: /proc/net is the first thread's.
func (c *collector) netDir() string {
	if c.fs.Live() {
		return "/proc/thread-self/net/"
	}
	return "/proc/net/"
}

// limits reads the other limits that look like a full table.
func (c *collector) limits(ctx context.Context) {
	if c.o.NoLimits {
		return
	}
	l := &c.s.Limits
	l.Net = c.netCounters()
	l.Neighbour = c.neighbours()
	l.Files = parseFileNr(c.text("/proc/sys/fs/file-nr"))
	l.Sockets = c.sockets()
	l.Softnet = parseSoftnet(c.text(c.netDir() + "softnet_stat"))
	l.Ports = c.ports(ctx)
	c.processLimits(ctx)
	c.cgroups(ctx)
}

// secondLimits reads the counters again, so that rates exist.
func (c *collector) secondLimits(over time.Duration) {
	if c.o.NoLimits || c.s.Limits.Net == nil {
		return
	}
	c.s.Limits.NetLast, c.s.Limits.NetSeconds = c.netCounters(), over.Seconds()
}

// netCounters reads snmp, snmp6 and netstat by "Group.Name".
func (c *collector) netCounters() map[string]uint64 {
	all := map[string]uint64{}
	for _, name := range []string{"snmp", "netstat"} {
		parsePairs(all, c.text(c.netDir()+name))
	}
	parseSNMP6(all, c.text(c.netDir()+"snmp6"))
	if len(all) == 0 {
		return nil
	}
	return all
}

// parsePairs reads lines of names followed by lines of numbers: "Tcp: A B" and "Tcp: 1 2". Values that are
// no counters (a negative MaxConn) are left out.
func parsePairs(into map[string]uint64, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		group, names, ok := strings.Cut(lines[i], ":")
		second, values, okValues := strings.Cut(lines[i+1], ":")
		if !ok || !okValues || group != second {
			return
		}
		n, v := strings.Fields(names), strings.Fields(values)
		for j := range min(len(n), len(v)) {
			if u, err := strconv.ParseUint(v[j], 10, 64); err == nil {
				into[group+"."+n[j]] = u
			}
		}
	}
}

// parseSNMP6 reads "Ip6InReceives 5".
func parseSNMP6(into map[string]uint64, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		if u, err := strconv.ParseUint(f[1], 10, 64); err == nil {
			into["Ip6."+f[0]] = u
		}
	}
}

// parseFileNr reads "allocated free max"; a max that no number of files reaches is no limit.
func parseFileNr(text string) *snapshot.Usage {
	f := strings.Fields(text)
	if len(f) != 3 {
		return nil
	}
	used, err := strconv.ParseInt(f[0], 10, 64)
	limit, errMax := strconv.ParseInt(f[2], 10, 64)
	if err != nil || errMax != nil {
		return nil
	}
	return &snapshot.Usage{Used: used, Max: limit}
}

// neighbours reads both neighbour tables' entries, threshold and overflows.
func (c *collector) neighbours() []snapshot.Neighbour {
	var all []snapshot.Neighbour
	for _, t := range []struct{ table, sysctl string }{{"arp_cache", "ipv4"}, {"ndisc_cache", "ipv6"}} {
		entries, fulls, ok := parseNeighbourStat(c.text(c.netDir() + "stat/" + t.table))
		thresh := c.number("/proc/sys/net/" + t.sysctl + "/neigh/default/gc_thresh3")
		if !ok || thresh == nil {
			continue
		}
		all = append(all, snapshot.Neighbour{Table: t.table, Entries: entries, Thresh3: *thresh, TableFulls: fulls})
	}
	return all
}

// parseNeighbourStat reads the number of entries, which every CPU's line repeats, and sums table_fulls;
// kernels before 3.18 have no such column.
func parseNeighbourStat(text string) (entries int64, fulls uint64, ok bool) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	names := strings.Fields(lines[0])
	for _, line := range lines[1:] {
		for i, v := range strings.Fields(line) {
			if i >= len(names) {
				break
			}
			n, err := strconv.ParseUint(v, 16, 63)
			if err != nil {
				return 0, 0, false
			}
			switch names[i] {
			case "entries":
				entries, ok = int64(n), true
			case "table_fulls":
				fulls += n
			}
		}
	}
	return entries, fulls, ok
}

// sockets reads the memory of TCP sockets and what orphans and TIME_WAIT sockets are allowed.
func (c *collector) sockets() *snapshot.Sockets {
	stat := parseSockstat(c.text(c.netDir() + "sockstat"))
	mem := strings.Fields(c.text("/proc/sys/net/ipv4/tcp_mem"))
	if stat == nil || len(mem) != 3 {
		return nil
	}
	s := &snapshot.Sockets{TCPMem: stat["mem"], Orphans: stat["orphan"], TimeWait: stat["tw"]}
	for i, into := range []*int64{&s.TCPMemLow, &s.TCPMemHigh, &s.TCPMemMax} {
		*into, _ = strconv.ParseInt(mem[i], 10, 64) // the kernel prints numbers
	}
	for name, into := range map[string]*int64{"tcp_max_orphans": &s.MaxOrphans, "tcp_max_tw_buckets": &s.MaxTimeWait} {
		if n := c.number("/proc/sys/net/ipv4/" + name); n != nil {
			*into = *n
		}
	}
	for _, name := range []string{"TcpExt.TCPAbortOnMemory", "TcpExt.TCPMemoryPressures"} {
		s.MemoryRefused += c.s.Limits.Net[name]
	}
	return s
}

// parseSockstat reads the TCP line: "TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1".
func parseSockstat(text string) map[string]int64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "TCP:")
		if !ok {
			continue
		}
		values := map[string]int64{}
		f := strings.Fields(rest)
		for i := 0; i+1 < len(f); i += 2 {
			if n, err := strconv.ParseInt(f[i+1], 10, 64); err == nil {
				values[f[i]] = n
			}
		}
		return values
	}
	return nil
}

// parseSoftnet sums the first three hexadecimal columns of every CPU.
func parseSoftnet(text string) *snapshot.Softnet {
	var s *snapshot.Softnet
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		if s == nil {
			s = &snapshot.Softnet{}
		}
		for i, into := range []*uint64{&s.Processed, &s.Dropped, &s.Squeezed} {
			if n, err := strconv.ParseUint(f[i], 16, 64); err == nil {
				*into += n
			}
		}
	}
	return s
}

// readable reads a file that may be gone or forbidden: processes end, and others' are hidden.
func (c *collector) readable(name string) (string, bool) {
	data, err := c.fs.ReadFile(name, 1<<20)
	if errors.Is(err, fs.ErrPermission) {
		c.hidden++
	}
	return string(data), err == nil
}
