package diagnose_test

import (
	"slices"
	"testing"
	"time"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

var taken = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// healthy is a web server with 30 days of uptime, 8 GiB, and a table a tenth full.
func healthy() snapshot.Snapshot {
	n := snapshot.Namespace{
		Name: "host", Inode: 4026531840, Initial: true, Present: true, Tracking: ptr(true),
		Settings: map[string]snapshot.Value{},
		Flows: &snapshot.Flows{Source: "ctnetlink", Consistent: true, Summary: rank.Summary{
			Total: 26000, Assured: 20000, Closing: 2000,
			Classes: []rank.Class{{Proto: "tcp", State: "ESTABLISHED", Count: 18000, Assured: 18000}},
			Source:  []rank.Row{{Key: "192.0.2.7", Count: 300}},
		}},
	}
	setInt(&n, "max", 262144)
	setInt(&n, "buckets", 262144)
	setInt(&n, "tcp_timeout_established", 432000)
	for i := range 2 {
		n.Readings = append(n.Readings, snapshot.Reading{
			At: taken.Add(time.Duration(i) * time.Second), Count: ptr(int64(26214)), Source: "ctnetlink",
			Counters: map[string]uint64{"drop": 12, "insert_failed": 12, "early_drop": 0, "invalid": 40000},
		})
	}
	return snapshot.Snapshot{
		Taken: taken, Host: snapshot.Host{Uptime: 30 * 86400, MemTotal: 8 << 30, Kernel: "6.18.0"},
		Module:     snapshot.Module{State: snapshot.ModuleLoaded, Modern: true},
		Namespaces: []snapshot.Namespace{n},
		Log:        snapshot.Log{Current: true, Sources: []snapshot.LogSource{{Name: "/dev/kmsg", Lines: 900}}},
	}
}

func setInt(n *snapshot.Namespace, name string, v int64) {
	n.Settings[name] = snapshot.Value{Key: "net.netfilter.nf_conntrack_" + name, Int: &v, Mode: 0o644}
}

// fill makes the namespace hold count flows of which assured are assured, in both readings.
func fill(n *snapshot.Namespace, count, assured int64) {
	for i := range n.Readings {
		n.Readings[i].Count = ptr(count)
	}
	n.Flows.Summary.Total, n.Flows.Summary.Assured, n.Flows.Summary.Closing = uint64(count), uint64(assured), 0
	n.Flows.Summary.Classes = []rank.Class{{Proto: "tcp", State: "ESTABLISHED", Count: uint64(assured), Assured: uint64(assured)}}
}

func raise(n *snapshot.Namespace, counter string, by uint64) {
	first := n.Readings[0].Counters[counter]
	n.Readings[0].Counters[counter] = first
	n.Readings[1].Counters[counter] = uint64(uint32(first + by))
}

func logged(s *snapshot.Snapshot, kind snapshot.LogKind, inode uint64, last time.Time) {
	s.Log.Groups = append(s.Log.Groups, snapshot.LogGroup{
		Kind: kind, NetnsInode: inode, Lines: 10, Last: last, SinceBoot: ptr(true), Example: "a line",
	})
}

type want struct {
	verdict  string
	severity diagnose.Severity
	codes    []string // findings above ok, in any order
	infos    []string // findings at ok that must be there
}

// cases are changes to a healthy host and what must come of them.
var cases = map[string]struct {
	change func(s *snapshot.Snapshot, n *snapshot.Namespace)
	want   want
}{
	"healthy": {func(*snapshot.Snapshot, *snapshot.Namespace) {}, want{"healthy", "ok", nil, nil}},
	"full and refusing": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 262000)
		raise(n, "drop", 500)
	}, want{"table_full", "critical", []string{"table_full", "early_drop_unlikely"}, nil}},
	"full, the counter wraps": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 262000)
		n.Readings[0].Counters["drop"] = 1<<32 - 10
		raise(n, "drop", 500)
	}, want{"table_full", "critical", []string{"table_full", "early_drop_unlikely"}, nil}},
	"full, but drops are clashes": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 100000)
		raise(n, "drop", 5)
		raise(n, "insert_failed", 5)
	}, want{"insert_failed", "warning", []string{"insert_failed", "occupancy_reclaimable"}, nil}},
	"full of what can be evicted": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 20000)
	}, want{"occupancy_reclaimable", "warning", []string{"occupancy_reclaimable"}, nil}},
	"high and reclaimable": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 235000, 20000)
	}, want{"healthy", "ok", nil, []string{"occupancy_reclaimable"}}},
	"filling": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 210000, 205000)
	}, want{"table_filling", "warning", []string{"table_filling", "early_drop_unlikely"}, nil}},
	"nearly full": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 255000, 250000)
	}, want{"table_filling", "critical", []string{"table_filling", "early_drop_unlikely"}, nil}},
	"fast": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 140000, 135000)
		n.Readings[1].Count = ptr(int64(145000))
	}, want{"table_filling", "warning", []string{"table_filling", "early_drop_unlikely"}, nil}},
	"flood": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 1000)
		n.Flows.Summary.Classes = []rank.Class{{Proto: "tcp", State: "SYN_SENT", Count: 200000}}
	}, want{"half_open_flood", "warning", []string{"half_open_flood", "occupancy_reclaimable"}, nil}},
	"logged just now in another namespace": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		logged(s, snapshot.LogTableFull, 4026532246, taken)
	}, want{"table_was_full", "warning", []string{"table_was_full"}, nil}},
	"refused while the daemon watched": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Incidents = []snapshot.Incident{{Namespace: n.Name, Began: taken.Add(-time.Hour), Ended: taken.Add(-50 * time.Minute), Refused: 7, Peak: 262144, Max: 262144,
			Changes: []snapshot.Changed{{Setting: "max", From: 262144, To: 524288, By: "ctkeeper apply"}}}, {Namespace: n.Name, PeakPressure: 0.95}}
	}, want{"table_was_full", "warning", []string{"table_was_full"}, nil}},
	"under pressure while the daemon watched": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Incidents = []snapshot.Incident{{Namespace: n.Name, Began: taken.Add(-time.Hour), PeakPressure: 0.95}}
	}, want{"healthy", "ok", nil, nil}},
	"logged before the last boot": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		logged(s, snapshot.LogTableFull, 0, taken.Add(-time.Hour))
		s.Log.Groups[0].SinceBoot = ptr(false)
	}, want{"healthy", "ok", nil, []string{"table_was_full"}}},
	"drops that nothing explains": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		for i := range n.Readings {
			n.Readings[i].Counters["drop"] = 90000
		}
	}, want{"healthy", "ok", nil, []string{"table_was_full"}}},
	"expectations": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		setInt(n, "expect_max", 4096)
		n.Expectations = ptr(int64(4096))
	}, want{"expectation_table_full", "critical", []string{"expectation_table_full"}, nil}},
	"long chains": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		setInt(n, "buckets", 1024)
		raise(n, "chain_toolong", 40)
		raise(n, "insert_failed", 40)
	}, want{"chain_too_long", "critical", []string{"chain_too_long", "buckets_too_few"}, nil}},
	"long chains once": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		for i := range n.Readings {
			n.Readings[i].Counters["chain_toolong"] = 7
		}
	}, want{"healthy", "ok", nil, []string{"chain_too_long"}}},
	"invalid": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		raise(n, "invalid", 4000)
	}, want{"invalid_packets", "warning", []string{"invalid_packets"}, nil}},
	"stale": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 150000, 140000)
		h := &rank.IdleHistogram{}
		h.Buckets[16] = 90000 // two to three days
		n.Flows.Summary.Classes[0].Idle = h
	}, want{"stale_established", "warning", []string{"stale_established"}, nil}},
	"close wait": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 150000, 140000)
		setInt(n, "tcp_timeout_close_wait", 3600)
		n.Flows.Summary.Classes = []rank.Class{{Proto: "tcp", State: "CLOSE_WAIT", Count: 120000, Assured: 120000}}
	}, want{"close_wait_pressure", "warning", []string{"close_wait_pressure"}, nil}},
	"one source": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 150000, 140000)
		n.Flows.Summary.Source = []rank.Row{{Key: "198.51.100.9", Count: 140000, Error: 100}}
	}, want{"single_source", "warning", []string{"single_source"}, nil}},
	"NAT": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 90000, 80000)
		n.Flows.Summary.NAT = 88000
		n.Flows.Summary.Dest = []rank.Row{{Key: "203.0.113.80", Count: 64000}}
		raise(n, "found", 900000)
	}, want{"nat_ports_exhausted", "critical", []string{"nat_ports_exhausted"}, nil}},
	"no limit": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		setInt(n, "max", 0)
	}, want{"max_unlimited", "warning", []string{"max_unlimited"}, nil}},
	"little memory": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Host.MemTotal = 256 << 20
	}, want{"max_exceeds_memory", "warning", []string{"max_exceeds_memory"}, nil}},
	"a short timeout": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		setInt(n, "tcp_timeout_established", 60)
	}, want{"timeout_breaks_idle", "warning", []string{"timeout_breaks_idle"}, nil}},
	"RFC 5382's least": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		setInt(n, "tcp_timeout_established", 7440)
	}, want{"healthy", "ok", nil, []string{"timeout_breaks_idle"}}},
	"nothing tracked": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		n.Tracking = ptr(false)
		fill(n, 0, 0)
	}, want{"not_tracking", "ok", nil, []string{"not_tracking"}}},
	"no module": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Module = snapshot.Module{State: snapshot.ModuleAbsent}
		*n = snapshot.Namespace{Name: "host", Initial: true}
	}, want{"module_absent", "ok", nil, []string{"module_absent"}}},
	"nothing readable": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		*n = snapshot.Namespace{Name: "host", Initial: true}
		s.Log = snapshot.Log{}
		s.Missing = []snapshot.Missing{{Source: "/proc/sys/net/netfilter/nf_conntrack_count", Why: "permission denied"}}
	}, want{"unknown", "unknown", nil, []string{"counters_unavailable", "log_unavailable"}}},
	"a process at its limit of files": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Files = &snapshot.Usage{Used: 990, Max: 1000}
		s.Limits.FileLimits = []snapshot.ProcessUsage{{PID: 7, Name: "nginx", Used: 1024, Max: 1024}}
		logged(s, snapshot.LogFiles, 0, taken)
	}, want{"not_conntrack", "critical", []string{"limit_files"}, nil}},
	"a cgroup at pids.max": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Processes = &snapshot.Usage{Used: 31000, Max: 32768}
		s.Limits.ProcessLimits = []snapshot.ProcessUsage{{PID: 9, Name: "php-fpm", Used: 4000, Max: 4096}}
		s.Limits.Cgroups = []snapshot.CgroupPids{{Path: "/system.slice/web.service", Current: 512, Max: 512, Refused: 31}}
		logged(s, snapshot.LogFork, 0, taken)
	}, want{"not_conntrack", "critical", []string{"limit_processes"}, nil}},
	"listen queue": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Net = map[string]uint64{"TcpExt.ListenOverflows": 100, "TcpExt.SyncookiesSent": 1}
		s.Limits.NetLast = map[string]uint64{"TcpExt.ListenOverflows": 180, "TcpExt.SyncookiesSent": 9}
		s.Limits.NetSeconds = 1
		logged(s, snapshot.LogSYNFlooding, 0, taken)
	}, want{"not_conntrack", "critical", []string{"listen_overflow"}, nil}},
	"local ports": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Ports = &snapshot.Ports{Low: 32768, High: 60999, Worst: []snapshot.PortUse{{Src: "10.0.0.1", Dst: "10.0.0.2:5432", Used: 28000}}}
	}, want{"not_conntrack", "critical", []string{"ports_exhausted"}, nil}},
	"neighbours": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Neighbour = []snapshot.Neighbour{{Table: "ndisc_cache", Entries: 1020, Thresh3: 1024, TableFulls: 3}}
		logged(s, snapshot.LogNeighbourOverflow, 0, taken)
	}, want{"not_conntrack", "critical", []string{"neighbour_overflow"}, nil}},
	"socket memory": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		s.Limits.Sockets = &snapshot.Sockets{TCPMem: 9100, TCPMemLow: 4000, TCPMemHigh: 6000, TCPMemMax: 9000, Orphans: 99, MaxOrphans: 100}
		logged(s, snapshot.LogSocketMemory, 0, taken)
	}, want{"not_conntrack", "critical", []string{"socket_memory"}, nil}},
	"a full table and a look-alike": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
		fill(n, 262144, 262000)
		raise(n, "drop", 500)
		logged(s, snapshot.LogTableFull, 0, taken)
		s.Log.Groups[0].Suppressed = 933
		s.Limits.ProcessLimits = []snapshot.ProcessUsage{{PID: 9, Name: "httpd", Used: 4096, Max: 4096}}
	}, want{"table_full", "critical", []string{"table_full", "early_drop_unlikely", "limit_processes"}, nil}},
}

func TestDiagnose(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := healthy()
			c.change(&s, &s.Namespaces[0])
			r := diagnose.Diagnose(s)
			if r.Verdict != c.want.verdict || r.Severity != c.want.severity {
				t.Errorf("verdict %s (%s), want %s (%s)", r.Verdict, r.Severity, c.want.verdict, c.want.severity)
			}
			var got []string
			for _, f := range r.Findings {
				if f.Severity != diagnose.OK {
					got = append(got, f.Code)
				}
			}
			slices.Sort(got)
			slices.Sort(c.want.codes)
			if !slices.Equal(got, c.want.codes) {
				t.Errorf("findings above ok: %v, want %v", got, c.want.codes)
			}
			for _, code := range c.want.infos {
				if f, ok := r.Find(code); !ok || f.Severity != diagnose.OK {
					t.Errorf("no finding %s at ok", code)
				}
			}
			checkSentences(t, r)
		})
	}
}

// checkSentences holds that everything the report says has a sentence whose gaps are all filled.
func checkSentences(t *testing.T, r diagnose.Report) {
	t.Helper()
	check := func(m message.Message) {
		for _, lang := range []wording.Lang{wording.English, wording.French} {
			s := wording.Say(lang, m)
			if !wording.Has(m.Code) || slices.ContainsFunc([]rune(s), func(r rune) bool { return r == '{' || r == '}' }) {
				t.Errorf("%s %s says %q", lang, m.Code, s)
			}
		}
	}
	check(r.Text)
	for _, f := range r.Findings {
		check(message.New("finding_" + f.Code))
		check(f.Cause)
		if len(f.Evidence) == 0 && f.Severity != diagnose.OK {
			t.Errorf("%s has no evidence", f.Code)
		}
		if len(f.Cure) == 0 && f.Severity != diagnose.OK {
			t.Errorf("%s has no cure", f.Code)
		}
		if f.Confidence <= 0 || f.Confidence > 1 {
			t.Errorf("%s has confidence %v", f.Code, f.Confidence)
		}
		for _, e := range f.Evidence {
			check(e.Message)
			if e.Source == "" {
				t.Errorf("%s: evidence %s has no source", f.Code, e.Message.Code)
			}
		}
		for _, c := range f.Cure {
			check(c.Text)
		}
	}
}

func TestEveryCodeHasSentences(t *testing.T) {
	for _, code := range diagnose.Codes() {
		if !wording.Has("finding_" + code) {
			t.Errorf("%s has no name", code)
		}
		if !wording.Has("verdict_"+code) && !wording.Has("verdict_not_"+code) &&
			code != diagnose.CountersUnavailable && code != diagnose.LogUnavailable {
			t.Errorf("%s has no verdict", code)
		}
	}
	if len(diagnose.Codes()) != 32 {
		t.Errorf("%d codes", len(diagnose.Codes()))
	}
}

func TestRefusedLeavesClashesOut(t *testing.T) {
	s := healthy()
	n := &s.Namespaces[0]
	fill(n, 262144, 262000)
	raise(n, "drop", 500)
	raise(n, "insert_failed", 130)
	raise(n, "chain_toolong", 100) // counts in insert_failed, not in drop
	r := diagnose.Diagnose(s)
	if got := r.Namespaces[0].Refused; got == nil || *got != 470 {
		t.Errorf("refused %v, want 470", got)
	}
}

func TestLogNeedsNamespace(t *testing.T) {
	s := healthy()
	other := snapshot.Namespace{Name: "web-1", Kind: "docker", Inode: 4026532246, Path: "/proc/77/ns/net", Tracking: ptr(true)}
	s.Namespaces = append(s.Namespaces, other)
	logged(&s, snapshot.LogTableFull, 4026532246, taken)
	f, ok := func() (diagnose.Finding, bool) { r := diagnose.Diagnose(s); return r.Find(diagnose.TableWasFull) }()
	if !ok || f.Namespace != "web-1" {
		t.Errorf("the message is of %q, want web-1", f.Namespace)
	}
}

func TestOldKernelsTakeBucketsByParameter(t *testing.T) {
	s := healthy()
	s.Host.Kernel = "3.10.0-1160.el7.x86_64"
	setInt(&s.Namespaces[0], "buckets", 16384)
	fill(&s.Namespaces[0], 262144, 262144)
	r := diagnose.Diagnose(s)
	f, ok := r.Find(diagnose.TableFull)
	if !ok || len(f.Cure) == 0 || !slices.Contains(f.Cure[0].Sysctl, "echo 131072 > /sys/module/nf_conntrack/parameters/hashsize") {
		t.Errorf("cure %v", f.Cure)
	}
}
