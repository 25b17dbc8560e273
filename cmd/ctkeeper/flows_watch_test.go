package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// bustle makes events of every kind.
func bustle(t *testing.T, w *lab.Wire, ns *lab.Namespace) {
	t.Helper()
	host, near := netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("198.51.100.1")
	at := func(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
	if _, err := w.Send(
		lab.TCP(at(near, 1000), at(host, 80), lab.Segment{Flags: lab.SYN, Seq: 5}),
		lab.UDP(at(near, 1001), at(host, 53), []byte("q")),
		lab.Ping(near, host, 7, 1),
	); err != nil {
		t.Fatal(err)
	}
	mix := lab.Mix{Established: 50, SynSent: 20, IPv6: 30, Timeout: 300}
	lab.Fill(t, ns, 20, mix)
	mix.Mark = 5
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if res, err := c.Update(t.Context(), lab.Flows(20, mix), ctnetlink.ChangeOptions{Fields: flow.HasMark}); err != nil || res.Done != 20 {
		t.Errorf("%+v, %v", res, err)
	}
	ns.Do(func() {
		if out, err := exec.Command("conntrack", "-D", "-p", "udp").CombinedOutput(); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}

// toolEvents follows events with the conntrack tool until stop is called, which gives what it printed.
func toolEvents(t *testing.T, ns *lab.Namespace, args ...string) (stop func() string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "events")
	if err != nil {
		t.Fatal(err)
	}
	tool := exec.Command("conntrack", append([]string{"-E"}, args...)...)
	tool.Stdout = file
	ns.Do(func() { err = tool.Start() })
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		if err := tool.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_ = tool.Wait()
		out, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
}

// listening waits until n programs listen for events in the namespace.
func listening(t *testing.T, ns *lab.Namespace, n int) {
	t.Helper()
	for range 1000 {
		var text []byte
		ns.Do(func() { text, _ = os.ReadFile("/proc/thread-self/net/netlink") })
		have := 0
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // sk, protocol, port, groups, …
			if len(f) > 3 && f[1] == "12" && strings.Trim(f[3], "0") != "" {
				have++
			}
		}
		if have >= n {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("no %d programs listen", n)
}

// watched is what a watch of two seconds says while there is bustle.
func watched(t *testing.T, w *lab.Wire, ns *lab.Namespace, listeners int, args ...string) (out, errs string, code int) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		out, errs, code = command("", append([]string{"flows", "watch", "--netns", ns.Path, "--for", "2s"}, args...)...)
		close(done)
	}()
	listening(t, ns, listeners)
	bustle(t, w, ns)
	<-done
	return out, errs, code
}

// sortedLines are the lines in an order of their own: two listeners may see what two processors did in
// another order.
func sortedLines(text string) string {
	lines := strings.Split(program.ReplaceAllString(text, ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// program is the name of who made an event, which is told only while the program runs.
var program = regexp.MustCompile(` progname=\S+`)

func TestWatchPrintsWhatTheConntrackToolPrints(t *testing.T) {
	w, ns := lab.Tracked(t)
	stop := toolEvents(t, ns)
	out, errs, code := watched(t, w, ns, 2, "--format", "conntrack")
	want := stop()
	a, b := sortedLines(out), sortedLines(want)
	if code != 0 || a != b || !strings.Contains(a, "[DESTROY]") || !strings.Contains(a, "[UPDATE]") || !strings.Contains(errs, "events seen") {
		t.Errorf("exit %d, %s\nhere:\n%s\nthe conntrack tool:\n%s", code, errs, a, b)
	}
}

func TestWatchWritesOneDocument(t *testing.T) {
	w, ns := lab.Tracked(t)
	out, errs, code := watched(t, w, ns, 1, "--format", "json", "--events", "new,destroy", "-p", "udp")
	var d struct {
		Schema string
		Events []struct {
			Event string
			Flow  struct{ Proto string }
		}
		Counts struct{ Seen, Lost, Filtered, Written uint64 }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 || errs != "" {
		t.Fatalf("exit %d, %s, %v:\n%s", code, errs, err, out)
	}
	kinds := map[string]int{}
	for _, e := range d.Events {
		kinds[e.Event+" "+e.Flow.Proto]++
	}
	if d.Schema != "ctkeeper.watch/1" || len(kinds) != 2 || kinds["new udp"] == 0 || kinds["new udp"] != kinds["destroy udp"] ||
		d.Counts.Written != uint64(len(d.Events)) || d.Counts.Seen != d.Counts.Written+d.Counts.Filtered {
		t.Errorf("%v, %+v", kinds, d.Counts)
	}
}

// talkFTP makes the FTP helper of a namespace expect two data connections.
func talkFTP(ns *lab.Namespace) error {
	return ns.Run(func() error {
		for _, args := range []string{
			`add table ip t`, `add ct helper ip t f { type "ftp" protocol tcp; }`,
			`add chain ip t o { type filter hook output priority 0; }`, `add rule ip t o tcp dport 2121 ct helper set "f"`,
		} {
			if out, err := exec.Command("nft", args).CombinedOutput(); err != nil {
				return fmt.Errorf("nft %s: %w: %s", args, err, out)
			}
		}
		l, err := net.Listen("tcp4", "127.0.0.1:2121")
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }()
		c, err := net.Dial("tcp4", "127.0.0.1:2121")
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		s, err := l.Accept()
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		for _, line := range []string{"USER x\r\n", "PORT 127,0,0,1,40,1\r\n", "PORT 127,0,0,1,40,2\r\n"} {
			if _, err := io.WriteString(c, line); err != nil {
				return err
			}
			if _, err := io.ReadFull(s, make([]byte, len(line))); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestWatchPrintsExpectations(t *testing.T) {
	ns := lab.NewNamespace(t)
	if err := lab.LinkUp(ns, "lo"); err != nil {
		t.Fatal(err)
	}
	stop := toolEvents(t, ns, "expect")
	talked := make(chan error, 1)
	go func() {
		listening(t, ns, 2)
		talked <- talkFTP(ns)
	}()
	out, errs, code := command("", "flows", "watch", "--netns", ns.Path, "--events", "expect", "--for", "2s", "--format", "conntrack")
	if err := <-talked; err != nil {
		t.Fatal(err)
	}
	want := stop()
	if code != 0 || out != want || !strings.Contains(out, "helper=ftp") {
		t.Errorf("exit %d, %s\nhere:\n%s\nthe conntrack tool:\n%s", code, errs, out, want)
	}
}
