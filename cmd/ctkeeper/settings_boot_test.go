package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rootWith writes files of a host below a new directory.
func rootWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func ctkeeper(args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(args, streams{strings.NewReader(""), &stdout, &stderr})
	return code, stdout.String(), stderr.String()
}

const fourFaults = "net.netfilter.nf_conntrack_max=65536.\nnet.netfilter.nf_conntrack_tcp_timeout_established=60\n" +
	"net.ipv4.netfilter.ip_conntrack_max =65536\nnet.ipv4.netfilter.ip_conntrack_tcp_timeout_established =60\n"

// hostFiles are a 6.18 host's: conntrack is there as a module that nothing loads early.
func hostFiles() map[string]string {
	return map[string]string{
		"proc/sys/kernel/osrelease": "6.18.0\n", "proc/meminfo": "MemTotal: 8388608 kB\n", "proc/modules": "nf_conntrack 200704 1 nf_nat, Live 0x0\n",
		"proc/sys/net/netfilter/nf_conntrack_max": "262144\n", "proc/sys/net/netfilter/nf_conntrack_buckets": "262144\n",
		"proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established": "432000\n", "proc/sys/net/netfilter/nf_conntrack_udp_timeout": "30\n",
		"etc/sysctl.d/50-ct.conf":    "net.netfilter.nf_conntrack_max = 111111\n",
		"etc/sysctl.conf":            "net.netfilter.nf_conntrack_max = 222222\n",
		"etc/modules-load.d/ct.conf": "nf_conntrack\n",
	}
}

func TestSettingsLintFile(t *testing.T) {
	root := rootWith(t, hostFiles())
	file := filepath.Join(t.TempDir(), "four.conf")
	if err := os.WriteFile(file, []byte(fourFaults), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := ctkeeper("settings", "lint", file, "--from", root, "--lang", "en")
	if code != 2 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for _, want := range []string{":1:32: not_number_meant: ", "65536 is probably meant", ":2:52: breaks_idle: ", ":3:1: key_family: ", ":4:1: key_family: ", "systemd-sysctl: ", "procps: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code, _, _ := ctkeeper("settings", "lint", file+".absent", "--from", root); code != 3 {
		t.Errorf("a file that is not there: exit %d", code)
	}
}

func TestSettingsLintFix(t *testing.T) {
	root := rootWith(t, hostFiles())
	file := filepath.Join(t.TempDir(), "ct.conf")
	const old, want = "# keep\r\nnet.netfilter.nf_conntrack_max = \"65536\"\r\n", "# keep\r\nnet.netfilter.nf_conntrack_max = 65536\r\n"
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := ctkeeper("settings", "lint", "--fix", file, "--from", root); code != 0 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for name, content := range map[string]string{file: want, file + ".ctkeeper-backup": old} {
		data, err := os.ReadFile(name)
		if err != nil || string(data) != content {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if info, err := os.Stat(name); err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
	}
	if code, _, _ := ctkeeper("settings", "lint", "--fix", "--from", root); code != 3 {
		t.Errorf("--fix of a copied host: exit %d", code)
	}
}

func TestSettingsBoot(t *testing.T) {
	root := rootWith(t, hostFiles())
	code, out, errs := ctkeeper("settings", "boot", "--from", root, "--lang", "en")
	if code != 0 || !strings.Contains(out, "111111") || !strings.Contains(out, "222222") || !strings.Contains(out, "/etc/sysctl.conf:1") {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
	_, out, _ = ctkeeper("settings", "boot", "--from", root, "--format", "json")
	var doc struct {
		Schema   string
		Settings []struct {
			Name            string
			Systemd, Procps struct{ Value int64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Schema != "ctkeeper.boot/1" || len(doc.Settings) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	if m := doc.Settings[0]; m.Name != "max" || m.Systemd.Value != 111111 || m.Procps.Value != 222222 {
		t.Errorf("%+v", m)
	}
}

func TestSettingsLintHost(t *testing.T) {
	root := rootWith(t, hostFiles())
	code, out, _ := ctkeeper("settings", "lint", "--from", root, "--format", "json")
	var doc struct {
		Schema, Severity string
		Problems         []struct{ Code, Text, File string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Schema != "ctkeeper.lint/1" || code != 1 || doc.Severity != "warning" {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	found := map[string]bool{}
	for _, p := range doc.Problems {
		found[p.Code] = true
	}
	if !found["loaders_differ"] || !found["sysctl_conf"] {
		t.Errorf("found %v", found)
	}
}
