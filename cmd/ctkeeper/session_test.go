package main

import (
	"slices"
	"testing"

	"ctkeeper/internal/action/flows"
)

func TestSSHPeer(t *testing.T) {
	for text, want := range map[string][]string{
		"203.0.113.7 50000 192.0.2.1 22":     {"203.0.113.7"},
		"::ffff:203.0.113.7 50000 ::1 22":    {"203.0.113.7"},
		"fe80::1%eth0 50000 fe80::2%eth0 22": {"fe80::1"},
		"2001:db8::7 50000 2001:db8::1 22":   {"2001:db8::7"},
		"":                                   nil, "x y": nil, " 10.0.0.1 1 2 3": nil,
	} {
		if got := sshPeer(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestProtectedIsAFilter(t *testing.T) {
	all, err := flows.Always([]string{"2001:db8::7", "203.0.113.7", "203.0.113.7"})
	var got []string
	for _, f := range all {
		got = append(got, f.String())
	}
	if want := []string{"addr 127.0.0.0/8", "addr ::1", "addr 2001:db8::7", "addr 203.0.113.7"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}
