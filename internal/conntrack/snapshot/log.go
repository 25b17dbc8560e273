package snapshot

import "time"

// LogKind is what a kernel message says.
type LogKind string

// Kinds of kernel messages. Only the first three are conntrack's own.
const (
	LogTableFull         LogKind = "table_full"
	LogExpectFull        LogKind = "expectation_table_full"
	LogConntrackOther    LogKind = "conntrack_other"
	LogSuppressed        LogKind = "suppressed"       // "N callbacks suppressed": of any network warning
	LogSuppressedNotNet  LogKind = "suppressed_other" // of another rate limit: never counted
	LogRepeated          LogKind = "repeated"         // "last message repeated N times"
	LogSYNFlooding       LogKind = "syn_flooding"
	LogNeighbourOverflow LogKind = "neighbour_overflow"
	LogSocketMemory      LogKind = "socket_memory"
	LogOrphans           LogKind = "orphans"
	LogTimeWaitOverflow  LogKind = "time_wait_overflow"
	LogRouteCache        LogKind = "route_cache"
	LogFiles             LogKind = "file_limit"    // "VFS: file-max limit N reached"
	LogFork              LogKind = "fork_rejected" // "cgroup: fork rejected by pids controller"
)

// Log is what the kernel log told, summed as it was read: memory is bounded however long the log.
type Log struct {
	// Sources are those that were read: /dev/kmsg, journal, files by name, "-" for standard input.
	Sources []LogSource `json:"sources,omitempty"`
	Groups  []LogGroup  `json:"groups,omitempty"`
	// Current tells whether the log covers the time up to the snapshot.
	Current bool `json:"current"`
}

// LogSource is one log that was read.
type LogSource struct {
	Name  string    `json:"name"`
	Lines uint64    `json:"lines"`
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// LogGroup is all messages of one kind about one namespace.
type LogGroup struct {
	Kind LogKind `json:"kind"`
	// NetnsInode is the namespace that the message names; 0 when it names none.
	NetnsInode uint64 `json:"netns_inode,omitempty"`
	// Family is nf_conntrack or ip_conntrack for conntrack's own messages.
	Family string `json:"family,omitempty"`
	// Lines is how many were seen, Repeated how many more a "repeated" line stands for, and
	// Suppressed how many network warnings of any kind were suppressed beside them.
	// Lines + Repeated is a lower bound of what happened; Suppressed is not evidence of one cause.
	Lines      uint64    `json:"lines"`
	Repeated   uint64    `json:"repeated,omitempty"`
	Suppressed uint64    `json:"suppressed,omitempty"`
	First      time.Time `json:"first,omitzero"`
	Last       time.Time `json:"last,omitzero"`
	// SinceBoot tells whether Last lies after the last boot; absent when the log has no times.
	SinceBoot *bool  `json:"since_boot,omitempty"`
	Example   string `json:"example,omitempty"` // one line as it stood
}

// Find returns the first group of a kind.
func (l *Log) Find(kind LogKind) (LogGroup, bool) {
	for _, g := range l.Groups {
		if g.Kind == kind {
			return g, true
		}
	}
	return LogGroup{}, false
}
