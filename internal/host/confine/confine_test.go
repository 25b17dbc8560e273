package confine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ctkeeper/internal/host/confine"
	"ctkeeper/internal/lab"
)

// victim builds the program that confines itself and tries, as ctkeeper is built.
func victim(t *testing.T) string {
	t.Helper()
	lab.Need(t)
	path := filepath.Join(t.TempDir(), "victim")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/victim")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// try runs the victim under rules, and returns what came of each thing that it tried.
func try(t *testing.T, program string, r confine.Rules) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"state/old", "config/c", "elsewhere/secret"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.Write, r.Read = []string{filepath.Join(dir, "state")}, []string{filepath.Join(dir, "config")}
	rules, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	// A process in a network namespace of its own, known by /proc alone.
	other := exec.Command("unshare", "--net", "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait() // killed
	})
	out, err := exec.Command(program, string(rules), dir, strconv.Itoa(other.Process.Pid)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, what, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		got[name] = what
	}
	return got
}

// hold compares what came of it: "" is anything but done, else a part of the text.
func hold(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, what := range want {
		switch {
		case got[name] == "":
			t.Errorf("%s: not tried", name)
		case what == "" && got[name] == "done", what != "" && !strings.Contains(got[name], what):
			t.Errorf("%s: %s, want %q", name, got[name], what)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s, and nothing was expected of it", name, got[name])
		}
	}
}

// TestConfined: a process that watches all namespaces does its work and nothing else, on every thread.
func TestConfined(t *testing.T) {
	got := try(t, victim(t), confine.Rules{Namespaces: true, Execute: []string{"/bin/echo"}, Bind: []uint16{0}, Connect: []uint16{7}})
	hold(t, got, map[string]string{
		"part no_new_privs": "done", "part landlock": "done", "part capabilities": "done", "part seccomp": "done",
		"write where it may": "done", "rename where it may": "done", "read where it may": "done", "read the system's": "done",
		"read the kernel's log": "done", "start a program": "done", "look at namespaces outside": "done", "enter a namespace": "done",
		"listen where it may": "done", "connect where it may": "done", "signal itself": "done",
		"write elsewhere": "permission denied", "write a setting": "permission denied", "write below /etc": "permission denied",
		"read elsewhere": "permission denied", "start another program": "permission denied", "look at namespaces": "permission denied",
		"write outside": "not permitted", "enter a mount space": "not permitted", "make a namespace": "not implemented",
		"make a packet socket": "not permitted", "mount": "not implemented", "trace the parent": "not implemented", "signal the parent": "not permitted",
		"write and run memory": "not permitted", "load a program": "not implemented", "listen elsewhere": "permission denied",
		"connect elsewhere": "permission denied", "old thread writes elsewhere": "permission denied", "new thread writes elsewhere": "permission denied",
		"old thread makes a packet socket": "not permitted", "new thread makes a packet socket": "not permitted",
		// CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN; CAP_SYSLOG.
		"keep other privileges": fmt.Sprintf("%x %[1]x %x", 1<<12|1<<19|1<<21, 1<<(34-32)),
	})
}

// TestConfinedToItsOwn: one that watches its own namespace cannot enter another.
func TestConfinedToItsOwn(t *testing.T) {
	got := try(t, victim(t), confine.Rules{})
	for name, want := range map[string]string{"part landlock": "done", "read the system's": "done", "write where it may": "done",
		"look at namespaces outside": "permission denied", "enter a namespace": "permission denied", "start a program": "permission denied",
		"listen where it may": "permission denied", "connect where it may": "permission denied",
		"keep other privileges": fmt.Sprintf("%x %[1]x %x", 1<<12, 1<<(34-32))} {
		if !strings.Contains(got[name], want) {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
}

func TestCovers(t *testing.T) {
	r := confine.Rules{Namespaces: true, Read: []string{"/a"}, Write: []string{"/s"}, Bind: []uint16{443}, Connect: []uint16{80}}
	for _, less := range []confine.Rules{{}, r, {Read: []string{"/s"}}, {Bind: []uint16{443}}} {
		if !r.Covers(less) {
			t.Errorf("%+v is not covered", less)
		}
	}
	for _, more := range []confine.Rules{{Foreign: true}, {Abstract: true}, {Read: []string{"/b"}}, {Write: []string{"/a"}}, {Sockets: []string{"/s"}},
		{Execute: []string{"/bin/sh"}}, {Bind: []uint16{444}}, {Connect: []uint16{443}}} {
		if r.Covers(more) {
			t.Errorf("%+v is covered", more)
		}
	}
	if (confine.Rules{}).Covers(r) {
		t.Error("nothing covers something")
	}
}
