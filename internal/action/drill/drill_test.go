package drill_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/drill"
	"ctkeeper/internal/lab"
)

// host is everything of the machine that a rehearsal must leave alone.
func host(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	names, err := filepath.Glob("/proc/sys/net/netfilter/nf_conntrack_*")
	if err != nil || len(names) < 20 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if v, err := os.ReadFile(name); err == nil {
			fmt.Fprintf(&b, "%s %s", name, v)
		}
	}
	for _, args := range [][]string{{"nft", "list", "ruleset"}, {"ip", "-brief", "link"}} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
		b.Write(out)
	}
	return b.String()
}

// held are the network namespaces that processes (a pattern below /proc) live in, hold open or have mounted.
func held(t *testing.T, processes string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, pattern := range []string{"ns/net", "task/*/ns/net", "fd/*"} {
		links, err := filepath.Glob(filepath.Join("/proc", processes, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			if ns, err := os.Readlink(link); err == nil && strings.HasPrefix(ns, "net:[") {
				all[ns] = true
			}
		}
	}
	mounts, err := filepath.Glob(filepath.Join("/proc", processes, "mountinfo"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range mounts {
		text, _ := os.ReadFile(name) // the process may have ended
		for _, field := range strings.Fields(string(text)) {
			if strings.HasPrefix(field, "net:[") {
				all[field] = true
			}
		}
	}
	return all
}

func TestRehearsal(t *testing.T) {
	lab.Need(t)
	lab.Lock(t)
	before := host(t)
	var steps []drill.Step
	r, err := drill.Run(t.Context(), func(s drill.Step) { steps = append(steps, s) })
	if err != nil {
		t.Fatal(err)
	}
	if !r.AsTold() || r.Deleted < uint64(r.Max)*9/10 || r.Count > 1000 || r.LogLines == nil || *r.LogLines+r.LogUnnamed == 0 || *r.LogLines > r.Drop || len(steps) != 7 || r.Verdict != "table_full" || r.Cured == "table_full" {
		t.Errorf("%v %+v", steps, r)
	}
	if !strings.Contains(r.Full.Error, "timeout") || *r.LogLines > 0 && !strings.Contains(r.LogLine, "table full") {
		t.Errorf("an application sees %q, the log says %q", r.Full.Error, r.LogLine)
	}
	if after := host(t); after != before {
		t.Errorf("the host changed:\n%s\nwas\n%s", after, before)
	}
}

func TestInterrupted(t *testing.T) {
	lab.Need(t)
	lab.Lock(t)
	before := host(t)
	ctx, stop := context.WithCancel(t.Context())
	_, err := drill.Run(ctx, func(s drill.Step) {
		if s == drill.Fill {
			time.AfterFunc(100*time.Millisecond, stop)
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if after := host(t); after != before {
		t.Errorf("the host changed:\n%s\nwas\n%s", after, before)
	}
}

// TestKilled ends a rehearsal's process in the middle of its filling.
func TestKilled(t *testing.T) {
	if os.Getenv("CTKEEPER_DRILL_VICTIM") != "" {
		_, err := drill.Run(context.Background(), func(s drill.Step) { os.Stdout.WriteString(string(s) + "\n") })
		t.Fatal("ended by itself: ", err)
	}
	lab.Need(t)
	lab.Lock(t)
	before := host(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "CTKEEPER_DRILL_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := ""
	for b := make([]byte, 256); !strings.Contains(said, "fill"); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatal(said, err)
		}
		said += string(b[:n])
	}
	time.Sleep(100 * time.Millisecond)
	made := held(t, fmt.Sprint(cmd.Process.Pid))
	for ns := range held(t, "self") {
		delete(made, ns)
	}
	if len(made) != 2 {
		t.Errorf("the rehearsal holds the namespaces %v", made)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	left := held(t, "[0-9]*")
	for ns := range made {
		if left[ns] {
			t.Errorf("%s outlived its process", ns)
		}
	}
	if after := host(t); after != before {
		t.Errorf("the host changed:\n%s\nwas\n%s", after, before)
	}
}
