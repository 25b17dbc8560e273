package flow

import (
	"net/netip"
	"time"
)

// How a recorded flow ended.
const (
	EndOpen    = "open"    // not ended when the record was
	EndClosed  = "closed"  // by its own packets: TCP past its last ACK or reset, SCTP shut down
	EndExpired = "expired" // its timeout passed
	EndEvicted = "evicted" // sooner than any timeout: early drop, or the collector of a full table
	EndDeleted = "deleted" // by a program, over ctnetlink
	EndUnknown = "unknown" // its end was lost
)

// Stretch is a part of a flow's life: from the end of the one before, or the flow's start, until Until after the
// start packets came, never further apart than Gap.
type Stretch struct{ Until, Gap time.Duration }

// Record is a flow from its first packet to its end, as it was recorded: what is not known is absent.
type Record struct {
	// Start is when the flow was made, End when it ended; with StartError and EndError more or less. A zero
	// End is one that was not seen.
	Start, End           time.Time
	StartError, EndError time.Duration
	Orig, Reply          Tuple
	Family               Family
	Zone                 uint16
	Mark                 uint32
	Assured              bool
	// States are the protocol's states in order, At when each began, after Start.
	States []State
	At     []time.Duration
	// Timeout is the last that was seen set: what the flow would have had left after its last packet.
	Timeout time.Duration
	// Last is when a packet is known to have come after the last state began, or up to LastError sooner: a
	// reading of the table saw a timer that had been set anew. Zero when none is.
	Last      time.Time
	LastError time.Duration
	// Sample is the share of all flows that this one stands for; 0 means that all are recorded.
	Sample float64
	// Busy is when packets came, as far as successive readings of the flow's timer tell; nil when none were made.
	Busy []Stretch
	// OrigCount and ReplyCount are set when accounting was on.
	Counted               bool
	OrigCount, ReplyCount Counters
	Ended                 string
}

// NAT reports whether the reply does not go back where the flow came from.
func (r *Record) NAT() bool {
	return r.Orig.Src != r.Reply.Dst || r.Orig.Dst != r.Reply.Src || r.Orig.SrcPort != r.Reply.DstPort || r.Orig.DstPort != r.Reply.SrcPort
}

// Map replaces every address.
func (r *Record) Map(f func(netip.Addr) netip.Addr) {
	for _, a := range []*netip.Addr{&r.Orig.Src, &r.Orig.Dst, &r.Reply.Src, &r.Reply.Dst} {
		*a = f(*a)
	}
}

// LastPacket is when the flow's last packet came, as far as the record tells: its timer ran from then. Of a
// flow that is still open it may be as late as end, when the recording was over.
func (r *Record) LastPacket(end time.Time) time.Time {
	last := r.LastKnown()
	if r.Last.After(last) {
		last = r.Last
	}
	guess := last
	switch r.Ended {
	case EndExpired:
		if len(r.Busy) > 0 {
			return last // Timeout is what was left at the last reading
		}
		guess = r.End.Add(-r.Timeout)
	case EndOpen:
		guess = end
	case EndEvicted, EndDeleted, EndUnknown:
		guess = r.End
	}
	if guess.After(last) {
		return guess
	}
	return last
}

// LastKnown is the last time at which a packet is known to have come: one that changed the state, or a later one
// that a reading noticed, at the soonest.
func (r *Record) LastKnown() time.Time {
	if n := len(r.Busy); n > 0 {
		return r.Start.Add(r.Busy[n-1].Until)
	}
	last := r.Start
	if n := len(r.At); n > 0 {
		last = r.Start.Add(r.At[n-1])
	}
	if seen := r.Last.Add(-r.LastError); !r.Last.IsZero() && seen.After(last) {
		return seen
	}
	return last
}
