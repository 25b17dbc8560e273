package workload

import (
	"cmp"
	"container/heap"
	"net/netip"
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

// recorded is a flow under way: its next packets in order.
type recorded struct {
	t     *talk
	steps []step
	every int64 // between two packets where nothing is known; 0: none
	last  int64 // the last packet that may be made up
	order int
}

// Records yields packets that flows like the recorded ones would have sent.
type Records struct {
	all   []flow.Record // by start
	next  int
	live  liveHeap
	every time.Duration
	gap   time.Duration // mean time between two flows' starts
	end   time.Time
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
	r := &Records{all: all}
	if b == Busy {
		r.every = every
	}
	for i := range all {
		for _, t := range []time.Time{all[i].Start, all[i].End} {
			if t.After(r.end) {
				r.end = t
			}
		}
	}
	if n := len(all); n > 1 {
		r.gap = all[n-1].Start.Sub(all[0].Start) / time.Duration(n-1)
	}
	return r
}

// Next returns the next packet, valid until the next call, and its time; false after the last.
func (r *Records) Next() (at int64, ip []byte, ok bool) {
	for r.next < len(r.all) && (len(r.live) == 0 || r.all[r.next].Start.UnixNano() <= r.live[0].steps[0].at) {
		r.push(&r.all[r.next])
		r.next++
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
	if f.every == 0 || s.at+f.every > f.last {
		return
	}
	if len(f.steps) > 0 && f.steps[0].at <= s.at+f.every {
		return
	}
	f.steps = append([]step{{at: s.at + f.every, side: 1 - s.side, flags: packet.ACK}}, f.steps...)
}

// push begins a flow, and the others that it stands for a little later.
func (r *Records) push(rec *flow.Record) {
	copies := 1
	draw := uint64(r.next)*0x9e3779b97f4a7c15 ^ uint64(rec.Orig.SrcPort)
	if rec.Sample > 0 && rec.Sample < 1 {
		draw = scramble(draw)
		copies = int(1/rec.Sample + float64(draw>>11)/(1<<53))
	}
	for k := range copies {
		f := r.begin(rec, r.next)
		if f == nil {
			return
		}
		if k > 0 {
			draw = scramble(draw + 1)
			f.other(k, draw, int64(draw%uint64(max(r.gap, 1))))
		}
		heap.Push(&r.live, f)
	}
}

// other makes a flow one between other ends, and later.
func (f *recorded) other(k int, draw uint64, later int64) {
	a := f.t.client.Addr().As16()
	a[15] ^= byte(k)
	a[14] ^= byte(k >> 8)
	addr := netip.AddrFrom16(a)
	if f.t.client.Addr().Is4() {
		addr = addr.Unmap()
	}
	f.t.client = netip.AddrPortFrom(addr, f.t.client.Port()^uint16(draw>>40)&0x3ff)
	f.last += later
	for i := range f.steps {
		f.steps[i].at += later
	}
}

func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// begin plans the packets that the record tells of; nil for a protocol that cannot be made.
func (r *Records) begin(rec *flow.Record, order int) *recorded {
	c := &Class{Protocol: map[flow.Proto]Protocol{flow.TCP: TCP, flow.UDP: UDP, flow.ICMP: ICMP, flow.ICMPv6: ICMP}[rec.Orig.Proto]}
	if c.Protocol == "" {
		return nil
	}
	f := &recorded{order: order, t: &talk{class: c, client: netip.AddrPortFrom(rec.Orig.Src, rec.Orig.SrcPort), host: netip.AddrPortFrom(rec.Orig.Dst, rec.Orig.DstPort),
		seq: [2]uint32{1000, 5000}}}
	if c.Protocol == ICMP {
		f.t.client = netip.AddrPortFrom(rec.Orig.Src, rec.Orig.ICMPID)
	}
	start := rec.Start.UnixNano()
	f.last = r.lastPacket(rec).UnixNano()
	if c.Protocol == TCP {
		f.steps = tcpSteps(rec, start, f.last)
	} else {
		f.steps = []step{{at: start}}
		if rec.Assured {
			f.steps = append(f.steps, step{at: start, side: 1}, step{at: start})
		}
		if f.last > start {
			f.steps = append(f.steps, step{at: f.last})
		}
	}
	if r.every > 0 && f.last > start {
		f.every = max(int64(r.every), (f.last-start)/most)
	}
	return f
}

// reapLag is how long a flow may stay in the table after its timer ran out: the collector's longest pause.
const reapLag = time.Minute

// lastPacket is when the flow's last packet came. An expired flow's end is when it was collected, so that the
// packet may have come sooner by the collector's lag: Silent takes the soonest, Busy the latest.
func (r *Records) lastPacket(rec *flow.Record) time.Time {
	last := rec.LastPacket(r.end)
	if r.every == 0 && rec.Ended == flow.EndExpired {
		if last = last.Add(-reapLag); last.Before(rec.LastKnown()) {
			return rec.LastKnown()
		}
	}
	return last
}

// tcpSteps are the segments that take a connection through the recorded states.
func tcpSteps(rec *flow.Record, start, last int64) []step {
	var out []step
	closing := false
	for i, st := range rec.States {
		at := start + int64(rec.At[i])
		switch st {
		case flow.TCPSynSent:
			out = append(out, step{at: at, flags: packet.SYN})
		case flow.TCPSynRecv:
			out = append(out, step{at: at, side: 1, flags: packet.SYN | packet.ACK})
		case flow.TCPFinWait:
			out = append(out, step{at: at, flags: packet.FIN | packet.ACK})
			closing = true
		case flow.TCPCloseWait:
			out = append(out, step{at: at, side: 1, flags: packet.ACK})
		case flow.TCPLastAck:
			out = append(out, step{at: at, side: 1, flags: packet.FIN | packet.ACK})
		case flow.TCPClose:
			out = append(out, step{at: at, flags: packet.RST | packet.ACK})
			closing = true
		default: // ESTABLISHED, TIME_WAIT
			out = append(out, step{at: at, flags: packet.ACK})
		}
	}
	if len(out) == 0 { // picked up in the middle
		out = []step{{at: start, flags: packet.ACK}}
	}
	if !closing && last > out[len(out)-1].at && len(rec.States) > 0 && rec.States[len(rec.States)-1] != flow.TCPSynSent {
		out = append(out, step{at: last, side: 1, flags: packet.ACK})
	}
	return out
}

// packet builds one packet of the flow.
func (f *recorded) packet(b []byte, s step) []byte {
	if f.t.class.Protocol == TCP {
		return f.t.tcp(b, s.side, s.flags, 0)
	}
	return f.t.data(b, s.side, 0)
}
