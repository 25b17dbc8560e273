package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAddressesAfterNATOptions(t *testing.T) {
	for line, want := range map[string]string{
		"flows list -n 192.0.2.1":              "flows list --src-nat=192.0.2.1",
		"flows list -g -p tcp":                 "flows list -g -p tcp",
		"flows top -j 10.0.0.0/8 -n":           "flows top --any-nat=10.0.0.0/8 -n",
		"flows list --dst-nat 2001:db8::1 tcp": "flows list --dst-nat=2001:db8::1 tcp",
		"flows list -n src 192.0.2.1":          "flows list -n src 192.0.2.1",
		"flows list -n=192.0.2.1":              "flows list -n=192.0.2.1",
		"explain -n 192.0.2.1":                 "explain -n 192.0.2.1",
		"flows delete -g fe80::1 -n 192.0.2.7": "flows delete --dst-nat=fe80::1 --src-nat=192.0.2.7",
		"flows":                                "flows",
	} {
		if got := joinAddresses(strings.Fields(line)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q: %q", line, got)
		}
	}
	if got := joinAddresses(nil); got != nil {
		t.Errorf("%q", got)
	}
}
