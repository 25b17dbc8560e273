package kernlog

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

// seeds are lines of every grammar with what they mean; kind "" means that the line tells nothing.
var seeds = []struct {
	line  string
	kind  snapshot.LogKind
	code  string
	count uint64
	about string
	inode uint64
}{
	{"nf_conntrack: table full, dropping packet.", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"<4>[  236.917295] nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"[Mon Nov 23 20:05:30 2026] nf_conntrack: nf_conntrack: table full in netns 4026532246, dropping packet", snapshot.LogTableFull, "table_full_netns", 0, "", 4026532246},
	{"[lun. nov. 23 20:05:30 2026] ip_conntrack: table full, dropping packet.", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"ip6_conntrack: table full, dropping packet.", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"Feb 18 23:05:50 rhino kernel: ip_conntrack: maximum limit of 8184 entries exceeded", snapshot.LogTableFull, "maximum_limit", 8184, "", 0},
	{"Feb 18 23:05:52 rhino last message repeated 2 times", snapshot.LogRepeated, "repeated", 2, "", 0},
	{"févr. 18 23:05:52 hôte kernel: [1.5] nf_conntrack: expectation table full", snapshot.LogExpectFull, "expectation_full", 0, "", 0},
	{"18 août 23:05:52 hote kernel: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"<4>1 2026-11-22T23:39:22.917295+00:00 host kernel - - - nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{`<12>1 2026-11-22T23:39:22Z host kernel - - [meta seq="1"] nf_conntrack: table full, dropping packet`, snapshot.LogTableFull, "table_full", 0, "", 0},
	{"2026-11-22T23:39:22+0000 host kernel: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"Mon 2026-11-23 20:05:30 UTC host kernel: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"1795465530.123456 host kernel: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"[  236.917295] host kernel: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"[  236.917295][  T123] nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"[Nov23 20:05] nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"[  +0.000012] nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"kern  :warn  : [  236.917295] nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"user  :warn  : [  236.917295] nf_conntrack: nf_conntrack: table full, dropping packet", "", "", 0, "", 0},
	{"4,1234,236917295,-;nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"4,1234,236917295,-,caller=T1;nf_conntrack: nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"12,1234,236917295,-;nf_conntrack: nf_conntrack: table full, dropping packet", "", "", 0, "", 0},
	{`{"__REALTIME_TIMESTAMP":"1795465530123456","_TRANSPORT":"kernel","MESSAGE":"nf_conntrack: table full, dropping packet"}`, snapshot.LogTableFull, "table_full", 0, "", 0},
	{`{"_TRANSPORT":"syslog","SYSLOG_IDENTIFIER":"sudo","MESSAGE":"nf_conntrack: table full, dropping packet"}`, "", "", 0, "", 0},
	{`{"log":"[  236.917295] nf_conntrack: table full, dropping packet\n","stream":"stdout","time":"2026-11-22T23:39:22.9Z"}`, snapshot.LogTableFull, "table_full", 0, "", 0},
	{`         "msg": "nf_conntrack: nf_conntrack: table full, dropping packet"`, snapshot.LogTableFull, "table_full", 0, "", 0},
	{"2026-11-22T23:39:22.917295000Z stdout F [  236.917295] nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"W1106 02:39:55.123456    1234 watch.go:12] nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"Nov  6 02:39:55 node kubelet[99]: W1106 02:39:55.123456    1234 watch.go:12] nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"Nov  6 02:39:55 host kernel: message repeated 5 times: [ [12.5] nf_conntrack: table full, dropping packet]", snapshot.LogTableFull, "table_full", 0, "", 0},
	{"    MESSAGE=nf_conntrack: table full, dropping packet", snapshot.LogTableFull, "table_full", 0, "", 0},
	{`Nov  6 02:39:55 host sudo: root : COMMAND=/bin/grep kernel: nf_conntrack: table full, dropping packet`, "", "", 0, "", 0},
	{"Nov  6 02:39:55 host logger: nf_conntrack: table full, dropping packet", "", "", 0, "", 0},
	{"Nov  6 02:39:55 host CRON[12]: (root) CMD (grep conntrack /var/log/messages)", "", "", 0, "", 0},
	{"nf_conntrack: falling back to vmalloc.", snapshot.LogConntrackOther, "vmalloc", 0, "", 0},
	{"nf_conntrack version 0.5.0 (16384 buckets, 65536 max)", snapshot.LogConntrackOther, "banner", 0, "", 0},
	{"ip_conntrack (1023 buckets, 8184 max)", snapshot.LogConntrackOther, "banner", 0, "", 0},
	{"nf_conntrack: automatic helper assignment is deprecated and it will be removed soon.", snapshot.LogConntrackOther, "helper_deprecated", 0, "", 0},
	{"nf_conntrack: default automatic helper assignment has been turned off for security reasons", snapshot.LogConntrackOther, "helper_off", 0, "", 0},
	{"conntrack: generic helper won't handle protocol 47. Please consider loading the specific helper module.", snapshot.LogConntrackOther, "generic_helper", 47, "", 0},
	{"nf_ct_proto_6: invalid rst IN= OUT=lo SRC=127.0.0.1 DST=127.0.0.1", snapshot.LogConntrackOther, "invalid_logged", 0, "proto_6", 0},
	{"nf_ct_ftp: dropping packet: partial matching of 227 IN= OUT=", snapshot.LogConntrackOther, "helper_dropped", 0, "ftp", 0},
	{"net_ratelimit: 3939 callbacks suppressed", snapshot.LogSuppressed, "suppressed", 3939, "net_ratelimit", 0},
	{"__ratelimit: 933 callbacks suppressed", snapshot.LogSuppressed, "suppressed", 933, "__ratelimit", 0},
	{"printk: 4489 messages suppressed.", snapshot.LogSuppressed, "suppressed", 4489, "printk", 0},
	{"NET: 6 messages suppressed.", snapshot.LogSuppressed, "suppressed", 6, "NET", 0},
	{"kauditd_printk_skb: 23 callbacks suppressed", snapshot.LogSuppressedNotNet, "suppressed_other", 23, "kauditd_printk_skb", 0},
	{"printk: systemd: 23 output lines suppressed due to ratelimiting", snapshot.LogSuppressedNotNet, "suppressed_other", 23, "systemd", 0},
	{"Nov  6 02:39:55 host systemd-journald[1]: Suppressed 12 messages from /system.slice/x", "", "", 0, "", 0},
	{"TCP: request_sock_TCP: Possible SYN flooding on port 80. Sending cookies.  Check SNMP counters.", snapshot.LogSYNFlooding, "syn_cookies", 0, "80", 0},
	{"TCP: request_sock_TCPv6: Possible SYN flooding on port [::]:80. Dropping request.", snapshot.LogSYNFlooding, "syn_dropped", 0, "[::]:80", 0},
	{"TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:80. Sending cookies.", snapshot.LogSYNFlooding, "syn_cookies", 0, "0.0.0.0:80", 0},
	{"possible SYN flooding on port 443. Sending cookies.", snapshot.LogSYNFlooding, "syn_cookies", 0, "443", 0},
	{"neighbour: arp_cache: neighbor table overflow!", snapshot.LogNeighbourOverflow, "neighbour_overflow", 0, "arp_cache", 0},
	{"neighbour: ndisc_cache: neighbor table overflow!", snapshot.LogNeighbourOverflow, "neighbour_overflow", 0, "ndisc_cache", 0},
	{"ipv4: Neighbour table overflow.", snapshot.LogNeighbourOverflow, "neighbour_overflow", 0, "", 0},
	{"TCP: out of memory -- consider tuning tcp_mem", snapshot.LogSocketMemory, "socket_memory", 0, "", 0},
	{"Out of socket memory", snapshot.LogSocketMemory, "socket_memory", 0, "", 0},
	{"TCP: too many orphaned sockets", snapshot.LogOrphans, "orphans", 0, "", 0},
	{"TCP: too many of orphaned sockets", snapshot.LogOrphans, "orphans", 0, "", 0},
	{"TCP: time wait bucket table overflow", snapshot.LogTimeWaitOverflow, "time_wait_overflow", 0, "", 0},
	{"Route cache is full: consider increasing sysctl net.ipv6.route.max_size.", snapshot.LogRouteCache, "route_cache", 0, "", 0},
	{"ipv4: dst cache overflow", snapshot.LogRouteCache, "route_cache", 0, "", 0},
	{"VFS: file-max limit 8192 reached", snapshot.LogFiles, "file_limit", 8192, "", 0},
	{"cgroup: fork rejected by pids controller in /system.slice/web.service", snapshot.LogFork, "fork_rejected", 0, "/system.slice/web.service", 0},
	{"Out of memory: Killed process 12 (java)", "", "", 0, "", 0},
	{"nf_conntrack: table fuller than ever", "", "", 0, "", 0},
	{"xt_conntrack: nothing of ours", "", "", 0, "", 0},
	{"", "", "", 0, "", 0},
}

func TestParse(t *testing.T) {
	for _, c := range seeds {
		l, ok := Parse([]byte(c.line))
		if ok != (c.kind != "") || l.Kind != c.kind || l.Code != c.code || l.Count != c.count || l.Subject != c.about || l.NetnsInode != c.inode {
			t.Errorf("%q:\n got %v %+v\nwant %+v", c.line, ok, l, c)
		}
	}
}

func TestStamps(t *testing.T) {
	ref := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	booted := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	paris := time.FixedZone("+1", 3600)
	const msg = "nf_conntrack: table full, dropping packet"
	for _, c := range []struct{ line, want string }{
		{"Mar  1 23:05:50 h kernel: " + msg, "2026-03-01T22:05:50Z"},
		{"Dec 31 23:05:50 h kernel: " + msg, "2025-12-31T22:05:50Z"},
		{"Feb 29 10:00:00 h kernel: " + msg, "2024-02-29T09:00:00Z"},
		{"mars 01 23:05:50 h kernel: " + msg, "2026-03-01T22:05:50Z"},
		{"[  60.500000] " + msg, "2026-03-01T00:01:00.5Z"},
		{"4,1,60500000,-;" + msg, "2026-03-01T00:01:00.5Z"},
		{"[Sun Mar  1 10:00:00 2026] " + msg, "2026-03-01T09:00:00Z"},
		{"2026-02-25T03:45:03.778502+00:00 h kernel: [20763743.334180] " + msg, "2026-02-25T03:45:03.778502Z"},
		{"2026-02-25T03:45:03,5+05:30 " + msg, "2026-02-24T22:15:03.5Z"},
		{"1700000000.25 h kernel: " + msg, "2023-11-14T22:13:20.25Z"},
		{`{"__REALTIME_TIMESTAMP":"1700000000250000","MESSAGE":"` + msg + `"}`, "2023-11-14T22:13:20.25Z"},
		{`{"log":"` + msg + `\n","time":"2026-01-02T03:04:05Z"}`, "2026-01-02T03:04:05Z"},
		{msg, ""},
		{"10:11:40 kernel: " + msg, ""},
	} {
		l, ok := Parse([]byte(c.line))
		if !ok {
			t.Errorf("%q: not understood", c.line)
			continue
		}
		at, ok := l.Stamp.Resolve(paris, ref, booted)
		got := ""
		if ok {
			got = at.Format(time.RFC3339Nano)
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}

func TestSearch(t *testing.T) {
	for text, code := range map[string]string{
		`I see "nf_conntrack: table full, dropping packet" all day`: "table_full",
		"table full, dropping packet":                               "table_full",
		"kernel says: Neighbour table overflow":                     "neighbour_overflow",
		"nothing at all":                                            "",
		"(possible SYN flooding on port 80. Sending cookies.)":      "syn_cookies",
	} {
		l, ok := Search(text)
		if l.Code != code || ok != (code != "") {
			t.Errorf("%q: %v %q, want %q", text, ok, l.Code, code)
		}
	}
}

// samples is the folder of real logs, "" when it is absent.
func samples() string {
	dir, err := filepath.Abs("../../../../shared/samples/klog")
	if err != nil {
		return ""
	}
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

func FuzzParse(f *testing.F) {
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s.line))
	}
	if dir := samples(); dir != "" {
		names, _ := filepath.Glob(filepath.Join(dir, "*.log"))
		for _, n := range names {
			if data, err := os.ReadFile(n); err == nil {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, ok := Parse(data)
		if ok && (l.Kind == "" || l.Code == "") {
			t.Fatalf("%q: understood without a kind or code: %+v", data, l)
		}
		Search(string(data))
		l.Stamp.Resolve(time.UTC, time.Unix(1e9, 0), time.Unix(1e9, 0))
	})
}
