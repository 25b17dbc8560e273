package boot_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// host is a 6.18 host with 8 GiB and these files.
func host(state snapshot.ModuleState, files map[string]string) boot.Input {
	in := tree(files).input()
	in.Keys, in.Kernel, in.Memory = nil, settings.Kernel{Version: settings.V(6, 18), HZ: 250}, 8<<30
	in.Module = snapshot.Module{State: state, Modern: true}
	return in
}

func TestPredict(t *testing.T) {
	const key, line = "/etc/sysctl.d/50-ct.conf", "net.netfilter.nf_conntrack_max = 111\n"
	for _, c := range []struct {
		name            string
		state           snapshot.ModuleState
		files           map[string]string
		setting         string
		systemd, procps int64
		source          boot.Source
	}{
		{"nothing set", snapshot.ModuleBuiltIn, nil, "max", 262144, 262144, boot.SourceDefault},
		{"sysctl.conf is procps's last word", snapshot.ModuleBuiltIn, map[string]string{key: line, "/etc/sysctl.conf": "net.netfilter.nf_conntrack_max=222"}, "max", 111, 222, boot.SourceFile},
		{"the twin spelling counts", snapshot.ModuleBuiltIn, map[string]string{key: line + "net.nf_conntrack_max=5\n"}, "max", 5, 5, boot.SourceFile},
		{"systemd keeps the first place of a repeated value", snapshot.ModuleBuiltIn, map[string]string{key: line + "net.nf_conntrack_max=5\n" + line}, "max", 5, 111, boot.SourceFile},
		{"a refused value leaves the one before", snapshot.ModuleBuiltIn, map[string]string{key: line, "/etc/sysctl.d/60.conf": "net.nf_conntrack_max=65536."}, "max", 111, 111, boot.SourceFile},
		{"octal", snapshot.ModuleBuiltIn, map[string]string{key: "net.netfilter.nf_conntrack_udp_timeout=0120"}, "udp_timeout", 80, 80, boot.SourceFile},
		{"late module loses all", snapshot.ModuleLoaded, map[string]string{key: line}, "max", 262144, 262144, boot.SourceDefault},
		{"modules-load saves it", snapshot.ModuleLoaded, map[string]string{key: line, "/etc/modules-load.d/x.conf": "# c\nnf_conntrack\n"}, "max", 111, 111, boot.SourceFile},
		{"a udev rule saves its prefix", snapshot.ModuleLoaded, map[string]string{key: line, "/etc/udev/rules.d/9.rules": `ACTION=="add", SUBSYSTEM=="module", KERNEL=="nf_conntrack", RUN+="/lib/systemd/systemd-sysctl --prefix=/net/netfilter"`}, "max", 111, 111, boot.SourceFile},
		{"and nothing outside it", snapshot.ModuleLoaded, map[string]string{key: "net.nf_conntrack_max = 7\n", "/etc/udev/rules.d/9.rules": `ACTION=="add", SUBSYSTEM=="module", KERNEL=="nf_conntrack", RUN+="/lib/systemd/systemd-sysctl --prefix=/net/netfilter"`}, "max", 262144, 262144, boot.SourceDefault},
		{"hashsize makes max eightfold", snapshot.ModuleLoaded, map[string]string{"/etc/modprobe.d/x.conf": "options nf_conntrack hashsize=1000\n"}, "max", 8192, 8192, boot.SourceHashsize},
		{"built in reads no modprobe.d", snapshot.ModuleBuiltIn, map[string]string{"/etc/modprobe.d/x.conf": "options nf_conntrack hashsize=1000\n"}, "max", 262144, 262144, boot.SourceDefault},
		{"but the command line", snapshot.ModuleBuiltIn, map[string]string{"/proc/cmdline": "quiet nf_conntrack.hashsize=0x400\n"}, "buckets", 1024, 1024, boot.SourceParameter},
		{"sysctl on the command line", snapshot.ModuleBuiltIn, map[string]string{"/proc/cmdline": "sysctl.net.netfilter.nf_conntrack_max=99"}, "max", 99, 99, boot.SourceCmdline},
		{"a linked sysctl.conf is read by both", snapshot.ModuleBuiltIn, map[string]string{"/etc/sysctl.d/99-sysctl.conf": "-> ../sysctl.conf", "/etc/sysctl.conf": line}, "max", 111, 111, boot.SourceFile},
		{"masked", snapshot.ModuleBuiltIn, map[string]string{"/usr/lib/sysctl.d/50-ct.conf": line, key: "-> /dev/null"}, "max", 262144, 262144, boot.SourceDefault},
		{"minus alone takes the line back under systemd", snapshot.ModuleBuiltIn, map[string]string{key: line + "-net.netfilter.nf_conntrack_max\n"}, "max", 262144, 111, boot.SourceDefault},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, ok := boot.Predict(host(c.state, c.files)).Setting(c.setting)
			if !ok || f.Systemd.Value == nil || f.Procps.Value == nil {
				t.Fatalf("no forecast: %+v", f)
			}
			if *f.Systemd.Value != c.systemd || *f.Procps.Value != c.procps || f.Systemd.Source != c.source {
				t.Errorf("systemd %d by %s, procps %d; want %d by %s, %d", *f.Systemd.Value, f.Systemd.Source, *f.Procps.Value, c.systemd, c.source, c.procps)
			}
		})
	}
}

// TestPersistWins holds that whatever the files, the wanted values hold under both loaders afterwards.
func TestPersistWins(t *testing.T) {
	for seed := range 400 {
		r := rand.New(rand.NewPCG(uint64(seed), 0))
		state := []snapshot.ModuleState{snapshot.ModuleBuiltIn, snapshot.ModuleLoaded, snapshot.ModuleAbsent}[seed%3]
		in := host(state, randomTree(r))
		wanted := map[string]int64{"max": int64(100000 + seed), "udp_timeout": 45}
		c, err := boot.Persist(in, wanted)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Unmet) > 0 {
			t.Errorf("seed %d: %v not met\n%v", seed, c.Unmet, in.Files)
		}
		again, err := boot.Persist(c.After, wanted)
		if err != nil || len(again.Files) > 0 {
			t.Errorf("seed %d: a second time changes %v, %v", seed, again.Files, err)
		}
	}
}

func TestPersistRefuses(t *testing.T) {
	for _, wanted := range []map[string]int64{{"nonsense": 1}, {"count": 3}, {"max": -1}, {"helper": 1}} {
		if c, err := boot.Persist(host(snapshot.ModuleBuiltIn, nil), wanted); err == nil {
			t.Errorf("%v: accepted as %v", wanted, c.Files)
		}
	}
}

func TestWriters(t *testing.T) {
	in := host(snapshot.ModuleLoaded, map[string]string{
		"/etc/tuned/active_profile": "mine\n", "/etc/tuned/mine/tuned.conf": "[main]\ninclude=base\n[sysctl]\nnet.netfilter.nf_conntrack_max=131072\n",
		"/usr/lib/tuned/base/tuned.conf": "[net]\nnf_conntrack_hashsize=4096\n",
		"/etc/ufw/ufw.conf":              "ENABLED=yes\n", "/etc/ufw/sysctl.conf": "net/netfilter/nf_conntrack_tcp_loose=0\n",
		"/etc/firewalld/firewalld.conf": "CleanupModulesOnExit=yes\n",
		"/etc/rc.local":                 "#!/bin/sh\nsysctl -w net.netfilter.nf_conntrack_acct=1\necho 77 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout\n",
	})
	in.Programs = []snapshot.Program{{Name: "dockerd"}, {Name: "kube-proxy", Args: []string{"kube-proxy", "--conntrack-tcp-timeout-established=2h", "--conntrack-max-per-core", "0"}}}
	got := map[string]string{}
	for _, w := range boot.Writers(in) {
		value := "?"
		if w.Value != nil {
			value = fmt.Sprint(*w.Value)
		}
		got[w.Program+" "+w.Setting] = value
	}
	want := map[string]string{"kube-proxy tcp_timeout_established": "7200", "kube-proxy tcp_timeout_close_wait": "3600", "tuned max": "131072", "tuned buckets": "4096",
		"ufw tcp_loose": "0", "firewalld *": "?", "dockerd *": "?", "rc.local acct": "1", "rc.local udp_timeout": "77"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestKubeProxyMaxByCores(t *testing.T) {
	in := host(snapshot.ModuleLoaded, nil)
	in.CPUs = 8
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"kube-proxy"}, "262144"},
		{[]string{"kube-proxy", "--conntrack-max-per-core=1000", "--conntrack-min", "5000"}, "8000"},
		{[]string{"kube-proxy", "--conntrack-max-per-core=0"}, "none"},
		{[]string{"k3s", "server", "--kube-proxy-arg=conntrack-max-per-core=20000"}, "160000"},
	} {
		in.Programs = []snapshot.Program{{Name: c.args[0], Args: c.args}}
		got := "none"
		for _, w := range boot.Writers(in) {
			if w.Setting == "max" && w.Value != nil {
				got = fmt.Sprint(*w.Value)
			}
		}
		if got != c.want {
			t.Errorf("%v: max %s, want %s", c.args, got, c.want)
		}
	}
}
