package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func pair(t *testing.T) (a, b *End) {
	t.Helper()
	a = &End{NS: NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24"), netip.MustParsePrefix("fd09::1/64")}}
	b = &End{NS: NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24"), netip.MustParsePrefix("fd09::2/64")}}
	Veth(t, a, b)
	return a, b
}

func TestNamespaceIsItsOwnAndGoes(t *testing.T) {
	Need(t)
	ns, err := Create("test")
	if err != nil {
		t.Fatal(err)
	}
	var inside, outside string
	outside, _ = os.Readlink(selfNet)
	ns.Do(func() { inside, _ = os.Readlink(selfNet) })
	if inside == outside || inside == "" {
		t.Errorf("inside %q, outside %q", inside, outside)
	}
	if now, _ := os.Readlink(selfNet); now != outside {
		t.Errorf("after Do the thread is in %q, not %q", now, outside)
	}
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ns.Path); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", ns.Path, err)
	}
}

func TestSweepRemovesWhatADeadProcessLeft(t *testing.T) {
	Need(t)
	left, err := Create("dead")
	if err != nil {
		t.Fatal(err)
	}
	// What a kill leaves: the mount and the owner's file, without its lock.
	_ = left.file.Close()
	_ = left.owner.Close()
	left.file, left.owner = nil, nil
	NewNamespace(t)
	if _, err := os.Stat(left.Path); !os.IsNotExist(err) {
		t.Errorf("%s was not swept: %v", left.Path, err)
	}
}

func TestPacketsOfEveryKindAreTracked(t *testing.T) {
	a, b := pair(t)
	if err := Track(b.NS, TrackOptions{Silent: true}); err != nil {
		t.Fatal(err)
	}
	w := NewWire(t, a, b)
	v4, v6 := netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")
	s4, s6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7")
	packets := [][]byte{
		TCP(netip.AddrPortFrom(s4, 1000), netip.AddrPortFrom(v4, 80), Segment{Flags: SYN, Seq: 1}),
		UDP(netip.AddrPortFrom(s4, 1001), netip.AddrPortFrom(v4, 53), []byte("odd")),
		Ping(s4, v4, 7, 1),
		TCP(netip.AddrPortFrom(s6, 1000), netip.AddrPortFrom(v6, 80), Segment{Flags: SYN, Seq: 1}),
		UDP(netip.AddrPortFrom(s6, 1001), netip.AddrPortFrom(v6, 53), nil),
		Ping(s6, v6, 7, 1),
	}
	if n, err := w.Send(packets...); n != len(packets) || err != nil {
		t.Fatalf("sent %d: %v", n, err)
	}
	want := "6"
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		got, err := b.NS.Sysctl("net/netfilter/nf_conntrack_count")
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("count is %s, want %s", got, want)
		}
	}
}

func TestMachineRestores(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	write(t, filepath.Join(root, Max), "100")
	m, err := lockAt(t.Context(), dir, root, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"5", "6"} {
		if err := m.Set(Max, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Set("net/core/somaxconn", "1"); err == nil {
		t.Error("a key that is not shared was set")
	}
	if err := m.Unlock(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(root, Max)); got != "100" {
		t.Errorf("max is %s after Unlock", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
