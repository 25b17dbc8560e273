package settings

import (
	"errors"
	"testing"
)

func TestLookupTakesAnySpelling(t *testing.T) {
	for spelling, want := range map[string]string{
		"max":                                                   "max",
		"net.netfilter.nf_conntrack_max":                        "max",
		"net/netfilter/nf_conntrack_max":                        "max",
		"/proc/sys/net/netfilter/nf_conntrack_max":              "max",
		"net.nf_conntrack_max":                                  "max",
		"net.ipv4.netfilter.ip_conntrack_max":                   "max",
		"net.ipv4.ip_conntrack_max":                             "max",
		"nf_conntrack_max":                                      "max",
		"ip_conntrack_max":                                      "max",
		"hashsize":                                              "buckets",
		"nf_conntrack.hashsize":                                 "buckets",
		"/sys/module/nf_conntrack/parameters/hashsize":          "buckets",
		"tcp_timeout_established":                               "tcp_timeout_established",
		" net.ipv4.netfilter.ip_conntrack_tcp_timeout_close ":   "tcp_timeout_close",
		"net.ipv4.netfilter.ip_conntrack_tcp_timeout_syn_sent2": "tcp_timeout_syn_sent2",
		"net.netfilter.nf_flowtable_tcp_timeout":                "flowtable_tcp_timeout",
	} {
		s, ok := Lookup(spelling)
		if !ok || s.Name != want {
			t.Errorf("Lookup(%q) = %q, %v; want %q", spelling, s.Name, ok, want)
		}
	}
	for _, unknown := range []string{"", "nf_conntrack_", "net.netfilter.nf_conntrack_maxx", "net.core.somaxconn", "."} {
		if s, ok := Lookup(unknown); ok {
			t.Errorf("Lookup(%q) found %q", unknown, s.Name)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	names, keys := map[string]bool{}, map[string]string{}
	for _, s := range All() {
		if names[s.Name] {
			t.Errorf("%s stands twice", s.Name)
		}
		names[s.Name] = true
		if len(s.Keys) == 0 || s.Unit == "" || s.Scope == "" || s.Effect == "" || s.Advice == "" {
			t.Errorf("%s: incomplete: %+v", s.Name, s)
		}
		for _, k := range s.Keys {
			if other, ok := keys[k.Name]; ok {
				t.Errorf("key %s belongs to %s and %s", k.Name, other, s.Name)
			}
			keys[k.Name] = s.Name
		}
	}
}

func TestTwinAndNearest(t *testing.T) {
	if k, ok := Twin("net.ipv4.netfilter.ip_conntrack_max"); !ok || k.Name != "net.netfilter.nf_conntrack_max" {
		t.Errorf("modern twin: %v, %v", k, ok)
	}
	if k, ok := Twin("net.netfilter.nf_conntrack_tcp_timeout_close"); !ok || k.Name != "net.ipv4.netfilter.ip_conntrack_tcp_timeout_close" {
		t.Errorf("legacy twin: %v, %v", k, ok)
	}
	if k, ok := Twin("net.netfilter.nf_conntrack_tcp_timeout_unacknowledged"); ok {
		t.Errorf("a twin that never was: %v", k)
	}
	for wrong, want := range map[string]string{
		"net.netfilter.nf_conntrack_tcp_timeout_establish": "net.netfilter.nf_conntrack_tcp_timeout_established",
		"net.netfilter.nf_contrack_max":                    "net.netfilter.nf_conntrack_max",
		"tcp_timeout_timewait":                             "tcp_timeout_time_wait",
	} {
		if got, ok := Nearest(wrong); !ok || got != want {
			t.Errorf("Nearest(%q) = %q, %v; want %q", wrong, got, ok, want)
		}
	}
	if got, ok := Nearest("kernel.panic"); ok {
		t.Errorf("Nearest(kernel.panic) = %q", got)
	}
}

func TestDefaultsByKernel(t *testing.T) {
	kernel := func(release string) Kernel {
		k, ok := ParseKernel(release)
		if !ok {
			t.Fatalf("ParseKernel(%q)", release)
		}
		return k
	}
	const gib = 1 << 30
	for _, c := range []struct {
		release, name string
		memory        uint64
		want          int64
	}{
		{"6.18.44-fc", "tcp_timeout_established", 0, 432000},
		{"6.18.44-fc", "udp_timeout_stream", 0, 120},
		{"4.19.0-25-amd64", "udp_timeout_stream", 0, 180},
		{"3.10.0-1160.el7.x86_64", "udp_timeout_stream", 0, 180},
		{"6.18.44", "events", 0, 2},
		{"5.10.0-8", "events", 0, 1},
		{"6.12.1", "sctp_timeout_established", 0, 210},
		{"5.15.0", "sctp_timeout_established", 0, 432000},
		{"4.4.0", "helper", 0, 1},
		{"4.9.0", "helper", 0, 0},
		{"6.18.44", "max", 24 * gib, 262144},
		{"6.18.44", "buckets", 24 * gib, 262144},
		{"6.18.44", "expect_max", 24 * gib, 4096},
		{"6.1.0", "max", 512 << 20, 4096},
		{"5.10.0", "max", 512 << 20, 16384},
		{"5.10.0", "buckets", 512 << 20, 4096},
		{"5.10.0", "max", 16 * gib, 262144},
		{"5.10.0", "buckets", 16 * gib, 65536},
		{"3.10.0", "max", 16 * gib, 65536},
		{"3.10.0-1160.el7.x86_64", "max", 16 * gib, 262144},
		{"5.15.0", "max", 2 * gib, 65536},
	} {
		s, _ := Lookup(c.name)
		if got, ok := s.Default(kernel(c.release), c.memory); !ok || got != c.want {
			t.Errorf("%s: default of %s with %d MiB = %d, %v; want %d", c.release, c.name, c.memory>>20, got, ok, c.want)
		}
	}
	for _, c := range []struct{ release, name string }{{"6.18.44", "helper"}, {"5.0.0", "gre_timeout"}, {"5.12.0", "tcp_ignore_invalid_rst"}, {"6.18.44", "dccp_loose"}} {
		s, _ := Lookup(c.name)
		if v, ok := s.Default(kernel(c.release), 0); ok {
			t.Errorf("%s has no %s, but it has default %d", c.release, c.name, v)
		}
	}
	if got := kernel("6.18.44").MaxOfHashsize(16384); got != 131072 {
		t.Errorf("max of hashsize=16384 is %d", got)
	}
	for _, bad := range []string{"", "x", "6", "-1.2", "6.x"} {
		if k, ok := ParseKernel(bad); ok {
			t.Errorf("ParseKernel(%q) = %v", bad, k)
		}
	}
}

func TestAcceptNamesTheRange(t *testing.T) {
	s, _ := Lookup("tcp_timeout_established")
	k := Kernel{Version: V(6, 18), HZ: 250}
	if v, err := s.Accept(k, "8589934"); err != nil || v != 8589934 {
		t.Errorf("the largest timeout: %d, %v", v, err)
	}
	_, err := s.Accept(k, "8589935")
	var refused *RefusedError
	if !errors.As(err, &refused) || !refused.Number || refused.High != 8589934 {
		t.Errorf("beyond the range: %v", err)
	}
	for v, want := range map[int64]bool{-1: false, 0: false, 1: true, 432000: true} {
		if got := s.Sane(v); got != want {
			t.Errorf("Sane(%d) = %v", v, got)
		}
	}
	b, _ := Lookup("buckets")
	if v, err := b.Accept(k, "65537"); err != nil || v != 66048 {
		t.Errorf("buckets are rounded up to a page: %d, %v", v, err)
	}
}

func TestGuess(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       int64
		ok         bool
	}{
		{"max", "65536.", 65536, true}, {"max", "65536.0", 65536, true}, {"max", `"65536"`, 65536, true},
		{"max", "1 000 000", 1000000, true}, {"max", "1,000,000", 1000000, true}, {"max", "256k", 262144, true},
		{"max", "1M", 1048576, true}, {"max", "+7", 7, true}, {"tcp_timeout_established", "1d", 86400, true},
		{"tcp_timeout_established", "2h", 7200, true}, {"tcp_loose", "1k", 0, false}, {"max", "lots", 0, false}, {"max", "", 0, false},
	} {
		s, _ := Lookup(c.name)
		if got, ok := s.Guess(c.text); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: Guess(%q) = %d, %v; want %d, %v", c.name, c.text, got, ok, c.want, c.ok)
		}
	}
}
