package diagnose

import "slices"

// Finding codes; docs/findings.md explains each.
const (
	TableFull            = "table_full"
	TableWasFull         = "table_was_full"
	TableFilling         = "table_filling"
	OccupancyReclaimable = "occupancy_reclaimable"
	EarlyDropUnlikely    = "early_drop_unlikely"
	ExpectationTableFull = "expectation_table_full"
	ChainTooLong         = "chain_too_long"
	InsertFailed         = "insert_failed"
	NATPortsExhausted    = "nat_ports_exhausted"
	InvalidPackets       = "invalid_packets"
	StaleEstablished     = "stale_established"
	HalfOpenFlood        = "half_open_flood"
	SingleSource         = "single_source"
	CloseWaitPressure    = "close_wait_pressure"
	BucketsTooFew        = "buckets_too_few"
	MaxExceedsMemory     = "max_exceeds_memory"
	MaxUnlimited         = "max_unlimited"
	TimeoutBreaksIdle    = "timeout_breaks_idle"
	NotPersisted         = "not_persisted"
	OverriddenAtBoot     = "overridden_at_boot"
	OverwrittenBy        = "overwritten_by"
	SettingInvalid       = "setting_invalid"
	NotTracking          = "not_tracking"
	ModuleAbsent         = "module_absent"
	CountersUnavailable  = "counters_unavailable"
	LogUnavailable       = "log_unavailable"
	LimitFiles           = "limit_files"
	LimitProcesses       = "limit_processes"
	ListenOverflow       = "listen_overflow"
	PortsExhausted       = "ports_exhausted"
	NeighbourOverflow    = "neighbour_overflow"
	SocketMemory         = "socket_memory"
)

// Verdicts that are no finding.
const (
	// VerdictHealthy: tracking works and nothing is wrong.
	VerdictHealthy = "healthy"
	// VerdictNotConntrack: something is wrong that only looks like a full table.
	VerdictNotConntrack = "not_conntrack"
	// VerdictUnknown: too little could be read to say.
	VerdictUnknown = "unknown"
)

// Codes returns every finding code, in the order in which equals are shown: what refuses packets now, what
// did or will, what only looks like it, what fills the table, what is set wrongly, what is missing.
func Codes() []string {
	return []string{
		TableFull, ChainTooLong, ExpectationTableFull, NATPortsExhausted, InsertFailed,
		TableFilling, TableWasFull, EarlyDropUnlikely, HalfOpenFlood, SingleSource, StaleEstablished,
		CloseWaitPressure, OccupancyReclaimable, InvalidPackets,
		LimitProcesses, LimitFiles, ListenOverflow, PortsExhausted, NeighbourOverflow, SocketMemory,
		MaxExceedsMemory, MaxUnlimited, BucketsTooFew, TimeoutBreaksIdle,
		OverwrittenBy, OverriddenAtBoot, SettingInvalid, NotPersisted,
		ModuleAbsent, NotTracking, CountersUnavailable, LogUnavailable,
	}
}

func place(code string) int { return slices.Index(Codes(), code) }

// lookAlike reports whether a code is of something that only looks like a full table.
func lookAlike(code string) bool {
	switch code {
	case LimitProcesses, LimitFiles, ListenOverflow, PortsExhausted, NeighbourOverflow, SocketMemory:
		return true
	}
	return false
}
