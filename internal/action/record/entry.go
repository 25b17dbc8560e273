package record

import (
	"math"
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// maxStates bounds the states of one flow that are noted; a connection that is opened again and again on the
// same tuple is one flow with the first of them.
const maxStates = 8

// entry is a flow under way.
type entry struct {
	orig     flow.Tuple
	reply    *flow.Tuple // of a translated flow
	start    int64       // nanoseconds since 1970
	startErr int64
	set      int64 // when the timeout was last seen set
	last     int64 // when a packet had come since the last state, by a reading; 0: none known
	lastErr  int64
	sample   float32
	family   flow.Family
	assured  bool
	states   uint8
	zone     uint16
	mark     uint32
	timeout  uint32
	round    uint32
	state    [maxStates]flow.State
	at       [maxStates]int32 // milliseconds after start
}

func newEntry(fl *flow.Flow, now time.Time, unsure time.Duration) *entry {
	e := &entry{orig: fl.Orig, family: fl.Family, start: now.UnixNano(), startErr: int64(unsure), zone: fl.Zone}
	if fl.Has(flow.HasTimestamp) && !fl.Start.IsZero() {
		e.start, e.startErr = fl.Start.UnixNano(), 0
	}
	if r := (flow.Record{Orig: fl.Orig, Reply: fl.Reply}); fl.Has(flow.HasReply) && r.NAT() {
		reply := fl.Reply
		e.reply = &reply
	}
	e.update(fl, now)
	return e
}

// update takes in what an event or a reading tells; what it does not tell stays.
func (e *entry) update(fl *flow.Flow, now time.Time) {
	if fl.Has(flow.HasStatus) && fl.Status&flow.Assured != 0 {
		e.assured = true
	}
	if fl.Has(flow.HasMark) {
		e.mark = fl.Mark
	}
	if fl.Has(flow.HasTimeout) {
		e.timer(fl.Timeout, now.UnixNano())
	}
	if n := e.states; fl.Has(flow.HasState) && fl.State != flow.NoState && n < maxStates && (n == 0 || e.state[n-1] != fl.State) {
		e.state[n] = fl.State
		e.at[n] = int32(min(max((now.UnixNano()-e.start)/1e6, 0), math.MaxInt32))
		e.states++
	}
}

// timer takes in the time that a flow has left. More than it can have from what was last seen tells that a packet
// came meanwhile.
func (e *entry) timer(left uint32, now int64) {
	const second = int64(time.Second)
	if rest := int64(e.timeout) - (now-e.set)/second; e.set > 0 && int64(left) > rest+1 {
		e.last, e.lastErr = now, now-e.set
	}
	e.timeout, e.set = left, now
}

// newest is the newest state that was noted.
func (e *entry) newest() flow.State {
	if e.states == 0 {
		return flow.NoState
	}
	return e.state[e.states-1]
}

// ending judges how a flow ended that was not deleted by a program.
func (e *entry) ending(now time.Time) string {
	switch e.newest() {
	case flow.TCPTimeWait, flow.TCPClose, flow.SCTPClosed, flow.SCTPShutdownAckSent:
		return flow.EndClosed
	}
	if e.timeout > 0 && now.UnixNano()-e.set < (int64(e.timeout)-1)*int64(time.Second) {
		return flow.EndEvicted // sooner than its timer could
	}
	return flow.EndExpired
}

func (e *entry) record(end time.Time, unsure time.Duration, how string) flow.Record {
	r := flow.Record{Start: time.Unix(0, e.start).UTC(), StartError: time.Duration(e.startErr), End: end, EndError: unsure, Orig: e.orig, Family: e.family,
		Zone: e.zone, Mark: e.mark, Assured: e.assured, Timeout: time.Duration(e.timeout) * time.Second, Ended: how}
	if at := time.Unix(0, e.last).UTC(); e.last > 0 && (e.states == 0 || e.last > e.start+int64(e.at[e.states-1])*int64(time.Millisecond)) {
		r.Last, r.LastError = at, time.Duration(e.lastErr)
	}
	if e.sample < 1 {
		r.Sample = float64(e.sample)
	}
	r.Reply = flow.Tuple{Src: e.orig.Dst, Dst: e.orig.Src, SrcPort: e.orig.DstPort, DstPort: e.orig.SrcPort, Proto: e.orig.Proto}
	if e.reply != nil {
		r.Reply = *e.reply
	}
	for i := range e.states {
		r.States, r.At = append(r.States, e.state[i]), append(r.At, time.Duration(e.at[i])*time.Millisecond)
	}
	return r
}

// keyOf names a flow: the kernel's 32-bit ID, made unique by the tuple.
func keyOf(fl *flow.Flow) uint64 { return uint64(fl.ID)<<32 | tupleHash(&fl.Orig)&0xffffffff }

func tupleHash(t *flow.Tuple) uint64 {
	h := uint64(t.Proto)<<48 | uint64(t.SrcPort)<<32 | uint64(t.DstPort)<<16 | uint64(t.ICMPID)
	return mix(mix(h, addrBits(t.Src)), addrBits(t.Dst))
}

func addrBits(a netip.Addr) uint64 {
	b := a.As16()
	h := uint64(0)
	for i := range 8 {
		h = h<<8 | uint64(b[i]^b[i+8]*31)
	}
	return h
}

func mix(a, b uint64) uint64 {
	z := (a ^ b) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>29) * 0x94d049bb133111eb
	return z ^ z>>32
}
