// Package replay runs one stream of packets through the model under many settings at once, and tells what
// each of them would have done: how full the table, what was refused, evicted and broken.
//
//	p := replay.New(replay.Options{Variants: …})
//	for each packet { p.Packet(at, &pk) } // in the order of their times
//	results := p.Finish()
//
// It neither reads captures nor knows where the packets come from. With one variant everything runs in the
// caller's goroutine; with more, variants are shared out to workers, which Finish joins.
package replay

import (
	"runtime"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// Variant is one set of settings, and the kernel that it is for.
type Variant struct {
	Profile  model.Profile
	Settings model.Settings
	// Policies treat services otherwise; the first that fits a packet holds.
	Policies []Policy
}

// Options start a replay.
type Options struct {
	Variants []Variant
	// Seed stands for the kernel's random numbers; packets must be decoded with the same.
	Seed uint64
	// Flows is how many flows each variant makes room for at once; more are taken too.
	Flows int
	// GCPhase is when the collector's first pass runs after the first packet; 0 means a second.
	GCPhase int64
	// Helpers are attached to new flows, in every variant.
	Helpers []model.Helper
	// Translated tells of flows, by the hash of their key, that NAT changes; nil: none is known to be. It is called
	// by several workers at once.
	Translated func(hash uint64) bool
	// Workers share the variants; 0 means one a core.
	Workers int
	// Verdict, when set, is told what the last variant made of each packet, in order. Everything then runs
	// in the caller's goroutine.
	Verdict func(p *packet.Packet, v model.Verdict)
}

// Player is a replay under way.
type Player struct {
	opts Options
	runs []*run
	pool *pool // nil: everything runs here
	// batch is what was not played yet when everything runs here; nil: each packet is played at once.
	batch *batch
}

// New starts a replay.
func New(o Options) *Player {
	p := &Player{opts: o}
	for _, v := range o.Variants {
		p.runs = append(p.runs, newRun(v, o))
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	switch n := min(o.Workers, len(p.runs)); {
	case o.Verdict != nil:
	case n > 1:
		p.pool = newPool(p.runs, n, len(o.Helpers) > 0)
	default:
		p.batch = newBatch(len(o.Helpers) > 0)
	}
	return p
}

// Packet plays one packet at its time in nanoseconds; one before the last packet's counts as the same
// time. The packet is the caller's again when it returns. Packets are gathered: so many are played together that what
// each waits for in memory is fetched at once.
func (p *Player) Packet(at int64, pk *packet.Packet) {
	switch {
	case p.pool != nil:
		p.pool.add(at, pk)
		return
	case p.batch != nil:
		if p.batch.add(at, pk); p.batch.full() {
			p.play()
		}
		return
	}
	var v model.Verdict
	for _, r := range p.runs {
		v = r.step(at, pk)
	}
	if p.opts.Verdict != nil {
		p.opts.Verdict(pk, v)
	}
}

// play plays what was gathered.
func (p *Player) play() {
	if p.batch == nil {
		return
	}
	for _, r := range p.runs {
		r.steps(p.batch)
	}
	p.batch.reset()
}

// reading marks, among packets, that somebody reads the table.
const reading packet.Kind = 0xff

// wholeTable is the share of a table that a reading packet calls all of it.
const wholeTable = 1 << 30

// Read lets somebody read the tables at a moment, or a part of them between two shares, as a slow reader does: what
// expired there is collected then. 0 and 1 are the whole.
func (p *Player) Read(at int64, from, to float64) {
	p.Packet(at, &packet.Packet{Kind: reading, TCP: packet.TCP{Seq: uint32(from * wholeTable), End: uint32(to * wholeTable)}})
}

// Pass lets time pass up to a moment at which no packet comes.
func (p *Player) Pass(at int64) { p.Packet(at, &packet.Packet{}) }

// Finish ends the replay and returns a result for each variant, in their order.
func (p *Player) Finish() []Result {
	if p.pool != nil {
		p.pool.finish()
		p.pool = nil
	}
	p.play()
	out := make([]Result, len(p.runs))
	for i, r := range p.runs {
		out[i] = r.result()
	}
	return out
}

// Model is a variant's table, for what is left in it after Finish; where everything runs in the caller's goroutine, as
// it is now.
func (p *Player) Model(i int) *model.Model {
	p.play()
	return p.runs[i].m
}
