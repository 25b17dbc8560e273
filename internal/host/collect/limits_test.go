package collect

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/snapshot"
)

func limitsOf(t *testing.T, archive string) snapshot.Limits {
	t.Helper()
	return take(t, archive+"-- proc/sys/net/core/somaxconn --\n128\n").Limits
}

func TestLimitsOfARoot(t *testing.T) {
	l := limitsOf(t, `
-- proc/net/netstat --
TcpExt: SyncookiesSent ListenOverflows
TcpExt: 7 1234
IpExt: InNoRoutes
IpExt: 0
-- proc/net/snmp --
Tcp: RtoMin MaxConn OutRsts
Tcp: 200 -1 9
-- proc/net/snmp6 --
Ip6InReceives                   	5
-- second/proc/net/netstat --
TcpExt: SyncookiesSent ListenOverflows
TcpExt: 7 1300
-- proc/sys/fs/file-nr --
900	0	1000
-- proc/net/stat/arp_cache --
entries  allocs table_fulls
000003f2  00000001 0000000a
000003f2  00000001 00000005
-- proc/sys/net/ipv4/neigh/default/gc_thresh3 --
1024
-- proc/sys/net/ipv4/tcp_mem --
100	200	300
-- proc/sys/net/ipv4/tcp_max_orphans --
64
-- proc/net/sockstat --
sockets: used 5
TCP: inuse 5 orphan 60 tw 2 alloc 7 mem 250
-- proc/net/softnet_stat --
0000000a 00000001 00000002 00000000
00000005 00000001 00000000 00000000
-- proc/sys/kernel/pid_max --
200
-- proc/sys/kernel/threads-max --
150
-- proc/40/status --
Name:	java
Uid:	1000	1000	1000	1000
Threads:	90
-- proc/40/limits --
Limit                     Soft Limit           Hard Limit           Units
Max processes             100                  100                  processes
Max open files            2                    4096                 files
-- proc/40/fd/0 --
-- proc/40/fd/1 --
-- proc/41/status --
Name:	root sh
Uid:	0	0	0	0
Threads:	9
-- sys/fs/cgroup/system.slice/app.service/pids.current --
95
-- sys/fs/cgroup/system.slice/app.service/pids.max --
100
-- sys/fs/cgroup/system.slice/app.service/pids.events --
max 17
-- sys/fs/cgroup/system.slice/quiet.service/pids.current --
2
-- sys/fs/cgroup/system.slice/quiet.service/pids.max --
max
`)
	if l.Net["TcpExt.ListenOverflows"] != 1234 || l.NetLast["TcpExt.ListenOverflows"] != 1300 || l.NetSeconds != 10 ||
		l.Net["Tcp.OutRsts"] != 9 || l.Net["Ip6.Ip6InReceives"] != 5 {
		t.Errorf("counters: %v, then %v in %v s", l.Net, l.NetLast, l.NetSeconds)
	}
	if _, ok := l.Net["Tcp.MaxConn"]; ok {
		t.Error("-1 is no counter")
	}
	if *l.Files != (snapshot.Usage{Used: 900, Max: 1000}) || *l.Processes != (snapshot.Usage{Used: 99, Max: 150}) {
		t.Errorf("files %+v, processes %+v", l.Files, l.Processes)
	}
	if len(l.Neighbour) != 1 || l.Neighbour[0] != (snapshot.Neighbour{Table: "arp_cache", Entries: 1010, Thresh3: 1024, TableFulls: 15}) {
		t.Errorf("neighbours: %+v", l.Neighbour)
	}
	if s := l.Sockets; s.TCPMem != 250 || s.TCPMemHigh != 200 || s.Orphans != 60 || s.MaxOrphans != 64 {
		t.Errorf("sockets: %+v", s)
	}
	if *l.Softnet != (snapshot.Softnet{Processed: 15, Dropped: 2, Squeezed: 2}) {
		t.Errorf("softnet: %+v", l.Softnet)
	}
	if len(l.FileLimits) != 1 || l.FileLimits[0] != (snapshot.ProcessUsage{PID: 40, Name: "java", Used: 2, Max: 2}) {
		t.Errorf("open files: %+v", l.FileLimits)
	}
	if len(l.ProcessLimits) != 1 || l.ProcessLimits[0] != (snapshot.ProcessUsage{PID: 40, Name: "java", Used: 90, Max: 100}) {
		t.Errorf("processes of a user: %+v", l.ProcessLimits)
	}
	if len(l.Cgroups) != 1 || l.Cgroups[0] != (snapshot.CgroupPids{Path: "/system.slice/app.service", Current: 95, Max: 100, Refused: 17}) {
		t.Errorf("cgroups: %+v", l.Cgroups)
	}
}

func TestPortsAreCountedForEachDestination(t *testing.T) {
	var b strings.Builder
	b.WriteString("-- proc/sys/net/ipv4/ip_local_port_range --\n32768\t60999\n-- proc/net/tcp --\n  sl  local_address rem_address   st\n")
	for i := range 150 {
		fmt.Fprintf(&b, "%4d: 0100000A:%04X 0200000A:01BB 01 0 0\n", i, 40000+i)
	}
	b.WriteString("   1: 0100000A:0050 0300000A:9C41 01 0 0\n   2: 00000000:9C40 00000000:0000 0A 0 0\n")
	b.WriteString("-- proc/net/tcp6 --\n  sl\n")
	for i := range 120 {
		fmt.Fprintf(&b, "%4d: 0000000000000000FFFF00000100000A:%04X B80D0120000000000000000001000000:0050 06 0 0\n", i, 41000+i)
	}
	p := limitsOf(t, b.String()).Ports
	if p == nil || p.Low != 32768 || p.High != 60999 || len(p.Worst) != 2 {
		t.Fatalf("%+v", p)
	}
	if p.Worst[0] != (snapshot.PortUse{Src: "10.0.0.1", Dst: "10.0.0.2:443", Used: 150}) ||
		p.Worst[1] != (snapshot.PortUse{Src: "10.0.0.1", Dst: "[2001:db8::1]:80", Used: 120}) {
		t.Errorf("%+v", p.Worst)
	}
}

func TestLimitsOfThisHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var conns []net.Conn
	for range leastPorts + 1 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	s, err := Live(context.Background(), Options{NoLog: true, NoFlows: true, Interval: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Limits.Ports; p == nil || len(p.Worst) == 0 || p.Worst[0].Src != "127.0.0.1" || p.Worst[0].Used < leastPorts {
		t.Errorf("%d connections to %s: %+v", len(conns), l.Addr(), p)
	}
	if s.Limits.Processes == nil || s.Limits.Files == nil || s.Limits.Net["TcpExt.TCPAbortOnMemory"] > s.Limits.NetLast["TcpExt.TCPAbortOnMemory"] {
		t.Errorf("%+v", s.Limits)
	}
}

func FuzzLimits(f *testing.F) {
	seeds := []string{
		"TcpExt: A B\nTcpExt: 1 2\n", "1 0 9", "TCP: inuse 5 mem 1\n", "0: 0100007F:1F90 0100007F:0050 01", "entries table_fulls\n1 2\n",
		"Name:\tx\nUid:\t0\nThreads:\t1\n", "Max open files 1024 4096 files\n", "a b c\n", "0000 0000 zz",
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsePairs(map[string]uint64{}, text)
		parseSNMP6(map[string]uint64{}, text)
		parseFileNr(text)
		parseNeighbourStat(text)
		parseSockstat(text)
		parseSoftnet(text)
		if local, _, ok := parseSocket(text); ok && !local.IsValid() {
			t.Fatal("a socket without an address")
		}
		parseStatus(text)
		parseLimits(text)
	})
}
