package ctnetlink

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// needRoot skips, and in CI fails, without the right to make namespaces. The laboratory has it too, but imports this package.
func needRoot(t *testing.T) {
	t.Helper()
	if unix.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("not root, which making a namespace needs")
	}
	t.Skip("not root, which making a namespace needs")
}

// TestAKernelThatIgnoresAPartIsFoundOut sends flushes as a kernel would see them that lacks a part of the
// filter: each time the samples must tell.
func TestAKernelThatIgnoresAPartIsFoundOut(t *testing.T) {
	needRoot(t)
	for _, c := range []struct {
		text   string
		forget func(*kernelFilter)
	}{
		{"ipv4", func(k *kernelFilter) { k.family = 0 }}, // as one that ignores the family: all goes
		{"mark 5", func(k *kernelFilter) { k.exact.Mark = nil }},
		{"mark 5", func(k *kernelFilter) { k.exact.MarkMask = 1 }},
		{"mark 5 and zone 1", func(k *kernelFilter) { k.exact.Zone = nil }},
		{"zone 0 and assured", func(k *kernelFilter) { k.exact.StatusMask = 0 }},
		{"not assured", func(k *kernelFilter) { k.exact.StatusMask |= flow.SeenReply }},
		{"udp", func(k *kernelFilter) { k.compare = 0 }},
		{"ipv6 and tcp", func(k *kernelFilter) { k.compare = 0 }},
		{"zone 7", func(k *kernelFilter) { *k.exact.Zone = 6 }},
	} {
		f, err := filter.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		parts := flushParts(f)
		for i := range parts {
			c.forget(&parts[i])
		}
		if err := apart(func() error { return tryFlush(t.Context(), f, parts) }); err == nil {
			t.Errorf("%q, something of it forgotten, passed for proven", c.text)
		}
	}
}
