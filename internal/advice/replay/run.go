package replay

import (
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// run is one variant: its table, and what is noted of it.
type run struct {
	m       *model.Model
	seed    uint64
	max     int64
	loose   bool
	curve   curve
	level   levels
	refused refusals
	broken  broken
	log     []string
	lines   int64
	// policies of services, before the settings.
	policies []Policy

	begun      bool
	first, now int64
	atLimit    int64 // nanoseconds
	peak       int
	peakHeld   int
	peakAt     int64
	evicted    uint64 // by the packet or the moment under way
}

// maxLogLines bounds the log lines that are kept; their number is always exact.
const maxLogLines = 20

func newRun(v Variant, o Options) *run {
	r := &run{seed: o.Seed, max: v.Settings.Max, loose: v.Settings.TCPLoose, policies: v.Policies, broken: newBroken(o.Translated), refused: newRefusals()}
	set := v.Settings
	r.m = model.New(model.Config{Profile: v.Profile, Settings: &set, Seed: o.Seed, Flows: o.Flows, GCPhase: o.GCPhase, Helpers: o.Helpers, Ended: r.ended,
		Logged: func(_ int64, line string) {
			if r.lines++; len(r.log) < maxLogLines {
				r.log = append(r.log, line)
			}
		}})
	return r
}

func (r *run) steps(b *batch) {
	for i := range b.packets {
		if i%model.BatchSize == 0 {
			r.m.Touch(b.packets[i:min(i+model.BatchSize, len(b.packets))])
		}
		r.step(b.at[i], &b.packets[i])
	}
}

func (r *run) step(at int64, p *packet.Packet) model.Verdict {
	if !r.begun {
		r.begun, r.first, r.now = true, at, at
		r.curve.begin(at)
	}
	if at > r.now {
		r.advance(at)
	}
	if p.Kind == 0 || p.Kind == reading { // time alone
		if r.m.Advance(r.now); p.Kind == reading {
			r.m.Read(r.now, float64(p.TCP.Seq)/wholeTable, float64(p.TCP.End)/wholeTable)
		}
		r.note(0)
		return model.Verdict{}
	}
	v, tracked := r.track(p)
	if !tracked {
		return v
	}
	refused := uint64(0)
	switch v.Result {
	case model.NewFlow, model.Invalid:
		r.broken.back(p, v.Result, r.loose)
	case model.Refused:
		refused = 1
		r.refused.add(p)
		r.broken.back(p, v.Result, r.loose)
	}
	r.note(refused)
	return v
}

// track steps the model, under the policy of the packet's service where it has one.
func (r *run) track(p *packet.Packet) (v model.Verdict, tracked bool) {
	if len(r.policies) == 0 {
		return r.m.Step(r.now, p), true
	}
	notrack, back := r.policy(p)
	if notrack {
		return model.Verdict{Result: model.Untracked}, false
	}
	v = r.m.Step(r.now, p)
	if back != nil {
		back()
	}
	return v, true
}

// ended is told of every flow that leaves the table.
func (r *run) ended(e model.End) {
	if e.Why == model.Evicted {
		r.evicted++
	}
	r.broken.ended(e, e.Key.Hash(r.seed))
}

// advance lets time pass, in steps of the curve, so that what the collector does between packets is seen.
func (r *run) advance(at int64) {
	r.curve.fit(at)
	for next := r.curve.boundary(r.now); next < at; next = r.curve.boundary(r.now) {
		r.pass(next)
		r.m.Advance(next)
		r.note(0)
	}
	r.pass(at)
}

// pass accounts for the time up to at, in which the table stood as it is.
func (r *run) pass(at int64) {
	d := at - r.now
	r.level.add(r.m.Count(), r.m.Held(), d)
	if r.max > 0 && int64(r.m.Count()) >= r.max {
		r.atLimit += d
	}
	r.now = at
}

// note takes down how the table stands.
func (r *run) note(refused uint64) {
	count, held := r.m.Count(), r.m.Held()
	if count > r.peak {
		r.peak, r.peakAt = count, r.now
	}
	r.peakHeld = max(r.peakHeld, held)
	r.curve.note(r.now, count, held, refused, r.evicted)
	r.evicted = 0
}
