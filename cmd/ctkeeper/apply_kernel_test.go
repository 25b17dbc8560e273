package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

func TestSetInAnotherNamespaceAndBack(t *testing.T) {
	ns := lab.NewNamespace(t)
	const key = "net/netfilter/nf_conntrack_tcp_timeout_established"
	read := func() string {
		v, err := ns.Sysctl(key)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	host, err := os.ReadFile("/proc/sys/" + key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, errs, code := command("", "settings", "set", "tcp_timeout_established=777", "--netns", ns.Name, "--yes", "--state-dir", dir); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if got := read(); got != "777" {
		t.Errorf("the namespace reads %s", got)
	}
	if now, _ := os.ReadFile("/proc/sys/" + key); string(now) != string(host) {
		t.Errorf("the host reads %s, was %s", now, host)
	}
	if out, errs, code := command("", "undo", "--yes", "--state-dir", dir); code != 0 || read() != "432000" {
		t.Errorf("undo: exit %d, the namespace reads %s\n%s%s", code, read(), out, errs)
	}
}

func TestApplyAsksFirst(t *testing.T) {
	ns := lab.NewNamespace(t)
	out, errs, code := command("", "apply", "--set", "tcp_timeout_close=11", "--netns", ns.Name, "--state-dir", t.TempDir())
	if v, _ := ns.Sysctl("net/netfilter/nf_conntrack_tcp_timeout_close"); code != 1 || v != "10" || !strings.Contains(errs, "--yes") || !strings.Contains(out, "10 s → 11 s") {
		t.Errorf("exit %d, value %s\n%s%s", code, v, out, errs)
	}
}

// persisted runs the real program in a mount namespace whose /etc is a scratch copy, so that nothing of this
// machine's changes but one timeout, which undo restores.
const persisted = `set -e
mount --make-rprivate /
S=$1; P=$2
cp -a /etc $S/etc
mount --bind $S/etc /etc
echo 'net.netfilter.nf_conntrack_tcp_timeout_close = 9' > /etc/sysctl.conf
chmod 640 /etc/sysctl.conf
look() { find /etc -type f -print0 | sort -z | xargs -0 stat -c '%n %a %u %g %s'; find /etc -type f -print0 | sort -z | xargs -0 md5sum; }
look > $S/before
$P apply --set tcp_timeout_close=11 --yes --state-dir $S/state
cat /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close
cat /etc/sysctl.d/zz-ctkeeper.conf
$P settings boot --format json | tr -d ' \n' | grep -o '"name":"tcp_timeout_close".*' | head -c 400
$P undo --yes --state-dir $S/state
look > $S/after
cmp $S/before $S/after
cat /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close
`

func TestApplyPersistsOnARealHost(t *testing.T) {
	lab.Lock(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "ctkeeper")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.Command("unshare", "--mount", "sh", "-c", persisted, "sh", dir, program).CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, part := range []string{"read back", "\n11\n", "net.netfilter.nf_conntrack_tcp_timeout_close = 11", `"value":11`, "as it was before"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
	if !strings.HasSuffix(text, "\n10\n") {
		t.Errorf("the timeout was not put back:\n%s", text)
	}
}
