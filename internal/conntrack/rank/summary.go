// Package rank tells who fills the table: it counts flows by key in one pass and bounded memory, exactly
// while the keys fit and by SpaceSaving, its error stated, beyond.
package rank

// Row is one key of a ranking and the flows it holds. The true count lies in [Count-Error, Count].
type Row struct {
	Key      string `json:"key"`
	Count    uint64 `json:"count"`
	Error    uint64 `json:"error,omitempty"`
	Assured  uint64 `json:"assured,omitempty"`
	HalfOpen uint64 `json:"half_open,omitempty"` // TCP SYN_SENT, SYN_SENT2, SYN_RECV, or unreplied
}

// Class is the flows of one protocol and state.
type Class struct {
	Proto   string `json:"proto"`
	State   string `json:"state,omitempty"`
	Count   uint64 `json:"count"`
	Assured uint64 `json:"assured"`
	// Unreplied are those that no packet answered.
	Unreplied uint64 `json:"unreplied"`
	// Idle is how long these flows have been idle, where remaining time against the configured
	// timeout tells it (kernel-model.md §B.8); absent where it does not.
	Idle *IdleHistogram `json:"idle,omitempty"`
	// Remaining is the remaining time of these flows.
	Remaining *IdleHistogram `json:"remaining,omitempty"`
}

// IdleBounds are the upper bounds, in seconds, of a histogram's first buckets; the last bucket has none.
var IdleBounds = [...]int64{1, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 7875, 14400, 28800, 43200, 86400, 172800, 259200, 345600, 432000}

// IdleHistogram counts flows by a number of seconds.
type IdleHistogram struct {
	// Buckets[i] counts values in (IdleBounds[i-1], IdleBounds[i]]; the last those beyond all bounds.
	Buckets [len(IdleBounds) + 1]uint64 `json:"buckets"`
	// Unknown counts flows whose idle time cannot be told, with the reason in kernel-model.md §B.8.
	Unknown uint64 `json:"unknown,omitempty"`
	Max     int64  `json:"max"` // the largest value seen
}

// Over returns how many values lie above the largest bound that is not above seconds.
func (h *IdleHistogram) Over(seconds int64) uint64 {
	var n uint64
	for i, c := range h.Buckets {
		if i > 0 && IdleBounds[i-1] >= seconds {
			n += c
		}
	}
	return n
}

// Summary is a whole table in figures that do not grow with it.
type Summary struct {
	Total   uint64  `json:"total"`
	Assured uint64  `json:"assured"`
	Closing uint64  `json:"closing"` // assured, but the garbage collector may take them
	Classes []Class `json:"classes,omitempty"`
	Source  []Row   `json:"src,omitempty"`
	Dest    []Row   `json:"dst,omitempty"`
	// SourcePrefix and DestPrefix group by /24 and /64.
	SourcePrefix []Row  `json:"src_prefix,omitempty"`
	DestPrefix   []Row  `json:"dst_prefix,omitempty"`
	DestPort     []Row  `json:"dport,omitempty"` // "tcp/443"
	Zone         []Row  `json:"zone,omitempty"`
	NAT          uint64 `json:"nat,omitempty"` // flows with SRC_NAT or DST_NAT
	// Sketched names the rankings that had more keys than were counted exactly: their rows state an
	// error, and a key that is not shown may have as many flows as the least row.
	Sketched []string `json:"sketched,omitempty"`
}

// Unassured is how many flows early drop may take on the packet path.
func (s *Summary) Unassured() uint64 { return s.Total - s.Assured }

// Pinned is how many flows the kernel cannot reclaim by itself: assured and not closing.
func (s *Summary) Pinned() uint64 { return s.Assured - s.Closing }
