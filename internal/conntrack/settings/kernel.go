package settings

import (
	"fmt"
	"strings"
)

// Version is a kernel's x.y, ordered.
type Version uint32

// V makes a Version.
func V(major, minor int) Version { return Version(major<<16 | minor) }

// String is the version as people write it.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v>>16, v&0xffff) }

// Kernel is what of a kernel decides names, defaults and ranges. Stable series carry back-ports, so it
// explains and serves offline analysis; on a live host the keys that exist are asked for.
type Kernel struct {
	Version Version
	// EL7 marks Red Hat's 3.10, which carries much of 4.x.
	EL7 bool
	// HZ is the tick rate, which bounds timeouts; 0 means not known and 1000 is assumed, the strictest.
	HZ int
	// PageSize and Bits decide the default sizes; 0 means 4096 and 64.
	PageSize, Bits int
}

// ParseKernel reads `uname -r`: "6.18.44-fc", "3.10.0-1160.el7.x86_64".
func ParseKernel(release string) (Kernel, bool) {
	var major, minor int
	if n, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || n != 2 || major < 2 || minor < 0 || minor > 0xffff || major > 99 {
		return Kernel{}, false
	}
	v := V(major, minor)
	if v == V(2, 6) || v == V(2, 4) {
		return Kernel{Version: v}, true
	}
	return Kernel{Version: v, EL7: v == V(3, 10) && strings.Contains(release, ".el7")}, true
}

// Known reports whether the kernel's version is known.
func (k Kernel) Known() bool { return k.Version != 0 }

func (k Kernel) bits() int {
	if k.Bits == 0 {
		return 64
	}
	return k.Bits
}

func (k Kernel) pageSize() int64 {
	if k.PageSize == 0 {
		return 4096
	}
	return int64(k.PageSize)
}

func (k Kernel) hz() int64 {
	if k.HZ == 0 {
		return 1000
	}
	return int64(k.HZ)
}

// within reports whether the kernel lies in [since, until); a zero bound is open. An unknown kernel lies
// in every range that reaches to the newest.
func (k Kernel) within(since, until Version) bool {
	if !k.Known() {
		return until == 0
	}
	return k.Version >= since && (until == 0 || k.Version < until)
}

// DefaultBuckets is the size of the hash table that this kernel chooses for a machine with so much memory
// (kernel-model.md §C.6; nf_conntrack_init_start in nf_conntrack_core.c).
func (k Kernel) DefaultBuckets(memory uint64) int64 {
	const gib = 1 << 30
	n := int64(memory / 16384 / uint64(k.bits()/8))
	modern := !k.Known() || k.Version >= V(5, 15)
	switch {
	case modern && k.bits() == 64 && memory > 4*gib:
		n = 262144
	case modern && memory > gib, !modern && memory > 4*gib && (k.EL7 || k.Version >= V(4, 4)):
		n = 65536
	case !modern && memory > gib:
		n = 16384
	}
	if modern {
		n = max(n, 1024)
	}
	return k.RoundBuckets(max(n, 32))
}

// RoundBuckets is the number of buckets that the kernel makes of a wish: whole pages of list heads.
func (k Kernel) RoundBuckets(n int64) int64 {
	per := k.pageSize() / int64(k.bits()/8)
	return (n + per - 1) / per * per
}

// DefaultMax is nf_conntrack_max after boot with the default number of buckets.
func (k Kernel) DefaultMax(memory uint64) int64 {
	if k.Known() && k.Version < V(5, 15) {
		return 4 * k.DefaultBuckets(memory)
	}
	return k.DefaultBuckets(memory)
}

// MaxOfHashsize is nf_conntrack_max when the module is loaded with hashsize=n: 8 a bucket on every kernel.
func (k Kernel) MaxOfHashsize(n int64) int64 { return 8 * k.RoundBuckets(n) }

// DefaultExpectMax is the size of the expectation table for so many buckets.
func (k Kernel) DefaultExpectMax(buckets int64) int64 { return 4 * max(buckets/256, 1) }
