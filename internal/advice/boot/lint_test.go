package boot_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// fourLines is a file with a fault in each line.
const fourLines = "net.netfilter.nf_conntrack_max=65536.\nnet.netfilter.nf_conntrack_tcp_timeout_established=60\n" +
	"net.ipv4.netfilter.ip_conntrack_max =65536\nnet.ipv4.netfilter.ip_conntrack_tcp_timeout_established =60\n"

func find(problems []boot.Problem, file string, line int, code string) (boot.Problem, bool) {
	i := slices.IndexFunc(problems, func(p boot.Problem) bool { return p.File == file && p.Line == line && p.Code == code })
	if i < 0 {
		return boot.Problem{}, false
	}
	return problems[i], true
}

func TestFourLines(t *testing.T) {
	problems := boot.Lint(host(snapshot.ModuleBuiltIn, map[string]string{"/etc/sysctl.conf": fourLines}))
	for _, c := range []struct {
		line, col       int
		code            string
		severity        boot.Severity
		systemd, procps string
	}{
		{1, 32, "not_number_meant", boot.Error, "loader_unread", "loader_refused_procps"},
		{2, 52, "breaks_idle", boot.Warning, "loader_unread", "loader_decides"},
		{3, 1, "key_family", boot.Error, "loader_unread", "loader_no_such_key_procps"},
		{4, 1, "key_family", boot.Error, "loader_unread", "loader_no_such_key_procps"},
		{0, 0, "sysctl_conf", boot.Warning, "", ""},
	} {
		p, ok := find(problems, "/etc/sysctl.conf", c.line, c.code)
		if !ok || p.Col != c.col || p.Severity != c.severity || p.Systemd.Code != c.systemd || p.Procps.Code != c.procps {
			t.Errorf("line %d %s: got %v, %+v", c.line, c.code, ok, p)
		}
	}
	if m, _ := find(problems, "/etc/sysctl.conf", 1, "not_number_meant"); m.Message.Params["meant"] != "65536" {
		t.Errorf("meant %v", m.Message.Params)
	}
}

func TestLintFinds(t *testing.T) {
	const f = "/etc/sysctl.d/50-ct.conf"
	for _, c := range []struct {
		name  string
		state snapshot.ModuleState
		files map[string]string
		file  string
		line  int
		code  string
	}{
		{"misspelt", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_contrack_max = 5"}, f, 1, "unknown_key_near"},
		{"mixed separators", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter/nf_conntrack_max = 5"}, f, 1, "key_spelling"},
		{"dash and blank", snapshot.ModuleBuiltIn, map[string]string{f: "- net.netfilter.nf_conntrack_max = 5"}, f, 1, "blank_after_dash"},
		{"twice in one file", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 5\nnet.nf_conntrack_max = 6"}, f, 1, "set_twice"},
		{"in two files", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 5", "/usr/lib/sysctl.d/60.conf": "net.nf_conntrack_max = 6"}, f, 1, "set_twice"},
		{"loaders differ", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 5", "/etc/sysctl.conf": "net.nf_conntrack_max = 6"}, "/etc/sysctl.conf", 1, "loaders_differ"},
		{"default", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_udp_timeout = 30"}, f, 1, "equals_default"},
		{"no such parameter", snapshot.ModuleLoaded, map[string]string{"/etc/modprobe.d/x.conf": "options nf_conntrack nf_conntrack_max=5"}, "/etc/modprobe.d/x.conf", 1, "no_parameter"},
		{"hashsize", snapshot.ModuleLoaded, map[string]string{"/etc/modprobe.d/x.conf": "options nf_conntrack hashsize=512"}, "/etc/modprobe.d/x.conf", 1, "hashsize"},
		{"too early", snapshot.ModuleAbsent, map[string]string{f: "net.netfilter.nf_conntrack_max = 5"}, f, 1, "too_early"},
		{"few buckets", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 4000000"}, f, 1, "buckets_few"},
		{"too much memory", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 40000000"}, f, 1, "max_memory"},
		{"more than a plan's budget", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max = 3000000"}, f, 1, "max_memory"},
		{"octal", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_udp_timeout = 0120"}, f, 1, "value_octal"},
		{"comment behind", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_udp_timeout = 12 # s"}, f, 1, "value_trailing"},
		{"out of range", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_udp_timeout = 99999999"}, f, 1, "value_range"},
		{"harmful", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_udp_timeout = -1"}, f, 1, "value_harmful"},
		{"mark", snapshot.ModuleBuiltIn, map[string]string{f: "\ufeffnet.netfilter.nf_conntrack_udp_timeout = 1"}, f, 1, "byte_order_mark"},
		{"suffix", snapshot.ModuleBuiltIn, map[string]string{"/etc/sysctl.d/ct": "net.netfilter.nf_conntrack_udp_timeout = 1"}, "/etc/sysctl.d/ct", 0, "file_suffix"},
		{"hidden", snapshot.ModuleBuiltIn, map[string]string{f: "", "/usr/lib/sysctl.d/50-ct.conf": "net.nf_conntrack_max = 1"}, "/usr/lib/sysctl.d/50-ct.conf", 0, "file_hidden"},
		{"dangling", snapshot.ModuleBuiltIn, map[string]string{f: "-> /nowhere"}, f, 0, "dangling_link"},
		{"no assignment", snapshot.ModuleBuiltIn, map[string]string{f: "net.netfilter.nf_conntrack_max 5"}, f, 1, "not_assignment"},
	} {
		problems := boot.Lint(host(c.state, c.files))
		if _, ok := find(problems, c.file, c.line, c.code); !ok {
			t.Errorf("%s: no %s at %s:%d in %+v", c.name, c.code, c.file, c.line, problems)
		}
	}
}

func TestRunningAndInNoFile(t *testing.T) {
	in, v := host(snapshot.ModuleBuiltIn, nil), int64(500000)
	in.Running = map[string]snapshot.Value{"max": {Int: &v}}
	if _, ok := find(boot.Lint(in), "/proc/sys/net/netfilter/nf_conntrack_max", 0, "not_persisted"); !ok {
		t.Error("a running value that no file sets was not found")
	}
}

func TestHealthyFileIsQuiet(t *testing.T) {
	in := host(snapshot.ModuleBuiltIn, map[string]string{"/etc/sysctl.d/50-ct.conf": "# sizes\nnet.netfilter.nf_conntrack_max = 300000\nvm.swappiness = 10\nnet.ipv4.tcp_syncookies = 1\nnet.netfilter.nf_log.2 = NONE\n"})
	if problems := boot.Lint(in); len(problems) > 0 {
		t.Errorf("%+v", problems)
	}
}

func TestFixKeepsTheRest(t *testing.T) {
	const name = "/etc/sysctl.d/50-ct.conf"
	old := "# sizes\r\n\r\n net.netfilter.nf_conntrack_max\t=  65536. \r\n; end\r\n- net.netfilter.nf_conntrack_acct=1\r\nnet.ipv4.netfilter.ip_conntrack_udp_timeout = \"45\""
	want := "# sizes\r\n\r\n net.netfilter.nf_conntrack_max\t=  65536 \r\n; end\r\n-net.netfilter.nf_conntrack_acct=1\r\nnet.netfilter.nf_conntrack_udp_timeout = 45"
	got, n := boot.FixFile(host(snapshot.ModuleBuiltIn, map[string]string{name: old}), name)
	if string(got) != want || n == 0 {
		t.Errorf("got %q, %d", got, n)
	}
}

func FuzzLint(f *testing.F) {
	seeds := []string{fourLines, "- net.netfilter.nf_conntrack_max = 5 x\r\n", "\ufeffnet.nf_conntrack_max=0x10", "net.netfilter/nf_conntrack_max=\"7\"\rnet.nf_conntrack_max=8", "-net.netfilter.nf_conntrack_*=1\n=\n-"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	r := rand.New(rand.NewPCG(1, 0))
	for range 20 {
		seeds = append(seeds, randomFile(r))
	}
	names, _ := filepath.Glob(samples + "/trees/*/etc/sysctl.conf")
	for _, n := range names {
		if data, err := os.ReadFile(n); err == nil {
			seeds = append(seeds, string(data))
		}
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const name = "/etc/sysctl.conf"
		in := host(snapshot.ModuleBuiltIn, map[string]string{name: text, "/etc/modprobe.d/a.conf": text, "/etc/modules-load.d/a.conf": text})
		in.Files[0].Content = append([]byte{}, in.Files[0].Content...)
		for _, p := range boot.Lint(in) {
			if !wording.Has(p.Message.Code) || p.Systemd.Code != "" && (!wording.Has(p.Systemd.Code) || !wording.Has(p.Procps.Code)) {
				t.Fatalf("no sentence for %+v", p)
			}
		}
		fixed, _ := boot.FixFile(in, name)
		again, n := boot.FixFile(host(snapshot.ModuleBuiltIn, map[string]string{name: string(fixed), "/etc/modprobe.d/a.conf": text, "/etc/modules-load.d/a.conf": text}), name)
		if n != 0 && string(again) != string(fixed) {
			t.Fatalf("a second fix changes %q to %q", fixed, again)
		}
	})
}
