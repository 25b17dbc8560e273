package record

import (
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// maxStretches bounds what is kept of when a flow's packets came.
const maxStretches = 12

// observed is a flow that successive readings saw.
type observed struct {
	entry
	hash   uint64
	period time.Duration // to the reading before the first; beforeAll when there was none
	packet int64         // when the last known packet came
	busy   []flow.Stretch
}

// lastPacket is when a flow's timer was last set, as the time that it has left tells.
func lastPacket(fl *flow.Flow, now time.Time, t *rank.Timeouts) (at time.Time, ok bool) {
	if t == nil {
		return now, false
	}
	idle, ok := t.Idle(fl)
	return now.Add(-time.Duration(idle) * time.Second), ok
}

func newObserved(fl *flow.Flow, hash uint64, r *Readings) *observed {
	at, _ := lastPacket(fl, r.now, r.timeouts)
	period := time.Duration(beforeAll)
	if !r.before.IsZero() {
		period = r.now.Sub(r.before)
		if at.Before(r.before) { // its timer was set shorter than is configured, or it was missed before
			at = r.before
		}
	}
	e := &observed{entry: *newEntry(fl, at, period), hash: hash, period: period, packet: at.UnixNano()}
	e.round, e.set, e.sample = r.round, r.now.UnixNano(), 1
	return e
}

// see takes in another reading's sight of the flow.
func (e *observed) see(fl *flow.Flow, r *Readings) {
	e.round = r.round
	at, known := lastPacket(fl, r.now, r.timeouts)
	if !known && fl.State == e.newest() {
		e.timeout, e.set = fl.Timeout, r.now.UnixNano()
		return // when its last packet came cannot be told
	}
	if at.UnixNano() < e.packet {
		at = time.Unix(0, e.packet)
	}
	e.update(fl, at)
	e.set, e.last, e.lastErr = r.now.UnixNano(), 0, 0                        // busy tells more
	if gap := at.UnixNano() - e.packet; gap > int64(1500*time.Millisecond) { // timers are read in whole seconds
		e.stretch(time.Duration(at.UnixNano()-e.start), time.Duration(gap))
		e.packet = at.UnixNano()
	}
}

// stretch notes that packets came until then, at most gap apart; alike neighbours become one.
func (e *observed) stretch(until, gap time.Duration) {
	if n := len(e.busy); n > 0 {
		last := &e.busy[n-1]
		alike := max(gap, last.Gap) <= max(2*min(gap, last.Gap), 30*time.Second)
		if alike || n == maxStretches {
			last.Until, last.Gap = until, max(gap, last.Gap)
			return
		}
	}
	e.busy = append(e.busy, flow.Stretch{Until: until, Gap: gap})
}

// known are the stretches; of a flow whose one packet is known, that packet.
func (e *observed) known() []flow.Stretch {
	if len(e.busy) == 0 {
		return []flow.Stretch{{}}
	}
	return append([]flow.Stretch(nil), e.busy...)
}

// record is the flow once a reading did not see it any more.
func (e *observed) record(end time.Time, unsure time.Duration) flow.Record {
	rec := e.entry.record(end, unsure, e.ending(end))
	rec.Busy = e.known()
	return rec
}

func (e *observed) openRecord() flow.Record {
	rec := e.entry.record(time.Time{}, 0, flow.EndOpen)
	rec.Busy = e.known()
	return rec
}
