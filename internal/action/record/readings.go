package record

import (
	"sync"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// ReadingsOptions say how large a record made from readings may be. The zero value is a daemon's.
type ReadingsOptions struct {
	// Dir is where its files go.
	Dir string
	// Flows is how many are followed at once, and PerHour how many may end in an hour, before half of the
	// sample is given up; 0 means 4096 and 12000.
	Flows, PerHour int
	// Age and Keep bound the files; 0 means a day and an hour, and 32 MiB.
	Age  time.Duration
	Keep int64
}

// FileEvery is how often a file is made of what ended: so much is lost when the process is killed.
const FileEvery = 15 * time.Minute

// Readings keeps a small record of one namespace from readings of its table that somebody makes anyhow. It
// follows the flows whose tuple falls into a sample, which shrinks by halves as the table grows; the
// remaining time of each tells when its last packet came, so that the record knows how long flows were idle.
//
//	r.Begin(time.Now(), timeouts)
//	for each flow { r.See(fl) }
//	r.End(consistent)
type Readings struct {
	o ReadingsOptions

	mu    sync.Mutex // of everything below
	open  map[uint64]*observed
	ended []flow.Record
	// halved is how often the sample was: it holds the flows whose hash has as many leading zeros.
	halved   int
	timeouts *rank.Timeouts
	round    uint32
	now      time.Time // of the reading under way
	begun    time.Time // of the first whole one
	before   time.Time // of the last whole one; zero before the first
	known    time.Time // of the one before that: what began until then was seen, or is known to be missed
	filed    time.Time
	rows     int // that ended since filed
	lost     uint64
}

// NewReadings begins a record.
func NewReadings(o ReadingsOptions) *Readings {
	if o.Flows <= 0 {
		o.Flows = 4096
	}
	if o.PerHour <= 0 {
		o.PerHour = 12000
	}
	if o.Age <= 0 {
		o.Age = 25 * time.Hour
	}
	if o.Keep <= 0 {
		o.Keep = 32 << 20
	}
	return &Readings{o: o, open: map[uint64]*observed{}}
}

// Begin starts a reading; timeouts are the namespace's.
func (r *Readings) Begin(now time.Time, timeouts *rank.Timeouts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.round++
	r.now, r.timeouts = now, timeouts
	if r.filed.IsZero() {
		r.filed = now
	}
}

// See takes in one flow of the reading. A flow that is seen twice counts once.
func (r *Readings) See(fl *flow.Flow) {
	hash := SampleHash(&fl.Orig)
	if !in(hash, r.halved) { // only readings change it
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := mix(hash, uint64(fl.Zone))
	e := r.open[key]
	switch {
	case e == nil:
		for len(r.open) >= r.o.Flows {
			r.halve()
		}
		if !in(hash, r.halved) {
			return
		}
		r.open[key] = newObserved(fl, hash, r)
	case e.round != r.round:
		e.see(fl, r)
	}
}

// in tells whether a hash belongs to a sample that was halved so often.
func in(hash uint64, halved int) bool { return hash>>(64-halved) == 0 }

// InSample tells whether a flow belongs to the sample of a record that holds this share of all.
func InSample(hash uint64, share float64) bool { return float64(hash>>11)/(1<<53) < share }

// SampleHash is what chooses the flows of a sample.
func SampleHash(t *flow.Tuple) uint64 { return mix(tupleHash(t), 0x6a09e667f3bcc909) }

// halve gives up half of the sample.
func (r *Readings) halve() {
	r.halved++
	for key, e := range r.open {
		if !in(e.hash, r.halved) {
			delete(r.open, key)
		}
	}
	kept := r.ended[:0]
	for _, rec := range r.ended {
		if in(SampleHash(&rec.Orig), r.halved) {
			kept = append(kept, rec)
		}
	}
	clear(r.ended[len(kept):])
	r.ended = kept
}

// End ends a reading. After one that was not whole, no flow is held to have ended.
func (r *Readings) End(whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !whole {
		return
	}
	for key, e := range r.open {
		if e.round != r.round { // it is missing: it was there when before was
			r.ended = append(r.ended, e.record(r.now, r.now.Sub(r.before)))
			r.rows++
			delete(r.open, key)
		}
	}
	if r.begun.IsZero() {
		r.begun = r.now
	}
	r.known, r.before = r.before, r.now
	passed := r.now.Sub(r.filed)
	for r.rows > r.o.PerHour/4 && float64(r.rows) > float64(r.o.PerHour)*passed.Hours() {
		r.halve()
		r.rows /= 2
	}
	if passed < FileEvery && len(r.ended) <= r.o.PerHour {
		return
	}
	_ = r.file() // what was lost is counted
	if r.halved > 0 && len(r.open) < r.o.Flows/8 && r.rows < r.o.PerHour/32 {
		r.halved--
	}
	r.filed, r.rows = r.now, 0
}

// Share is the part of all flows that the sample holds.
func (r *Readings) Share() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.share()
}

func (r *Readings) share() float64 { return 1 / float64(uint64(1)<<r.halved) }

// Span is from when to when the record tells of all that it can; the end is zero before the second reading.
func (r *Readings) Span() (from, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun, r.known
}

// Each calls fn with what is in no file yet: flows that ended, and those under way as open ones.
func (r *Readings) Each(fn func(flow.Record)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.ended {
		fn(rec)
	}
	for _, e := range r.open {
		fn(e.openRecord())
	}
}

// Close files what ended and what is under way.
func (r *Readings) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.open {
		r.ended = append(r.ended, e.openRecord())
	}
	r.open = map[uint64]*observed{}
	return r.file()
}
