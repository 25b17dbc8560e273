package demand

import (
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// openFlow waits for the recording's end: until then nobody knows how long it was in the table.
type openFlow struct {
	seen  Seen
	known time.Time // the last packet that is known; zero when nobody answered
}

// Record counts a recorded flow. It has no packet times: how long it was idle is bounded by the time between
// the packets that changed its state, and by the timer that would have run out.
func (c *Counter) Record(r *flow.Record) {
	s := Seen{Service: serviceOf(r), Outcome: outcome(r), NAT: r.NAT(), First: r.Start, IdleBound: true}
	if r.Sample > 0 {
		s.For = 1 / r.Sample
	}
	c.reach(r.Start)
	c.reach(r.End)
	if r.Ended == flow.EndOpen || r.End.IsZero() {
		s.Outcome = Open
		o := openFlow{seen: s}
		if answered(r) {
			o.known, o.seen.Handshake = r.LastKnown(), handshake(r)
			o.seen.Idle = longestIdle(r, o.known)
		}
		c.waiting = append(c.waiting, o)
		return
	}
	s.Last = r.LastPacket(r.End)
	s.In = r.End.Sub(r.Start)
	if answered(r) {
		s.Idle, s.Handshake = longestIdle(r, s.Last), handshake(r)
		if r.Ended == flow.EndExpired && r.Timeout > 0 {
			s.Idle = min(s.Idle, r.Timeout)
		}
	}
	c.Add(s)
}

// settle counts the flows that were open at the end.
func (c *Counter) settle() {
	for _, o := range c.waiting {
		o.seen.Last = c.to
		o.seen.In = c.to.Sub(o.seen.First)
		if !o.known.IsZero() {
			o.seen.Idle = max(o.seen.Idle, c.to.Sub(o.known))
		}
		c.Add(o.seen)
	}
	c.waiting = nil
}

func serviceOf(r *flow.Record) Service {
	s := Service{Proto: r.Orig.Proto, Port: r.Orig.DstPort}
	if s.Proto == flow.ICMP || s.Proto == flow.ICMPv6 {
		s.Port = 0
	}
	return s
}

func outcome(r *flow.Record) Outcome {
	switch {
	case r.Ended == flow.EndClosed:
		return Closed
	case !answered(r):
		return Unanswered
	case r.Ended == flow.EndExpired:
		return Silent
	}
	return Removed
}

// answered flows were established, or seen both ways often enough to be assured.
func answered(r *flow.Record) bool {
	for _, s := range r.States {
		if s == flow.TCPEstablished || s == flow.SCTPEstablished {
			return true
		}
	}
	return r.Assured
}

// longestIdle is the longest time without a packet that the record allows, from being established on.
func longestIdle(r *flow.Record, last time.Time) time.Duration {
	longest, before, counting := time.Duration(0), time.Duration(0), len(r.At) == 0
	for i, at := range r.At {
		if counting {
			longest = max(longest, at-before)
		}
		before = at
		counting = counting || r.States[i] == flow.TCPEstablished || r.States[i] == flow.SCTPEstablished
	}
	if counting || len(r.States) == 0 {
		longest = max(longest, last.Sub(r.Start)-before)
	}
	return longest
}

// handshake is how long the flow took to be established; 0 when it began in the middle.
func handshake(r *flow.Record) time.Duration {
	for i, s := range r.States {
		if s == flow.TCPEstablished && i > 0 && r.States[0] == flow.TCPSynSent {
			return r.At[i]
		}
	}
	return 0
}
