package workload

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// Between is what is assumed of a recorded flow between the packets that the record tells of: it has no packet
// times, so that a replay of it gives bounds.
type Between uint8

// The two ends of what may have been.
const (
	// Silent: no packet but those that changed a state, and the last. Timers run out the soonest.
	Silent Between = iota
	// Busy: packets often enough that no timer runs out while the flow lived.
	Busy
)

// most bounds the packets that one flow is given between two known ones.
const most = 2000

// step is one packet of a recorded flow.
type step struct {
	at    int64
	side  int
	flags byte
}

// stretch is a time up to which packets are made up, so far apart.
type stretch struct{ until, every int64 }

// recorded is a flow under way: its next packets in order.
type recorded struct {
	t     *talk
	steps []step
	made  []stretch
	order int
}

// Stream is recorded flows in the order of their starts.
type Stream struct {
	// Next returns the next flow; false after the last. It is the caller's until the next call.
	Next func() (flow.Record, bool)
	// End is when the recording was over.
	End time.Time
	// Between is what is assumed between the packets that are known.
	Between Between
	// Every is the time between made-up packets: less than the shortest timer that they must keep from running out.
	Every func(*flow.Record) time.Duration
	// Gap is the mean time between two flows' starts: within it come the others that a flow of a sample stands for.
	Gap time.Duration
}

// Records yields packets that flows like the recorded ones would have sent.
type Records struct {
	s     Stream
	next  flow.Record
	more  bool
	order int
	live  liveHeap
	buf   []byte
}

// liveHeap orders flows by their next packet, then by their number.
type liveHeap []*recorded

// Len, Less, Swap, Push and Pop are heap.Interface.
func (h liveHeap) Len() int { return len(h) }
func (h liveHeap) Less(i, j int) bool {
	return h[i].steps[0].at < h[j].steps[0].at || h[i].steps[0].at == h[j].steps[0].at && h[i].order < h[j].order
}
func (h liveHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push adds a flow.
func (h *liveHeap) Push(x any) { *h = append(*h, x.(*recorded)) }

// Pop takes the last.
func (h *liveHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	*h = old[:len(old)-1]
	return r
}

// FromRecords makes packets of recorded flows; it sorts them by their start. every is the time between the
// packets that Busy makes up: less than the shortest timer that they must keep from running out. A flow that stands
// for others, of which a sample was recorded, comes as often, between other ends.
func FromRecords(all []flow.Record, b Between, every time.Duration) *Records {
	slices.SortStableFunc(all, func(x, y flow.Record) int { return cmp.Compare(x.Start.UnixNano(), y.Start.UnixNano()) })
	s := Stream{Between: b, Every: func(*flow.Record) time.Duration { return every }}
	for i := range all {
		for _, t := range []time.Time{all[i].Start, all[i].End} {
			if t.After(s.End) {
				s.End = t
			}
		}
	}
	if n := len(all); n > 1 {
		s.Gap = all[n-1].Start.Sub(all[0].Start) / time.Duration(n-1)
	}
	i := 0
	s.Next = func() (flow.Record, bool) {
		if i == len(all) {
			return flow.Record{}, false
		}
		i++
		return all[i-1], true
	}
	return s.Records()
}

// Records makes packets of the flows.
func (s Stream) Records() *Records {
	r := &Records{s: s}
	r.next, r.more = s.Next()
	return r
}

// Next returns the next packet, valid until the next call, and its time; false after the last.
func (r *Records) Next() (at int64, ip []byte, ok bool) {
	for r.more && (len(r.live) == 0 || r.next.Start.UnixNano() <= r.live[0].steps[0].at) {
		r.push(&r.next)
		r.order++
		r.next, r.more = r.s.Next()
	}
	if len(r.live) == 0 {
		return 0, nil, false
	}
	f := r.live[0]
	s := f.steps[0]
	r.buf = f.packet(r.buf[:0], s)
	f.advance(s)
	if len(f.steps) == 0 {
		heap.Pop(&r.live)
	} else {
		heap.Fix(&r.live, 0)
	}
	return s.at, r.buf, true
}

// advance takes a packet off, and makes one up where the next known one is far.
func (f *recorded) advance(s step) {
	f.steps = f.steps[1:]
	for len(f.made) > 0 && f.made[0].until <= s.at {
		f.made = f.made[1:]
	}
	if len(f.made) == 0 {
		return
	}
	at := min(s.at+f.made[0].every, f.made[0].until)
	if len(f.steps) > 0 && f.steps[0].at <= at {
		return
	}
	f.steps = append([]step{{at: at, side: 1 - s.side, flags: packet.ACK}}, f.steps...)
}
