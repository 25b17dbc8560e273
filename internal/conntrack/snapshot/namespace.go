package snapshot

import (
	"time"

	"ctkeeper/internal/conntrack/rank"
)

// Namespace is one network namespace: its settings, two or more readings of its counters, its flows.
type Namespace struct {
	// Inode is the namespace's number, as the kernel's log gives it; 0 when not known.
	Inode uint64 `json:"inode,omitempty"`
	// Name is what people call it: "host", a container, pod or unit, or the /run/netns name.
	Name string `json:"name"`
	// Kind is how the name was found: host, netns, docker, containerd, crio, podman, nspawn, lxc, unit, process.
	Kind    string `json:"kind,omitempty"`
	Path    string `json:"path,omitempty"` // a path that enters it
	PIDs    []int  `json:"pids,omitempty"` // some of its processes
	Initial bool   `json:"initial,omitempty"`
	Present bool   `json:"present,omitempty"` // the one ctkeeper ran in
	// Tracking tells whether anything there uses tracking; absent when not known.
	Tracking *bool `json:"tracking,omitempty"`
	// Settings are the values by the registry's logical name, as this namespace shows them.
	Settings map[string]Value `json:"settings,omitempty"`
	// Readings are counter readings, oldest first. The first was taken before the table was read.
	Readings []Reading `json:"readings,omitempty"`
	Flows    *Flows    `json:"flows,omitempty"`
	// Expectations is the number of entries in the expectation table.
	Expectations *int64 `json:"expectations,omitempty"`
}

// Value is a setting as it was read.
type Value struct {
	Key  string `json:"key"`            // the sysctl key or parameter path that was read
	Text string `json:"text"`           // as the kernel gave it
	Int  *int64 `json:"int,omitempty"`  // absent when Text is no integer
	Mode uint32 `json:"mode,omitempty"` // permission bits: 0444 cannot be written here
}

// Reading is one look at a namespace's figures.
type Reading struct {
	At       time.Time         `json:"at"`
	Count    *int64            `json:"count,omitempty"`
	Max      *int64            `json:"max,omitempty"`
	Counters map[string]uint64 `json:"counters,omitempty"` // by the kernel's ctnetlink name: drop, early_drop, …
	// PerCPU are the same counters for each CPU, in order.
	PerCPU []map[string]uint64 `json:"per_cpu,omitempty"`
	// Source is ctnetlink or /proc/net/stat/nf_conntrack.
	Source string `json:"source,omitempty"`
}

// Flows is one pass over a table, ranked while it was read; nothing in it grows with the table.
type Flows struct {
	Source string `json:"source"` // ctnetlink, /proc/net/nf_conntrack or /proc/net/ip_conntrack
	// Consistent is false when the table was resized or interrupted while it was read.
	Consistent bool         `json:"consistent"`
	Summary    rank.Summary `json:"summary"`
}

// Counter returns the newest reading's counter, and whether it was readable.
func (n *Namespace) Counter(name string) (uint64, bool) {
	if len(n.Readings) == 0 {
		return 0, false
	}
	v, ok := n.Readings[len(n.Readings)-1].Counters[name]
	return v, ok
}

// Rise returns by how much a counter rose between the first and the last reading, and over what time.
// Counters are 32 bits wide in the kernel and may have wrapped once.
func (n *Namespace) Rise(name string) (uint64, time.Duration, bool) {
	if len(n.Readings) < 2 {
		return 0, 0, false
	}
	first, last := n.Readings[0], n.Readings[len(n.Readings)-1]
	a, okA := first.Counters[name]
	b, okB := last.Counters[name]
	if !okA || !okB {
		return 0, 0, false
	}
	return uint64(uint32(b) - uint32(a)), last.At.Sub(first.At), true
}

// Setting returns an integer setting of the namespace by logical name.
func (n *Namespace) Setting(name string) (int64, bool) {
	v, ok := n.Settings[name]
	if !ok || v.Int == nil {
		return 0, false
	}
	return *v.Int, true
}

// Count returns the first reading's count: taken before the dump, which makes the kernel collect.
func (n *Namespace) Count() (int64, bool) {
	if len(n.Readings) == 0 || n.Readings[0].Count == nil {
		return 0, false
	}
	return *n.Readings[0].Count, true
}
