package snapshot

// Limits are the other limits that look like a full conntrack table. Each is absent when unreadable.
type Limits struct {
	// Net are counters of /proc/net/snmp, snmp6 and netstat by "Group.Name": TcpExt.ListenOverflows,
	// TcpExt.ListenDrops, TcpExt.SyncookiesSent, TcpExt.TCPReqQFullDrop, TcpExt.IPReversePathFilter,
	// Ip.OutDiscards, …: the first and the last reading.
	Net     map[string]uint64 `json:"net,omitempty"`
	NetLast map[string]uint64 `json:"net_last,omitempty"`
	// NetSeconds is the time between the two readings of Net.
	NetSeconds float64     `json:"net_seconds,omitempty"`
	Ports      *Ports      `json:"ports,omitempty"`
	Neighbour  []Neighbour `json:"neighbour,omitempty"`
	Files      *Usage      `json:"files,omitempty"`     // /proc/sys/fs/file-nr
	Processes  *Usage      `json:"processes,omitempty"` // tasks against pid_max and threads-max
	// FileLimits are the processes nearest to their own limit of open files, worst first.
	FileLimits []ProcessUsage `json:"file_limits,omitempty"`
	// ProcessLimits are the processes nearest to RLIMIT_NPROC for their user, worst first.
	ProcessLimits []ProcessUsage `json:"process_limits,omitempty"`
	// Cgroups are the cgroups nearest to pids.max, or that were refused a fork (pids.events).
	Cgroups []CgroupPids `json:"cgroups,omitempty"`
	Sockets *Sockets     `json:"sockets,omitempty"`
	Softnet *Softnet     `json:"softnet,omitempty"`
}

// Usage is a figure against its limit.
type Usage struct {
	Used int64 `json:"used"`
	Max  int64 `json:"max"`
}

// Ports is the use of ephemeral ports: what runs out is the pair (source, destination), so the worst
// destination matters, not the sum.
type Ports struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
	// Worst are the destinations with most local ports in use, worst first.
	Worst []PortUse `json:"worst,omitempty"`
}

// PortUse is the local ports in use from one address towards one destination.
type PortUse struct {
	Src  string `json:"src"`
	Dst  string `json:"dst"` // address:port
	Used int64  `json:"used"`
}

// Neighbour is one neighbour table (arp_cache, ndisc_cache).
type Neighbour struct {
	Table      string `json:"table"`
	Entries    int64  `json:"entries"`
	Thresh3    int64  `json:"gc_thresh3"`
	TableFulls uint64 `json:"table_fulls"` // column of /proc/net/stat/*_cache
}

// ProcessUsage is one process near one of its limits.
type ProcessUsage struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Used int64  `json:"used"`
	Max  int64  `json:"max"`
}

// CgroupPids is one cgroup's tasks against pids.max.
type CgroupPids struct {
	Path    string `json:"path"`
	Current int64  `json:"current"`
	Max     int64  `json:"max"`     // -1: no limit
	Refused uint64 `json:"refused"` // forks refused (pids.events max)
}

// Sockets is /proc/net/sockstat against tcp_mem, in pages.
type Sockets struct {
	TCPMem        int64  `json:"tcp_mem_used"`
	TCPMemLow     int64  `json:"tcp_mem_low"`
	TCPMemHigh    int64  `json:"tcp_mem_pressure"`
	TCPMemMax     int64  `json:"tcp_mem_max"`
	Orphans       int64  `json:"orphans"`
	MaxOrphans    int64  `json:"max_orphans"`
	TimeWait      int64  `json:"time_wait"`
	MaxTimeWait   int64  `json:"max_time_wait"`
	MemoryRefused uint64 `json:"memory_refused"` // TcpExt.TCPAbortOnMemory and the like
}

// Softnet is /proc/net/softnet_stat, summed.
type Softnet struct {
	Processed uint64 `json:"processed"`
	Dropped   uint64 `json:"dropped"`
	Squeezed  uint64 `json:"squeezed"`
}
