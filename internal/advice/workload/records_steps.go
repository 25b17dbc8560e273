package workload

import (
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

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
	start, last := rec.Start.UnixNano(), r.lastPacket(rec).UnixNano()
	if c.Protocol == TCP {
		f.steps = tcpSteps(rec, start, last)
	} else {
		f.steps = datagrams(rec, start, last)
	}
	f.made = r.madeUp(rec, start, last)
	return f
}

// streamAfter is how long after its start a UDP flow's packets make it a stream.
const streamAfter = int64(2100 * time.Millisecond)

func datagrams(rec *flow.Record, start, last int64) []step {
	out := []step{{at: start}}
	if rec.Assured {
		out = append(out, step{at: start, side: 1}, step{at: min(start+streamAfter, max(start, last))})
	}
	if last > out[len(out)-1].at {
		out = append(out, step{at: last})
	}
	return out
}

// madeUp tells when packets are made up between those that the record tells of: where readings of the flow's
// timer tell how far they were apart, so far at most.
func (r *Records) madeUp(rec *flow.Record, start, last int64) []stretch {
	every := max(int64(r.s.Every(rec)), (last-start)/most, 1)
	busy := r.s.Between == Busy
	if len(rec.Busy) == 0 {
		if !busy || last-start < every {
			return nil
		}
		return []stretch{{last, every}}
	}
	var out []stretch
	for _, b := range rec.Busy {
		s := stretch{start + int64(b.Until), every}
		if !busy {
			s.every = max(int64(b.Gap), every)
		}
		out = append(out, s)
	}
	if busy && last > out[len(out)-1].until {
		out = append(out, stretch{last, every})
	}
	return out
}

// reapLag is how long a flow may stay in the table after its timer ran out: the collector's longest pause.
const reapLag = time.Minute

// lastPacket is when the flow's last packet came. An expired flow's end is when it was collected, so that the
// packet may have come sooner by the collector's lag: Silent takes the soonest, Busy the latest.
func (r *Records) lastPacket(rec *flow.Record) time.Time {
	last := rec.LastPacket(r.s.End)
	if r.s.Between != Silent {
		return last
	}
	if len(rec.Busy) > 0 {
		return rec.LastKnown()
	}
	if rec.Ended == flow.EndExpired {
		if last = last.Add(-reapLag); last.Before(rec.LastKnown()) {
			return rec.LastKnown()
		}
	}
	return last
}

// life is the segments of a connection's usual life; after the first n the flow is in the n-th state of 1 to 7.
var life = [...]step{{side: 0, flags: packet.SYN}, {side: 1, flags: packet.SYN | packet.ACK}, {side: 0, flags: packet.ACK}, {side: 0, flags: packet.FIN | packet.ACK},
	{side: 1, flags: packet.ACK}, {side: 1, flags: packet.FIN | packet.ACK}, {side: 0, flags: packet.ACK}}

// tcpSteps are the segments that take a connection through the recorded states, those that were not seen among them.
func tcpSteps(rec *flow.Record, start, last int64) []step {
	var out []step
	reached, closing := 0, false
	for i, st := range rec.States {
		at := start + int64(rec.At[i])
		n := int(st.Number())
		if st == flow.TCPSynSent && reached == len(life) {
			reached, closing = 0, false // opened again
		}
		switch {
		case st == flow.TCPClose:
			if reached == 0 {
				out = append(out, step{at: at, flags: packet.SYN})
			}
			out = append(out, step{at: at, flags: packet.RST | packet.ACK})
			reached, closing = len(life), true
		case n > len(life): // SYN_SENT2
		case n <= reached:
			out = append(out, step{at: at, flags: packet.ACK})
		default:
			for ; reached < n; reached++ {
				s := life[reached]
				s.at = at
				out = append(out, s)
			}
			closing = closing || n > int(flow.TCPEstablished.Number())
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
