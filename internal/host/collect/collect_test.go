package collect

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"ctkeeper/internal/conntrack/snapshot"
)

// root unpacks an archive into a directory; "PATH -> TARGET" lines of its comment become links.
func root(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	ar := txtar.Parse([]byte(archive))
	put := func(name string, write func(string) error) {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := write(p); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range ar.Files {
		put(f.Name, func(p string) error { return os.WriteFile(p, f.Data, 0o644) })
	}
	for line := range strings.Lines(string(ar.Comment)) {
		if name, target, ok := strings.Cut(strings.TrimSpace(line), " -> "); ok {
			put(name, func(p string) error { return os.Symlink(target, p) })
		}
	}
	return dir
}

func take(t *testing.T, archive string) snapshot.Snapshot {
	t.Helper()
	s, err := Root(context.Background(), root(t, archive), Options{NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const modernHost = `
proc/1/ns/net -> net:[4026531840]
proc/77/ns/net -> net:[4026532246]
etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf
-- proc/sys/kernel/hostname --
web1
-- proc/sys/kernel/osrelease --
6.12.9-amd64
-- proc/uptime --
1000.50 900.00
-- proc/stat --
cpu  1 2
cpu0 1 2
cpu1 1 2
btime 1700000000
-- proc/meminfo --
MemTotal:        8000000 kB
MemFree:          100000 kB
MemAvailable:    4000000 kB
-- proc/slabinfo --
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize>
nf_conntrack         100    160    256   16    1 : tunables    0    0    0 : slabdata     10     10      0
nf_conntrack_expect    0      0    232   17    1 : tunables    0    0    0 : slabdata      0      0      0
-- proc/modules --
nf_nat 65536 1 xt_nat, Live 0x0
nf_conntrack 200704 2 nf_nat,xt_conntrack, Live 0x0
-- proc/sys/net/ipv4/tcp_keepalive_time --
7200
-- proc/sys/net/netfilter/nf_conntrack_max --
65536
-- proc/sys/net/netfilter/nf_conntrack_count --
65530
-- proc/sys/net/netfilter/nf_conntrack_buckets --
65536
-- proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established --
432000
-- sys/module/nf_conntrack/parameters/acct --
N
-- proc/net/stat/nf_conntrack --
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000fffa  00000001 00000000 00000000 00000002 00000000 00000000 00000000 00000000 00000003 0000000a 00000000 00000005  00000000 00000000 00000000 00000000
0000fffa  00000001 00000000 00000000 00000002 00000000 00000000 00000007 00000000 00000000 00000001 00000000 00000000  00000000 00000000 00000000 00000000
-- second/after --
20
-- second/proc/sys/net/netfilter/nf_conntrack_count --
65536
-- second/proc/net/stat/nf_conntrack --
entries clashres drop
00010000 00000001 0000001b
-- etc/sysctl.conf --
net.netfilter.nf_conntrack_max = 65536
-- etc/sysctl.d/README --
not read
-- etc/udev/rules.d/10-net.rules --
SUBSYSTEM=="net"
-- etc/udev/rules.d/50-ct.rules --
KERNEL=="nf_conntrack", RUN+="/lib/systemd/systemd-sysctl"
-- etc/tuned/active_profile --
my-web
-- etc/tuned/my-web/tuned.conf --
[main]
include=throughput-performance
-- usr/lib/tuned/throughput-performance/tuned.conf --
[sysctl]
-- proc/300/comm --
kube-proxy
-- proc/301/comm --
python3
-- proc/302/comm --
nginx
`

func TestRootOfAModernHost(t *testing.T) {
	archive := modernHost +
		"-- proc/300/cmdline --\nkube-proxy\x00--config=/var/lib/kube-proxy/config.conf\x00\n" +
		"-- proc/301/cmdline --\n/usr/bin/python3\x00-Es\x00/usr/sbin/tuned\x00-l\x00\n" +
		"-- var/lib/kube-proxy/config.conf --\nconntrack: {}\n"
	s := take(t, archive)
	if s.Host.Name != "web1" || s.Host.Kernel != "6.12.9-amd64" || s.Host.CPUs != 2 || s.Host.Uptime != 1000 ||
		s.Host.MemTotal != 8000000<<10 || s.Host.MemAvailable != 4000000<<10 || *s.Host.KeepaliveTime != 7200 || s.Host.KeepaliveProbes != nil {
		t.Errorf("host: %+v", s.Host)
	}
	if !s.Taken.Equal(time.Unix(1700001000, 0)) {
		t.Errorf("taken %v, want boot + uptime", s.Taken)
	}
	if want := (snapshot.Slab{ObjectSize: 256, Objects: 160, Active: 100, Bytes: 40960}); *s.Host.Slab != want {
		t.Errorf("slab: %+v", *s.Host.Slab)
	}
	if s.Module.State != snapshot.ModuleLoaded || !s.Module.Modern || s.Module.Legacy || !reflect.DeepEqual(s.Module.Users, []string{"nf_nat", "xt_conntrack"}) ||
		s.Module.Parameters["acct"] != "N" {
		t.Errorf("module: %+v", s.Module)
	}
	n := s.Namespaces[0]
	if len(s.Namespaces) != 2 || n.Name != "host" || n.Inode != 4026531840 || !n.Present || *s.Machine.Max != 65536 {
		t.Errorf("namespaces: %+v", s.Namespaces)
	}
	if v := n.Settings["tcp_timeout_established"]; v.Key != "net.netfilter.nf_conntrack_tcp_timeout_established" || *v.Int != 432000 {
		t.Errorf("established: %+v", v)
	}
	if v := n.Settings["acct"]; v.Text != "N" || *v.Int != 0 {
		t.Errorf("a parameter of type bool: %+v", v)
	}
	if c, _ := n.Count(); c != 65530 {
		t.Errorf("count %d", c)
	}
	if rise, over, ok := n.Rise("drop"); !ok || rise != 16 || over != 20*time.Second {
		t.Errorf("drop rose by %d in %v", rise, over)
	}
	first := n.Readings[0]
	if first.Counters["clash_resolve"] != 2 || first.Counters["chain_toolong"] != 7 || first.Counters["error"] != 5 || len(first.PerCPU) != 2 {
		t.Errorf("counters: %+v", first)
	}
	if _, ok := first.Counters["entries"]; ok {
		t.Error("entries is no counter")
	}
}

func TestRootReadsTheFilesThatDecideTheBoot(t *testing.T) {
	s := take(t, modernHost+"-- proc/301/cmdline --\n/usr/bin/python3\x00-Es\x00/usr/sbin/tuned\x00-l\x00\n"+
		"-- proc/300/cmdline --\nkube-proxy\x00--conntrack-min\x001\x00\n")
	var got []string
	for _, f := range s.Files {
		got = append(got, f.Path)
	}
	want := []string{"/etc/sysctl.d/99-sysctl.conf", "/etc/sysctl.conf", "/etc/tuned/active_profile", "/etc/udev/rules.d/50-ct.rules",
		"/etc/tuned/my-web/tuned.conf", "/usr/lib/tuned/throughput-performance/tuned.conf"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if s.Files[0].Target != "../sysctl.conf" || !strings.Contains(string(s.Files[0].Content), "65536") {
		t.Errorf("a link: %+v", s.Files[0])
	}
	if len(s.Programs) != 2 || s.Programs[0].Name != "kube-proxy" || s.Programs[1].Name != "tuned" || s.Programs[0].Args[1] != "--conntrack-min" {
		t.Errorf("programs: %+v", s.Programs)
	}
}

func TestRootOfALegacyHost(t *testing.T) {
	s := take(t, `
-- proc/version --
Linux version 2.6.18-92.el5 (mockbuild) #1
-- proc/modules --
ip_conntrack 53025 2 ip_nat,xt_state, Live 0x0
-- proc/sys/net/ipv4/ip_conntrack_max --
8192
-- proc/sys/net/ipv4/netfilter/ip_conntrack_count --
8000
-- proc/sys/net/ipv4/netfilter/ip_conntrack_tcp_timeout_established --
432000
-- proc/net/stat/ip_conntrack --
entries searched found drop
00001f40 1 2 ff
`)
	if s.Module.State != snapshot.ModuleLoaded || s.Module.Modern || !s.Module.Legacy || s.Host.Kernel != "2.6.18-92.el5" {
		t.Errorf("module: %+v, kernel %s", s.Module, s.Host.Kernel)
	}
	n := s.Namespaces[0]
	if v := n.Settings["max"]; v.Key != "net.ipv4.ip_conntrack_max" || *v.Int != 8192 {
		t.Errorf("max: %+v", v)
	}
	if drop, ok := n.Counter("drop"); !ok || drop != 255 || n.Readings[0].Source != "/proc/net/stat/ip_conntrack" {
		t.Errorf("counters: %+v", n.Readings[0])
	}
}

func TestRootWithBothFamiliesPrefersTheModern(t *testing.T) {
	s := take(t, "-- proc/sys/net/netfilter/nf_conntrack_max --\n100\n-- proc/sys/net/ipv4/netfilter/ip_conntrack_max --\n100\n")
	if !s.Module.Modern || !s.Module.Legacy || s.Namespaces[0].Settings["max"].Key != "net.netfilter.nf_conntrack_max" {
		t.Errorf("%+v", s.Module)
	}
}

func TestRootWithoutConntrack(t *testing.T) {
	s := take(t, "-- proc/sys/net/core/somaxconn --\n4096\n-- proc/modules --\nnfs 1 0 - Live 0x0\n")
	if s.Module.State != snapshot.ModuleAbsent || s.Namespaces[0].Tracking == nil || *s.Namespaces[0].Tracking {
		t.Errorf("module %+v, namespace %+v", s.Module, s.Namespaces[0])
	}
	if _, err := Root(context.Background(), t.TempDir(), Options{}); err == nil {
		t.Error("an empty directory was taken for a host")
	}
}

func TestParseProcStatRefusesWhatItIsNot(t *testing.T) {
	for _, bad := range []string{"", "x\n", "entries drop\n1\n", "entries drop\n1 zz\n"} {
		if all, err := parseProcStat(bad); err == nil {
			t.Errorf("%q gave %v", bad, all)
		}
	}
}

func FuzzParseProcStat(f *testing.F) {
	seeds := []string{"entries drop\n1 ff\n2 fe\n", "entries  searched found\n00000001  00000002 00000003\n", "entries\n", ""}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	samples, _ := filepath.Glob("../../../../shared/samples/proc/s*.txt")
	for _, name := range samples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseProcStat(text)
		if err != nil && all != nil {
			t.Fatal("an error and counters")
		}
		sum(all)
		parseSlab(text, 4096)
		parseMeminfo(text)
		parseStat(text)
		parseModules(text)
	})
}
