package kernlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/hostfs"
)

func sum(t *testing.T, r io.Reader) snapshot.Log {
	t.Helper()
	s := NewSummary(Options{Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	if err := Read(t.Context(), Stream("-", r), s); err != nil {
		t.Fatal(err)
	}
	return s.Log()
}

// brief writes a log's groups as "kind/inode lines+repeated (suppressed)".
func brief(l snapshot.Log) []string {
	var all []string
	for _, g := range l.Groups {
		s := string(g.Kind)
		if g.NetnsInode != 0 {
			s += fmt.Sprint("/", g.NetnsInode)
		}
		all = append(all, fmt.Sprintf("%s %d+%d (%d)", s, g.Lines, g.Repeated, g.Suppressed))
	}
	return all
}

func TestSamples(t *testing.T) {
	dir := samples()
	if dir == "" {
		t.Skip("../shared/samples/klog is absent: real logs are not read")
	}
	want := map[string][]string{
		"k01_ubuntu804_haproxy_2011.log":           {"table_full 5+0 (22024)", "suppressed 5+0 (22024)"},
		"k03_cumulus_iso8601_2019.log":             {"table_full 3+0 (0)"},
		"k05_dmesg_double_prefix_ratelimit.log":    {"table_full 3+0 (3939)", "suppressed 1+0 (3939)"},
		"k07_lkml_2001_2.4.log":                    {"table_full 1+0 (0)"},
		"k09_lkml_2001_maximum_limit.log":          {"table_full 1+2 (0)"},
		"k11_el5_syslog_repeated_restart_2009.log": {"table_full 2+8 (0)"},
		"k13_centos8_vs_centos6.log":               {"table_full 2+0 (0)"},
		"k15_aliyun_masked_host.log":               {"table_full 2+0 (0)"},
		"k17_lkml_2001_2.4.7.log":                  {"table_full 1+0 (6)", "suppressed 1+0 (6)"},
		"k19_net_ratelimit_other_subsystems.log":   {"neighbour_overflow 1+0 (12758)", "suppressed 4+0 (19357)"},
		"k21_this_kernel_6.18_dmesg.log": {
			"table_full/4026532177 30+0 (969)", "table_full/4026532211 20+0 (2066)", "table_full/4026532246 10+0 (0)",
			"table_full/4026532316 60+0 (1200790)", "suppressed 11+0 (1203825)",
		},
		"k23_this_kernel_6.18_dmesg_x.log":   {"table_full/4026532246 5+0 (0)"},
		"k25_this_kernel_6.18_dmesg_iso.log": {"table_full/4026532246 5+0 (0)"},
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	if len(names) < len(want) {
		t.Fatalf("%d samples, want %d", len(names), len(want))
	}
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[filepath.Base(n)], brief(sum(t, bytes.NewReader(data)))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", filepath.Base(n), diff)
		}
	}
}

func TestRepeatedNeedsTheLineBefore(t *testing.T) {
	const text = `Mar 31 12:40:11 h kernel: nf_conntrack: table full, dropping packet
Mar 31 12:41:00 h sshd[1]: something else
Mar 31 12:58:52 h last message repeated 3 times
Mar 31 12:59:00 h kernel: nf_conntrack: table full, dropping packet
Mar 31 12:59:52 h last message repeated 4 times
Mar 31 13:00:52 h kernel: message repeated 2 times: [ nf_conntrack: table full, dropping packet]
`
	if diff := cmp.Diff([]string{"table_full 2+6 (0)"}, brief(sum(t, strings.NewReader(text)))); diff != "" {
		t.Error(diff)
	}
}

func TestSuppressedStandsBesideTheNextWarning(t *testing.T) {
	const text = `Mar 31 12:40:11 h kernel: net_ratelimit: 10 callbacks suppressed
Mar 31 12:40:11 h sshd[1]: another program in between
Mar 31 12:40:11 h kernel: nf_conntrack: table full, dropping packet
Mar 31 12:41:11 h kernel: net_ratelimit: 20 callbacks suppressed
Mar 31 12:41:11 h kernel: eth0: something else of the network
Mar 31 12:41:12 h kernel: nf_conntrack: table full, dropping packet
Mar 31 12:42:12 h kernel: kauditd_printk_skb: 40 callbacks suppressed
Mar 31 12:42:12 h kernel: nf_conntrack: table full, dropping packet
`
	want := []string{"table_full 3+0 (10)", "suppressed 2+0 (30)", "suppressed_other 1+0 (40)"}
	if diff := cmp.Diff(want, brief(sum(t, strings.NewReader(text)))); diff != "" {
		t.Error(diff)
	}
}

func TestDmesgJSON(t *testing.T) {
	const text = `{
   "dmesg": [
      {
         "pri": 4,
         "time":   236.917295,
         "msg": "nf_conntrack: nf_conntrack: table full, dropping packet"
      },{
         "pri": 6,
         "time":   240.000000,
         "msg": "eth0: up"
      }
   ]
}
`
	booted := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	s := NewSummary(Options{Now: booted.Add(time.Hour), Booted: booted})
	if err := Read(t.Context(), Stream("-", strings.NewReader(text)), s); err != nil {
		t.Fatal(err)
	}
	g, ok := s.log(t).Find(snapshot.LogTableFull)
	if !ok || !g.First.Equal(booted.Add(236917295*time.Microsecond)) || g.SinceBoot == nil || !*g.SinceBoot {
		t.Errorf("group %+v", g)
	}
}

func (s *Summary) log(t *testing.T) *snapshot.Log {
	t.Helper()
	l := s.Log()
	return &l
}

func TestLongLinesAreCut(t *testing.T) {
	var b strings.Builder
	b.WriteString("nf_conntrack: table full, dropping packet " + strings.Repeat("x", 3*blockSize) + "\n")
	b.WriteString(strings.Repeat("y", 2*blockSize) + " nf_conntrack: table full, dropping packet\n")
	b.WriteString("nf_conntrack: table full, dropping packet\n")
	l := sum(t, strings.NewReader(b.String()))
	if diff := cmp.Diff([]string{"table_full 2+0 (0)"}, brief(l)); diff != "" {
		t.Error(diff)
	}
	if l.Sources[0].Lines != 3 {
		t.Errorf("%d lines, want 3", l.Sources[0].Lines)
	}
}

func TestHostBelowRoot(t *testing.T) {
	root := t.TempDir()
	const line = "2026-11-%02dT10:00:00+00:00 h kernel: nf_conntrack: table full, dropping packet\n"
	write(t, root, "var/log/kern.log", []byte(fmt.Sprintf(line, 20)), 0)
	write(t, root, "var/log/kern.log.1", []byte(fmt.Sprintf(line, 13)), 24*time.Hour)
	write(t, root, "var/log/kern.log.2.gz", packGzip(t, fmt.Sprintf(line, 6)), 48*time.Hour)
	write(t, root, "var/log/kern.log-20261101.xz", packXZ(t, fmt.Sprintf(line, 1)), 72*time.Hour)
	write(t, root, "var/log/syslog", []byte(fmt.Sprintf(line, 20)+fmt.Sprintf(line, 21)), 0)
	write(t, root, "var/log/messages.example", []byte(fmt.Sprintf(line, 21)), 0)
	log, missing := Host(t.Context(), hostfs.FS{Root: root}, Options{Booted: time.Date(2026, 11, 15, 0, 0, 0, 0, time.UTC)})
	if len(missing) != 0 {
		t.Errorf("missing %v", missing)
	}
	if diff := cmp.Diff([]string{"table_full 4+0 (0)"}, brief(log)); diff != "" {
		t.Error(diff)
	}
	g := log.Groups[0]
	if g.First.Day() != 1 || g.Last.Day() != 21 || g.SinceBoot == nil || !*g.SinceBoot || len(log.Sources) != 5 || log.Current {
		t.Errorf("group %+v, sources %v, current %v", g, log.Sources, log.Current)
	}
}

func TestHostWithoutLogsSaysSo(t *testing.T) {
	_, missing := Host(t.Context(), hostfs.FS{Root: t.TempDir()}, Options{})
	if len(missing) != 1 || missing[0].Code != "log_absent" {
		t.Errorf("missing %v", missing)
	}
}

func TestLiveHost(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: /dev/kmsg cannot be read")
	}
	log, _ := Host(t.Context(), hostfs.FS{}, Options{})
	if len(log.Sources) == 0 || log.Sources[0].Name != "/dev/kmsg" || log.Sources[0].Lines == 0 || !log.Current {
		t.Errorf("sources %+v, current %v", log.Sources, log.Current)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := NewSummary(Options{Progress: func(Progress) { cancel() }})
	err := Read(ctx, Stream("-", io.LimitReader(endless{}, 1<<30)), s)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if g, ok := s.log(t).Find(snapshot.LogTableFull); !ok || g.Lines == 0 {
		t.Errorf("what was read is lost: %+v", g)
	}
}

func TestNamespacesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 3 * maxGroups {
		fmt.Fprintf(&b, "nf_conntrack: nf_conntrack: table full in netns %d, dropping packet\n", 4026532000+i)
	}
	l := sum(t, strings.NewReader(b.String()))
	var lines uint64
	for _, g := range l.Groups {
		lines += g.Lines
	}
	if len(l.Groups) > maxGroups+1 || lines != 3*maxGroups {
		t.Errorf("%d groups with %d lines", len(l.Groups), lines)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("Mar 31 12:40:11 h kernel: nf_conntrack: table full, dropping packet\nMar 31 h last message repeated 2 times\n"))
	f.Add([]byte("\x1f\x8bnot gzip"))
	f.Add([]byte("\n\n\"time\": 1.5,\n\"msg\": \"nf_conntrack: table full\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewSummary(Options{})
		_ = Read(t.Context(), Stream("-", bytes.NewReader(data)), s)
		s.Log()
	})
}

// endless is a log of a busy host: a message among many lines of other programs.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	n := 0
	for n+len(busy) <= len(b) {
		n += copy(b[n:], busy)
	}
	if n == 0 {
		n = copy(b, busy)
	}
	return n, nil
}

var busy = strings.Repeat("Mar 31 12:40:11 web01 sshd[1234]: Accepted publickey for deploy from 192.0.2.7 port 51234 ssh2\n", 99) +
	"Mar 31 12:40:12 web01 kernel: [12345.678901] nf_conntrack: table full, dropping packet\n"

func BenchmarkRead(b *testing.B) {
	const size = 64 << 20
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		s := NewSummary(Options{})
		if err := Read(b.Context(), Stream("-", io.LimitReader(endless{}, size)), s); err != nil {
			b.Fatal(err)
		}
	}
}

func write(t *testing.T, root, name string, data []byte, age time.Duration) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(p, at, at); err != nil {
		t.Fatal(err)
	}
}

func packGzip(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packXZ(t *testing.T, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
