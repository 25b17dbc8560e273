package boot_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

var trees = flag.Int("boot.trees", 300, "random sets of files to compare with the real loaders")

const systemdSysctl = "/lib/systemd/systemd-sysctl"

// scratchKeys are the keys that exist in the scratch /proc/sys.
func scratchKeys() []string {
	keys := []string{"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/tcp_keepalive_time", "vm/swappiness"}
	for _, s := range settings.All() {
		for _, k := range s.KeysOn(settings.Kernel{Version: settings.V(6, 18)}) {
			if k.Family != settings.Parameter {
				keys = append(keys, strings.TrimPrefix(k.Path(), "/proc/sys/"))
			}
		}
	}
	return keys
}

// needLoaders skips, or under CI=true fails, when the real programs cannot be run.
func needLoaders(t *testing.T) {
	t.Helper()
	why := ""
	if os.Geteuid() != 0 {
		why = "a private mount namespace needs root"
	}
	if _, err := os.Stat(systemdSysctl); err != nil {
		why = "systemd-sysctl is not installed"
	}
	if _, err := exec.LookPath("sysctl"); err != nil {
		why = "procps is not installed"
	}
	if why != "" && os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	if why != "" {
		t.Skip(why)
	}
}

// sandbox calls f on a thread of its own, in a mount namespace whose /proc/sys and sysctl.d directories
// are scratch. The thread is never used again.
func sandbox(t *testing.T, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := enter()
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func enter() error {
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// The test's own files stay reachable: only these places are covered.
	for _, dir := range []string{"/proc/sys", "/etc", "/run", "/usr/local/lib", "/usr/lib/sysctl.d"} {
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", dir, err)
		}
	}
	return nil
}

// tree is a set of files: content by path, links as "-> target".
type tree map[string]string

func (tr tree) input() boot.Input {
	in := boot.Input{Keys: scratchKeys()}
	for name, content := range tr {
		f := snapshot.File{Path: name}
		if target, link := strings.CutPrefix(content, "-> "); link {
			f.Target = target
		} else {
			f.Content = []byte(content)
		}
		in.Files = append(in.Files, f)
	}
	return in
}

func (tr tree) String() string {
	var b strings.Builder
	for name, content := range tr {
		fmt.Fprintf(&b, "%s: %q\n", name, content)
	}
	return b.String()
}

// ask runs one real loader over a tree, and returns what it wrote.
func ask(tr tree, keys []string, program ...string) (map[string]string, error) {
	for _, dir := range []string{"/etc", "/run", "/usr/local/lib", "/usr/lib"} {
		if err := os.RemoveAll(dir + "/sysctl.d/"); err != nil && !errors.Is(err, syscall.EBUSY) {
			return nil, err
		}
		if err := os.MkdirAll(dir+"/sysctl.d", 0o755); err != nil {
			return nil, err
		}
	}
	_ = os.Remove("/etc/sysctl.conf")
	for name, content := range tr {
		err := os.WriteFile(name, []byte(content), 0o644)
		if target, link := strings.CutPrefix(content, "-> "); link {
			_ = os.Remove(name)
			err = os.Symlink(target, name)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, k := range keys {
		if err := os.MkdirAll("/proc/sys/"+path.Dir(k), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile("/proc/sys/"+k, nil, 0o644); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(program[0], program[1:]...)
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState == nil {
		return nil, fmt.Errorf("%v: %w: %s", program, err, out)
	}
	return written(keys)
}

func written(keys []string) (map[string]string, error) {
	got := map[string]string{}
	for _, k := range keys {
		data, err := os.ReadFile("/proc/sys/" + k)
		if err != nil {
			return nil, err
		}
		if first, _, _ := bytes.Cut(data, []byte("\n")); len(first) > 0 {
			got[k] = string(first)
		}
	}
	// systemd and root's procps create files that a real /proc/sys would refuse: they must not stay.
	return got, filepath.WalkDir("/proc/sys", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			return os.Remove(p)
		}
		return err
	})
}

// foretold is Values without the keys that end empty: an empty write changes nothing in the kernel.
func foretold(in boot.Input, loader boot.Loader) map[string]string {
	values := boot.Values(in, loader)
	maps.DeleteFunc(values, func(_, v string) bool { return v == "" })
	return values
}

func TestRandomFilesAsTheRealLoaders(t *testing.T) {
	needLoaders(t)
	sysctl, err := exec.LookPath("sysctl")
	if err != nil {
		t.Fatal(err)
	}
	programs := map[boot.Loader][]string{boot.Systemd: {systemdSysctl}, boot.Procps: {sysctl, "--system"}}
	keys, wrote := scratchKeys(), 0
	sandbox(t, func() error {
		for seed := range *trees {
			tr := randomTree(rand.New(rand.NewPCG(uint64(seed), 0)))
			for loader, program := range programs {
				want, err := ask(tr, keys, program...)
				if err != nil {
					return fmt.Errorf("seed %d: %w\n%v", seed, err, tr)
				}
				wrote += len(want)
				if got := foretold(tr.input(), loader); !maps.Equal(got, want) {
					t.Errorf("seed %d, %s:\nforetold %q\nwritten  %q\n%v", seed, loader, got, want, tr)
				}
			}
			if t.Failed() {
				return nil
			}
		}
		return nil
	})
	if wrote < *trees {
		t.Errorf("%d trees made only %d writes: they show little", *trees, wrote)
	}
	t.Logf("%d trees, %d values compared", *trees, wrote)
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func randomTree(r *rand.Rand) tree {
	tr := tree{}
	for range 1 + r.IntN(6) {
		dir := pick(r, "/etc", "/run", "/usr/local/lib", "/usr/lib")
		name := pick(r, "10-a.conf", "10-b.conf", "50-ct.conf", "9-x.conf", "99-sysctl.conf", "99-z.conf", "Z.conf", "_.conf", ".hidden.conf", ".conf", "plain", "x.conf~", "é.conf")
		file := dir + "/sysctl.d/" + name
		switch r.IntN(10) {
		case 0:
			tr[file] = "-> " + pick(r, "/dev/null", "/nonexistent", "../sysctl.conf", "/etc/sysctl.d/50-ct.conf", "10-a.conf")
		case 1:
			tr[file] = ""
		default:
			tr[file] = randomFile(r)
		}
	}
	if r.IntN(3) > 0 {
		tr["/etc/sysctl.conf"] = randomFile(r)
	}
	return tr
}

func randomFile(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(randomLine(r))
		b.WriteString(pick(r, "\n", "\n", "\n", "\n", "\r\n", "\n\n", "\r", "\n\r", "\x00\n", ""))
	}
	return b.String()
}

func randomLine(r *rand.Rand) string {
	switch r.IntN(14) {
	case 0:
		return pick(r, "# note", "; note", "  # note", "#net.netfilter.nf_conntrack_max=9", "")
	case 1:
		return pick(r, "junk", "=", "= 5", "-", "--", "=x=", "-=7", "net.netfilter", "\ufeffnet.nf_conntrack_max=3", "a", "\t", "\v", " \f ")
	case 2:
		return pick(r, "-", "- ", "") + randomKey(r)
	}
	key := pick(r, "", "", "", "", " ", "\t", "\v") + pick(r, "", "", "", "", "-", "- ", "--") + randomKey(r)
	return key + pick(r, "=", " = ", "\t=\t", "=  ", " =", "==", "= \v") + pick(r, "1", "2", "3", "600", "600.", "65536", "", "1 # c", "\"7\"", "a=b", " x y ") + pick(r, "", "", " ", "\t", "\f")
}

func randomKey(r *rand.Rand) string {
	return pick(r, "net.netfilter.nf_conntrack_max", "net.nf_conntrack_max", "net/netfilter/nf_conntrack_max", "net/nf_conntrack_max",
		"net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_*", "net.netfilter.nf_conntrack_udp_timeout?stream",
		"net.netfilter.nf_conntrack_[mu]*", "net.netfilter.nf_conntrack_[!m]cp_loose", "net/netfilter/*udp*", "net.netfilter..nf_conntrack_acct", "net/netfilter//nf_conntrack_acct",
		"net.netfilter/nf_conntrack_acct", "/net/netfilter/nf_conntrack_acct", "/net.netfilter.nf_conntrack_acct", "net.ipv4.ip_conntrack_max", "net.ipv4.conf.eth0/100.rp_filter",
		"net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.*.rp_filter", "net.ipv4.conf.eth0.rp_filter", "net.*.nf_conntrack_acct", "*.swappiness", "vm.swappiness", "vm/./swappiness",
		"vm.swappiness.", "vm", "net.netfilter.nf_conntrack_[", "net.netfilter. nf_conntrack_acct", "net.netfilter.nf_conntrack_tcp_timeout_*")
}
