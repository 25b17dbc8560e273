package whatif

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
)

// host is where the made-up flows go.
var host = [2]netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8})}

// turn is one start of a flow in the stream: those that stand for others start several times.
type turn struct {
	at   int64
	flow uint32
}

// stream is the day's flows as records, in the order of their starts.
type stream struct {
	d       *Day
	q       *Question
	turns   []turn
	next    int
	rec     flow.Record
	longest func(*seen) time.Duration
}

// turns plans the starts within the question's time; of what began before it, those that still had something to say.
func (d *Day) turns(q *Question) []turn {
	out := make([]turn, 0, len(d.all)+2)
	from, to := q.From.UnixNano(), q.To.UnixNano()
	for i := range d.all {
		s := &d.all[i]
		if s.weight == 1 {
			if s.start < to && !d.idle(s, from) {
				out = append(out, turn{max(s.start, from), uint32(i)})
			}
			continue
		}
		for j, n := 0, copies(s); j < n; j++ {
			at := s.start + int64(float64(s.end-s.start)*(float64(j)+fraction(s.hash, 2))/float64(n))
			if at >= from && at < to {
				out = append(out, turn{at, uint32(i)})
			}
		}
	}
	slices.SortFunc(out, func(a, b turn) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return int(a.flow) - int(b.flow)
	})
	return out
}

// copies rounds the weight up as often as is right on average.
func copies(s *seen) int { return int(float64(s.weight) + fraction(s.hash, 1)) }

// fraction draws from [0, 1) by a hash, differently for each purpose.
func fraction(hash, purpose uint64) float64 {
	z := (hash + purpose*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>31) * 0x94d049bb133111eb
	return float64((z^z>>29)>>11) / (1 << 53)
}

// idle tells whether a flow lay idle in the table at the beginning, and had no more packets.
func (d *Day) idle(s *seen, from int64) bool {
	gone := s.end != 0 && !s.expired && s.end > from // that is a packet which is not known
	return d.lastKnown(s) < from && !gone
}

// lastKnown is when a flow's last known packet came; of one that is open, and whose packets nobody followed, the
// end of time.
func (d *Day) lastKnown(s *seen) int64 {
	if s.end == 0 && !s.observed {
		return 1 << 62
	}
	last := int32(0)
	for _, m := range d.marks[s.marks : s.marks+uint32(s.nstates)+uint32(s.nbusy)] {
		last = max(last, m.at)
	}
	return s.start + int64(last)*1e6
}

// record makes the flow of a turn; nothing of it is true but its times, states and port.
func (st *stream) record(t turn) *flow.Record {
	s := &st.d.all[t.flow]
	rec := &st.rec
	*rec = flow.Record{Start: time.Unix(0, t.at).UTC(), Family: flow.IPv4, Assured: s.assured, Ended: flow.EndExpired, States: rec.States[:0], At: rec.At[:0], Busy: rec.Busy[:0]}
	rec.Orig = made(s, uint32(st.next))
	if s.ipv6 {
		rec.Family = flow.IPv6
	}
	shift := time.Duration(0)
	if s.weight == 1 {
		shift = time.Duration(t.at - s.start) // it began before the question's time
	}
	marks := st.d.marks[s.marks:]
	for _, m := range marks[:s.nstates] {
		rec.States, rec.At = append(rec.States, m.state), append(rec.At, max(time.Duration(m.at)*time.Millisecond-shift, 0))
	}
	longest := st.longest(s)
	for _, m := range marks[s.nstates : s.nstates+s.nbusy] {
		rec.Busy = append(rec.Busy, flow.Stretch{Until: max(time.Duration(m.at)*time.Millisecond-shift, 0), Gap: min(time.Duration(m.gap)*time.Millisecond, longest)})
	}
	if s.end == 0 {
		rec.Ended = flow.EndOpen
	} else {
		rec.End = time.Unix(0, max(s.end, t.at)).UTC()
	}
	st.close(s, rec)
	return rec
}

// close ends a connection that was gone before its timer could run out, at some time between the last reading that
// saw it and the next. It leaves at once, as after an RST: of those that stay in TIME_WAIT as many are seen there as
// the table holds.
func (st *stream) close(s *seen, rec *flow.Record) {
	if s.proto != flow.TCP || !s.observed || s.end == 0 || s.expired {
		return
	}
	last := rec.LastKnown()
	at := last.Sub(rec.Start) + time.Duration(fraction(s.hash, 3)*float64(max(rec.End.Sub(last), 0)))
	rec.States, rec.At = append(rec.States, flow.TCPClose), append(rec.At, at)
	rec.Busy = append(rec.Busy, flow.Stretch{Until: at, Gap: st.longest(s)})
}

// made is a tuple for the n-th flow of the stream.
func made(s *seen, n uint32) flow.Tuple {
	t := flow.Tuple{Proto: s.proto, DstPort: s.port, SrcPort: uint16(1024 + s.hash%60000), Dst: host[0]}
	var b [16]byte
	b[0], b[1], b[2], b[3] = 10, byte(n>>16), byte(n>>8), byte(n)
	t.Src = netip.AddrFrom4([4]byte(b[:4]))
	if s.ipv6 {
		copy(b[:], []byte{0x20, 1, 0xd, 0xb8, 1})
		binary.BigEndian.PutUint32(b[12:], n)
		t.Src, t.Dst = netip.AddrFrom16(b), host[1]
	}
	switch s.proto {
	case flow.ICMP:
		t.ICMPType = 8
	case flow.ICMPv6:
		t.ICMPType = 128
	}
	t.ICMPID = t.SrcPort
	return t
}

// packets are the packets of the stream under an assumption.
func (d *Day) packets(q *Question, turns []turn, b workload.Between) *workload.Records {
	st := &stream{d: d, q: q, turns: turns}
	st.longest = func(s *seen) time.Duration { return time.Duration(0.9 * float64(d.timer(s, &q.Now))) }
	return workload.Stream{End: q.To, Between: b, Every: func(rec *flow.Record) time.Duration {
		s := &d.all[st.turns[st.next-1].flow]
		return time.Duration(0.9 * float64(min(d.timer(s, &q.Now), d.timer(s, &q.Then))))
	}, Next: func() (flow.Record, bool) {
		if st.next == len(st.turns) {
			return flow.Record{}, false
		}
		st.next++
		return *st.record(st.turns[st.next-1]), true
	}}.Records()
}

// timer is the shortest timer that packets of a flow must keep from running out.
func (d *Day) timer(s *seen, set *model.Settings) int64 {
	switch s.proto {
	case flow.UDP:
		if s.assured {
			return set.UDP[1]
		}
		return set.UDP[0]
	case flow.ICMP:
		return set.ICMP
	case flow.ICMPv6:
		return set.ICMPv6
	}
	least := set.TCP[flow.TCPEstablished.Number()]
	for _, m := range d.marks[s.marks : s.marks+uint32(s.nstates)] {
		if m.state == flow.TCPFinWait || m.state == flow.TCPCloseWait {
			least = min(least, set.TCP[m.state.Number()])
		}
	}
	return least
}
