// Package lab is the laboratory of the kernel tests and of the drill: throwaway network namespaces, veth
// pairs, raw packets, tables filled through ctnetlink, and a machine-wide lock over what the kernel
// shares between namespaces.
//
// Plain functions return errors and stand under the drill; those that take a [TB] are for tests:
// they end the test on an error and clean up after it. Everything happens in namespaces made here; what
// is global to the machine (max, buckets, the log's rate limit) is only changed through a [Machine] that
// holds the lock, and put back, if need be by the next holder.
//
// The lab runs no other program.
package lab

import (
	"os"
)

// Need skips the test with the reason when this machine cannot run kernel tests, and fails it when the
// environment says CI=true: there a skip would hide that nothing was tested.
func Need(t TB) {
	t.Helper()
	why := Unable()
	switch {
	case why == "":
		return
	case os.Getenv("CI") == "true":
		t.Fatalf("a kernel test cannot run here: %s", why)
	default:
		t.Skipf("kernel test: %s", why)
	}
}

// Unable says why this process cannot use the lab, or "" when it can.
func Unable() string {
	if os.Geteuid() != 0 {
		return "not root"
	}
	if _, err := os.Stat("/proc/sys/net/netfilter/nf_conntrack_max"); err != nil {
		return "this kernel has no nf_conntrack (or its module is not loaded)"
	}
	if _, err := os.Stat("/proc/thread-self/ns/net"); err != nil {
		return "this kernel has no network namespaces"
	}
	return ""
}
