package whatif

import (
	"context"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/snapshot"
)

// Question is what is to be told.
type Question struct {
	From, To time.Time
	Profile  model.Profile
	// Now are the settings in force, Then those that are asked about.
	Now, Then model.Settings
	// Measured are the counts of this time; without any the record has no scale but its share.
	Measured []snapshot.Sample
	// MostPackets bounds the work: of a day with more, a part is played. 0 means 1.5 million.
	MostPackets int64
}

// Answer is the day as it was and as it would have been. Curves have a point for each Step from From on.
type Answer struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Step float64   `json:"step"` // seconds
	// Measured is the highest count of each step, Now what the model makes of the record under the settings in
	// force, Low and High what those asked about would have needed, errors included: more than max is told as if
	// there were room. null is not known.
	Measured []*float64 `json:"measured"`
	Now      []*float64 `json:"now"`
	Low      []*float64 `json:"low"`
	High     []*float64 `json:"high"`

	Peak     Range `json:"peak"`
	PeakNow  int64 `json:"peak_measured"`
	Max      int64 `json:"max"`
	PeakHeld Range `json:"peak_held"`
	// OverMax is for how long the table would have needed more room than max. Broken flows carried traffic again
	// after the settings had forgotten them. RefusedNow are packets that the kernel refused in this time: their
	// flows are in no record.
	OverMax    Seconds `json:"over_max_seconds"`
	Broken     Range   `json:"broken"`
	RefusedNow uint64  `json:"refused_measured"`
	Verdict    Verdict `json:"verdict"`

	// Flows is how many flows of the record were played, Share the part of all that they are, Seen the part of the
	// counted flows that the record accounts for.
	Flows int     `json:"flows"`
	Share float64 `json:"share"`
	Seen  float64 `json:"seen,omitempty"`
	// Sampling is how far the peak may be off because the record is a sample, in 19 of 20 cases, as a share of it;
	// Model how far the model, under the settings in force, is from what was measured, on average.
	Sampling float64 `json:"sampling_error"`
	Model    float64 `json:"model_error,omitempty"`
}

// Range is two bounds.
type Range struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// Seconds are two bounds of a time.
type Seconds struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Verdict is what would have become of new flows.
type Verdict string

// Verdicts.
const (
	Fits    Verdict = "fits"    // there was room for all
	Evicts  Verdict = "evicts"  // full, but flows that the kernel may evict made room
	Refuses Verdict = "refuses" // more flows that it may not evict than max
	Unsure  Verdict = "unsure"  // by the upper bounds it refuses, by the lower it does not
)

// steps is how many points a curve has at most.
const steps = 288

// Ask plays the day. It ends early, with the context's error, when the context does.
func (d *Day) Ask(ctx context.Context, q Question) (Answer, error) {
	if q.MostPackets <= 0 {
		q.MostPackets = 1.5e6
	}
	turns := d.turns(&q)
	if n := d.cost(&q, turns); n > q.MostPackets {
		d.Thin(d.share * float64(q.MostPackets) / float64(n))
		turns = d.turns(&q)
	}
	now, then := q.Now, q.Then
	now.Max, then.Max = 0, 0 // what a small table refuses tells little of a large one; what it needs does
	base, err := d.play(ctx, &q, turns, now, workload.Silent)
	if err != nil {
		return Answer{}, err
	}
	g := newGrid(&q)
	g.alike = d.alike(turns)
	g.measure(q.Measured)
	scale := g.calibrate(&base, d.share)
	var runs [2]replay.Result
	for i, b := range []workload.Between{workload.Silent, workload.Busy} {
		if runs[i], err = d.play(ctx, &q, turns, then, b); err != nil {
			return Answer{}, err
		}
	}
	a := g.answer(&base, &runs, scale)
	a.Flows, a.Share = len(d.all), d.share
	return a, nil
}

// alike is how many flows of the stream one of the record is, on average over the stream.
func (d *Day) alike(turns []turn) float64 {
	sum := 0.0
	for _, t := range turns {
		sum += float64(d.all[t.flow].weight)
	}
	return sum / float64(max(len(turns), 1))
}

// cost is about how many packets the day has.
func (d *Day) cost(q *Question, turns []turn) int64 {
	n := int64(0)
	for _, t := range turns {
		s := &d.all[t.flow]
		life := max(min(d.lastKnown(s), q.To.UnixNano())-t.at, 0)
		n += 6 + life/max(min(d.timer(s, &q.Now), d.timer(s, &q.Then)), 1)
	}
	return n
}

// play runs the day through the model.
func (d *Day) play(ctx context.Context, q *Question, turns []turn, set model.Settings, b workload.Between) (replay.Result, error) {
	p := replay.New(replay.Options{Variants: []replay.Variant{{Profile: q.Profile, Settings: set}}, Workers: 1})
	d.load(q, p, &set)
	dec := packet.NewDecoder(packet.Options{DCCP: q.Profile.DCCP})
	var pk packet.Packet
	send := func(at int64, ip []byte) {
		if dec.IP(at, ip, &pk); pk.Kind == packet.Tracked {
			p.Packet(at, &pk)
		}
	}
	edge := workload.FromRecords(edges(q), workload.Silent, time.Hour)
	at, ip, _ := edge.Next()
	send(at, ip)
	end := q.To.UnixNano()
	all := d.packets(q, turns, b)
	for n := 1; ; n++ {
		at, ip, ok := all.Next()
		if !ok || at >= end {
			break
		}
		if n%4096 == 0 && ctx.Err() != nil {
			p.Finish()
			return replay.Result{}, ctx.Err()
		}
		send(at, ip)
	}
	at, ip, _ = edge.Next()
	send(at, ip)
	return p.Finish()[0], nil
}

// edges are a packet at the beginning and one at the end, so that time passes in between.
func edges(q *Question) []flow.Record {
	rec := flow.Record{Start: q.From, End: q.From, Ended: flow.EndExpired, Family: flow.IPv4,
		Orig: flow.Tuple{Src: host[0], Dst: host[0].Next(), SrcPort: 9, DstPort: 9, Proto: flow.UDP}}
	last := rec
	last.Start, last.End = q.To, q.To
	last.Orig.SrcPort = 10
	return []flow.Record{rec, last}
}

// load puts the flows into the table that lay idle in it at the beginning, as long as these settings leave them.
func (d *Day) load(q *Question, p *replay.Player, set *model.Settings) {
	from := q.From.UnixNano()
	var all []replay.Loaded
	for i := range d.all {
		s := &d.all[i]
		if s.weight != 1 || s.start >= from || s.end != 0 && s.end <= from || !d.idle(s, from) {
			continue
		}
		state, timer := flow.NoState, d.timer(s, set)
		if s.nstates > 0 {
			state = d.marks[s.marks+uint32(s.nstates)-1].state
			if s.proto == flow.TCP {
				timer = set.TCP[state.Number()]
			}
		}
		deadline := d.lastKnown(s) + timer
		if deadline <= from {
			continue
		}
		status := flow.SeenReply | flow.Confirmed
		if s.assured {
			status |= flow.Assured
		}
		t := made(s, uint32(1<<23+i))
		all = append(all, replay.Loaded{Orig: tuple(t, false), Reply: tuple(t, true), Status: status, State: state, Created: s.start, Deadline: deadline})
	}
	p.Load(all...)
}

// tuple is the model's form of a flow's tuple, or of its reply.
func tuple(t flow.Tuple, reply bool) packet.Tuple {
	o := packet.Tuple{SPort: t.SrcPort, DPort: t.DstPort, Proto: uint8(t.Proto), Family: 4, ICMPType: t.ICMPType, ICMPID: t.ICMPID}
	put := func(a [16]byte, b interface{ AsSlice() []byte }) [16]byte { copy(a[:], b.AsSlice()); return a }
	o.Src, o.Dst = put(o.Src, t.Src), put(o.Dst, t.Dst)
	if t.Src.Is6() {
		o.Family = 6
	}
	if t.Proto == flow.ICMP || t.Proto == flow.ICMPv6 {
		o.SPort, o.DPort = 0, 0
	}
	if reply {
		o.Src, o.Dst, o.SPort, o.DPort = o.Dst, o.Src, o.DPort, o.SPort
		switch o.ICMPType {
		case 8:
			o.ICMPType = 0
		case 128:
			o.ICMPType = 129
		}
	}
	return o
}
