// Package whatif tells what the last day would have been under other settings: from a small sampled record of
// its flows, played through the model, and the counts that were measured, which give the record its scale.
//
//	d := whatif.NewDay(limit)
//	for each recorded flow { d.Add(&rec, hash) }
//	answer, err := d.Ask(ctx, whatif.Question{…})
//
// A record made from readings of the table does not hold every packet, so that everything is played twice: with
// as few packets between the known ones as a flow survived with, and with as many as keep its timer from running
// out. The truth lies between, within the sampling error that the answer states.
package whatif

import (
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// seen is a flow of the record, as small as it goes: no address is kept.
type seen struct {
	hash       uint64
	start, end int64 // nanoseconds since 1970; end 0: still open
	marks      uint32
	port       uint16
	nstates    uint8
	nbusy      uint8
	proto      flow.Proto
	ipv6       bool
	assured    bool
	expired    bool
	observed   bool // by readings, so that when its packets came is known as far as busy tells
	// weight is how many flows it stands for, of those that readings may miss: they began anywhere between
	// start and end.
	weight float32
}

// mark is a state and when it began, or a stretch's end and gap, in milliseconds after the start.
type mark struct {
	state   flow.State
	at, gap int32
}

// Day is the flows of a record.
type Day struct {
	limit int
	share float64 // of the flows that are kept of those that were added
	all   []seen
	marks []mark
}

// NewDay is empty; of more flows than the limit a part is kept, chosen by their hash. A flow takes some 100 bytes.
func NewDay(limit int) *Day { return &Day{limit: limit, share: 1} }

// Flows is how many flows are kept.
func (d *Day) Flows() int { return len(d.all) }

// Share is the part of the added flows that is kept.
func (d *Day) Share() float64 { return d.share }

// Thin keeps only the flows whose hash lies below a share of all hashes: records of different samples are
// comparable by what the smallest holds.
func (d *Day) Thin(share float64) {
	if share >= d.share {
		return
	}
	d.share = share
	kept, marks := d.all[:0], make([]mark, 0, len(d.marks)/2)
	for _, s := range d.all {
		if s.hash>>11 >= uint64(share*(1<<53)) {
			continue
		}
		from := s.marks
		s.marks = uint32(len(marks))
		marks = append(marks, d.marks[from:from+uint32(s.nstates)+uint32(s.nbusy)]...)
		kept = append(kept, s)
	}
	d.all, d.marks = kept, marks
}

// Add takes in a flow; its hash is what the record's sample was chosen by. Protocols other than TCP, UDP and
// ICMP are left out.
func (d *Day) Add(rec *flow.Record, hash uint64) {
	switch rec.Orig.Proto {
	case flow.TCP, flow.UDP, flow.ICMP, flow.ICMPv6:
	default:
		return
	}
	if hash>>11 >= uint64(d.share*(1<<53)) {
		return
	}
	for len(d.all) >= d.limit {
		d.Thin(d.share / 2)
	}
	s := seen{hash: hash, start: rec.Start.UnixNano(), proto: rec.Orig.Proto, port: rec.Orig.DstPort, ipv6: rec.Family == flow.IPv6, assured: rec.Assured,
		observed: len(rec.Busy) > 0, marks: uint32(len(d.marks)), nstates: uint8(len(rec.States)), nbusy: uint8(len(rec.Busy)), weight: 1}
	if rec.Ended != flow.EndOpen && !rec.End.IsZero() {
		s.end = rec.End.UnixNano()
		s.expired = rec.Ended != flow.EndEvicted
	}
	lead := s.lead(rec)
	s.start -= int64(lead)
	for i, st := range rec.States {
		at := rec.At[i]
		if i > 0 {
			at += lead
		}
		d.marks = append(d.marks, mark{state: st, at: int32(at / time.Millisecond)})
	}
	for _, b := range rec.Busy {
		d.marks = append(d.marks, mark{at: int32((b.Until + lead) / time.Millisecond), gap: int32(b.Gap / time.Millisecond)})
	}
	if s.observed && s.end != 0 && s.expired {
		if s.weight = missed(rec); s.weight > 1 {
			s.end -= int64(rec.EndError)
			s.start = s.end - int64(rec.StartError)
		}
	}
	d.all = append(d.all, s)
}

// lead is how long before its first known packet a flow began: a UDP stream is none at its first packet, and what
// lasts began anywhere since the reading before the first that saw it.
func (s *seen) lead(rec *flow.Record) time.Duration {
	if !s.observed || !s.assured || s.proto == flow.TCP && (len(rec.States) == 0 || rec.States[0] != flow.TCPEstablished) {
		return 0
	}
	lead := time.Duration(0)
	if rec.StartError < 24*time.Hour {
		lead = time.Duration(fraction(s.hash, 4) * float64(rec.StartError))
	}
	if s.proto == flow.UDP {
		lead = max(lead, streamLead)
	}
	return lead
}

// streamLead is how long before its first known packet an assured UDP flow must have begun.
const streamLead = 2200 * time.Millisecond

// mostMissed bounds how many flows one may stand for.
const mostMissed = 64

// missed is how many flows one stands for that lived shorter than the time between two readings: a reading that
// comes every period sees such a flow with the probability life/period.
func missed(rec *flow.Record) float32 {
	last := rec.End.Add(-rec.EndError) // the last reading that saw it
	life := last.Add(rec.Timeout).Sub(rec.Start)
	if rec.StartError > 24*time.Hour || life <= 0 || life >= rec.StartError {
		return 1
	}
	return min(float32(rec.StartError)/float32(life), mostMissed)
}
