// Package snapshot is all that is known of one host at one instant: one versioned value that the
// collector fills, advice judges, and surfaces show.
//
// What could not be read, and why, is part of it (Missing). An unknown figure is absent: pointers and
// omitted keys mean "not known", never zero. Durations are whole seconds, times RFC 3339 UTC.
package snapshot

import "time"

// Schema is the first key of the JSON form.
const Schema = "ctkeeper.snapshot/1"

// Snapshot is one host at one instant.
type Snapshot struct {
	Schema  string    `json:"schema"`
	Taken   time.Time `json:"taken"`
	Source  Source    `json:"source"`
	Host    Host      `json:"host"`
	Module  Module    `json:"module"`
	Machine Machine   `json:"machine"`
	// Namespaces are those that were looked at, the present one first.
	Namespaces []Namespace `json:"namespaces"`
	Log        Log         `json:"log"`
	Limits     Limits      `json:"limits"`
	// Files are all files that decide what the next boot sets, and other programs' configuration
	// that overwrites it later.
	Files []File `json:"files,omitempty"`
	// Programs are the running programs that write conntrack settings themselves.
	Programs []Program `json:"programs,omitempty"`
	// Incidents are what the daemon kept of earlier times, newest first; only where they were asked for.
	Incidents []Incident `json:"incidents,omitempty"`
	Redacted  bool       `json:"redacted,omitempty"`
	Missing   []Missing  `json:"missing,omitempty"`
}

// Source says where the snapshot came from.
type Source struct {
	// Root is the directory that was read instead of the live host; "" for the live host.
	Root string `json:"root,omitempty"`
	Live bool   `json:"live"`
	// UID is the effective user, NetAdmin whether CAP_NET_ADMIN was held.
	UID      int  `json:"uid"`
	NetAdmin bool `json:"net_admin"`
	// InitNetns tells whether the reader stood in the machine's first network namespace, where
	// max and buckets can be written. Absent: not known.
	InitNetns *bool  `json:"init_netns,omitempty"`
	Version   string `json:"version,omitempty"`
}

// Host is the machine itself.
type Host struct {
	Name     string    `json:"name,omitempty"`
	Kernel   string    `json:"kernel,omitempty"` // as in uname -r
	Booted   time.Time `json:"booted,omitzero"`
	Uptime   int64     `json:"uptime,omitempty"`
	CPUs     int       `json:"cpus,omitempty"`
	HZ       int       `json:"hz,omitempty"` // 0: not known
	PageSize int       `json:"page_size,omitempty"`
	Bits     int       `json:"bits,omitempty"` // 32 or 64
	// MemTotal and MemAvailable are bytes (/proc/meminfo).
	MemTotal     uint64 `json:"mem_total,omitempty"`
	MemAvailable uint64 `json:"mem_available,omitempty"`
	// Slab is the kernel's own figure for one entry (/proc/slabinfo, root only).
	Slab *Slab `json:"slab,omitempty"`
	// KeepaliveTime, KeepaliveProbes and KeepaliveInterval are the host's TCP keepalive.
	KeepaliveTime     *int64 `json:"tcp_keepalive_time,omitempty"`
	KeepaliveProbes   *int64 `json:"tcp_keepalive_probes,omitempty"`
	KeepaliveInterval *int64 `json:"tcp_keepalive_intvl,omitempty"`
}

// Slab is one or more slab caches of flows, summed.
type Slab struct {
	ObjectSize uint64 `json:"object_size"` // bytes an object, padding included
	Objects    uint64 `json:"objects"`     // allocated
	Active     uint64 `json:"active"`
	Bytes      uint64 `json:"bytes"` // held by the caches
}

// ModuleState tells how nf_conntrack is present.
type ModuleState string

// The module's states.
const (
	ModuleUnknown ModuleState = ""
	ModuleBuiltIn ModuleState = "built_in"
	ModuleLoaded  ModuleState = "loaded"
	ModuleAbsent  ModuleState = "absent"
)

// Module is nf_conntrack as a kernel module.
type Module struct {
	State ModuleState `json:"state,omitempty"`
	// Modern and Legacy tell which families of keys exist: nf_conntrack_* and ip_conntrack_*.
	Modern bool `json:"modern"`
	Legacy bool `json:"legacy"`
	// Parameters are /sys/module/nf_conntrack/parameters, as text.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Users are loaded modules that use conntrack (/proc/modules).
	Users []string `json:"users,omitempty"`
}

// Machine holds the figures that all namespaces share.
type Machine struct {
	Max       *int64 `json:"max,omitempty"`
	Buckets   *int64 `json:"buckets,omitempty"`
	ExpectMax *int64 `json:"expect_max,omitempty"`
}

// Missing is something that could not be read.
type Missing struct {
	Source string `json:"source"` // a path, or what was asked of the kernel
	Why    string `json:"why"`    // the error
	Hint   string `json:"hint,omitempty"`
	// Code is the wording of Hint: needs_root, needs_net_admin, no_procfs_counters, module_absent, …
	Code string `json:"code,omitempty"`
}

// File is one file or link under /etc, /run, /usr or /proc that matters to the next boot.
type File struct {
	Path   string `json:"path"`
	Mode   uint32 `json:"mode,omitempty"`
	Target string `json:"target,omitempty"` // of a symbolic link, as it stands
	// Content is the file's text; nil with Error set, or for a link to nowhere.
	Content []byte `json:"content,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Program is a running program that sets conntrack values: kube-proxy, tuned, firewalld, dockerd, ufw…
type Program struct {
	Name string   `json:"name"`
	PID  int      `json:"pid,omitempty"`
	Args []string `json:"args,omitempty"`
}
