package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
)

const closeTimeout = "net/netfilter/nf_conntrack_tcp_timeout_close"

// until waits for a namespace's value.
func until(t *testing.T, ns *lab.Namespace, want string, within time.Duration) {
	t.Helper()
	var got string
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		if got, err = ns.Sysctl(closeTimeout); err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
	}
	t.Fatalf("the namespace reads %s, not %s", got, want)
}

// ended waits until no watcher works in a state directory any more: it writes there after the value is back.
func ended(t *testing.T, dir string) {
	for range 1000 {
		mine := false
		all, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			text, _ := os.ReadFile(path) // a process that is gone has none
			mine = mine || strings.Contains(string(text), "--"+watchFlag+"\x00--state-dir\x00"+dir+"\x00")
		}
		if !mine {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the watcher does not end")
}

// waiting starts a real apply in a namespace that waits for its confirmation.
func waiting(t *testing.T, ns *lab.Namespace, dir, within string) *exec.Cmd {
	t.Helper()
	t.Cleanup(func() { ended(t, dir) })
	program := filepath.Join(t.TempDir(), "ctkeeper")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "apply", "--set", "tcp_timeout_close=11", "--netns", ns.Name, "--yes", "--state-dir", dir, "--confirm-within", within)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, ns, "11", 20*time.Second)
	time.Sleep(300 * time.Millisecond) // the journal says by now that it waits
	return cmd
}

func TestUnconfirmedIsPutBackThoughItsProcessDied(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "hang-up": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			ns := lab.NewNamespace(t)
			cmd := waiting(t, ns, t.TempDir(), "3s")
			// The whole process group: a terminal's end takes all that belongs to it.
			if err := syscall.Kill(-cmd.Process.Pid, sig); err != nil {
				t.Fatal(err)
			}
			until(t, ns, "10", 20*time.Second)
			_ = cmd.Wait()
		})
	}
}

func TestConfirmedStaysThoughItsProcessDied(t *testing.T) {
	ns, dir := lab.NewNamespace(t), t.TempDir()
	cmd := waiting(t, ns, dir, "6s")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if out, errs, code := command("", "apply", "--confirm", "--state-dir", dir); code != 0 {
		t.Fatalf("confirm: exit %d\n%s%s", code, out, errs)
	}
	time.Sleep(7 * time.Second)
	until(t, ns, "11", time.Second)
}

func TestUndoSaysThatTheNamespaceIsGone(t *testing.T) {
	ns, dir := lab.NewNamespace(t), t.TempDir()
	if out, errs, code := command("", "settings", "set", "tcp_timeout_close=11", "--netns", ns.Name, "--yes", "--state-dir", dir); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if out, err := exec.Command("ip", "netns", "del", ns.Name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	host, _ := os.ReadFile("/proc/sys/" + closeTimeout)
	out, errs, code := command("", "undo", "--yes", "--state-dir", dir)
	if code != 1 || !strings.Contains(errs, "not put back") || strings.Contains(out+errs, "everything is as it was") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if now, _ := os.ReadFile("/proc/sys/" + closeTimeout); string(now) != string(host) {
		t.Errorf("the host reads %s, was %s", now, host)
	}
}
