// Package sample looks at tables over time. The [Sampler] reads the counters of every namespace that tracks
// once a second, the tables as often as its share of the CPU allows, and the kernel's log; it keeps the life
// of incidents and hands samples on to a store. [Watch] follows events with every loss accounted, for as long
// as it is asked to: the Sampler opens no listener, for one makes every namespace of the machine pay.
//
//	s := sample.New(host, sample.Options{Store: db})
//	go s.Run(ctx)
//	w := s.Watch() // what is known now: for metrics and the page
//
// It changes nothing on the host.
package sample

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/netns"
)

// Reading is one look at a namespace.
type Reading struct {
	Count, Max, Buckets int64
	Counters            map[string]uint64
	Initial             bool
	// Settings are read only when they are asked for.
	Settings map[string]int64
}

// Host is what is watched; NewHost is the live one.
type Host interface {
	Namespaces(ctx context.Context) []netns.Namespace
	Read(ctx context.Context, ns netns.Namespace, withSettings bool) (Reading, error)
	// Table reads a namespace's table; see, when it is not nil, is shown every flow of it.
	Table(ctx context.Context, ns netns.Namespace, t *rank.Timeouts, see func(*flow.Flow)) (snapshot.Flows, *int64, error)
	// Flows reads a namespace's table and shows the flows that a filter selects, with the fields that are asked for.
	Flows(ctx context.Context, ns netns.Namespace, o ctnetlink.DumpOptions, fn func(*flow.Flow) error) (whole bool, err error)
	// CPU is what this process used so far, Resident its memory in bytes.
	CPU() time.Duration
	Resident() uint64
	// OpenFiles is how many files this process holds open.
	OpenFiles() int
	// Log calls fn for every kernel message since the last call; lost is how often it was overtaken.
	Log(fn func(kind snapshot.LogKind, inode uint64)) (lost uint64)
}

// Store keeps samples and incidents.
type Store interface {
	Add(namespace string, s snapshot.Sample)
	Incident(i snapshot.Incident)
}

// Recorder is shown every flow of every reading of a namespace's table.
type Recorder interface {
	Begin(now time.Time, t *rank.Timeouts)
	See(fl *flow.Flow)
	End(whole bool)
}

// Options say how to watch. The zero value watches every namespace each second at 1 % of a core.
type Options struct {
	Store Store // nil: nothing is kept
	// Every lies between two samples; 0 means a second.
	Every time.Duration
	// Budget is the share of one core that the whole process may take; 0 means 0.01.
	Budget float64
	// PresentOnly leaves other namespaces alone.
	PresentOnly bool
	// Pressure is the threshold of an incident; 0 means 0.9.
	Pressure float64
	// Drift tells which running settings differ from what the next boot will set, by namespace inode;
	// nil: not watched.
	Drift func(ctx context.Context) map[uint64][]snapshot.Drifted
	// Past reads samples that were kept, oldest first: the day before tells whether a table that fills every
	// morning will be full today. nil: the forecast knows the last minutes only.
	Past func(ctx context.Context, namespace string, from, to time.Time) ([]snapshot.Sample, error)
	// Recorder, when set, gives the recorder of a namespace; nil: its flows are not recorded.
	Recorder func(namespace string) Recorder
	// Open are incidents that an earlier run left open: they go on, or end when they were seen last.
	Open []snapshot.Incident
	// By names the command that changed a setting about now, "" when it is not known; nil: none is.
	By func(setting string, to int64) string
	// Now is the clock that samples and incidents are stamped with, which may step; nil means time.Now.
	Now func() time.Time
	// Lost is told why something was lost, each time; nil: it is only counted. It may not call the Sampler.
	Lost func(what string, err error)
	// Changed is told of every incident when it opens and when it closes.
	Changed func(snapshot.Incident)
}

// Sampler watches one host.
type Sampler struct {
	host Host
	o    Options

	mu      sync.Mutex
	watched []*watched
	lines   map[snapshot.LogKind]uint64
	lost    map[string]uint64
	started time.Time
	at      time.Time
	cost    budget
	first   chan struct{}
	asked   asked
}

// Intervals of what is not done at every sample.
const (
	discoverEvery = 30 * time.Second
	settingsEvery = time.Minute
	driftEvery    = 5 * time.Minute
	pastEvery     = 10 * time.Minute
	fullRate      = 8 // namespaces that are read at every sample; more take turns
)

// New returns a sampler that has not begun.
func New(h Host, o Options) *Sampler {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.Budget <= 0 {
		o.Budget = 0.01
	}
	if o.Pressure <= 0 {
		o.Pressure = 0.9
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sampler{host: h, o: o, lines: map[snapshot.LogKind]uint64{}, lost: map[string]uint64{}, cost: budget{share: o.Budget}, first: make(chan struct{}), asked: asked{turn: make(chan struct{}, 1)}}
}

// Continue goes on with what another sampler knows, whose Run has ended: for other options.
func (s *Sampler) Continue(old *Sampler) {
	s.watched, s.lines, s.lost, s.started, s.cost = old.watched, old.lines, old.lost, old.started, old.cost
	s.cost.share = s.o.Budget
}

// First is closed when everything was read once.
func (s *Sampler) First() <-chan struct{} { return s.first }

// Run watches until the context ends. Incidents that are open then are handed to the store as they stand.
func (s *Sampler) Run(ctx context.Context) {
	s.mu.Lock()
	if s.started.IsZero() {
		s.started = s.o.Now().UTC()
	}
	s.mu.Unlock()
	if s.cost.begun.IsZero() {
		s.cost.begin(time.Now(), s.host.CPU())
	}
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	var tables sync.WaitGroup
	defer func() { tables.Wait(); s.keepOpen() }()
	var discovered, drifted, remembered time.Time
	for n := 0; ctx.Err() == nil; n++ {
		now := time.Now()
		if now.Sub(discovered) >= discoverEvery {
			s.discover(ctx)
			discovered = now
		}
		if s.o.Drift != nil && now.Sub(drifted) >= driftEvery {
			s.drift(ctx)
			drifted = now
		}
		if s.o.Past != nil && now.Sub(remembered) >= pastEvery {
			s.remember(ctx, s.o.Now())
			remembered = now
		}
		s.sampleAll(ctx, n)
		if n == 0 {
			close(s.first)
			tables.Go(func() { s.readTables(ctx) })
		}
		s.readLog()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// discover looks for namespaces that came or went.
func (s *Sampler) discover(ctx context.Context) {
	found := s.host.Namespaces(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	var kept []*watched
	defer s.leftOpen()
	for _, ns := range found {
		if s.o.PresentOnly && !ns.Present {
			continue
		}
		w := s.find(ns.Inode)
		if w == nil {
			w = s.adopt(ns)
		}
		w.ns = ns
		w.checked = false
		kept = append(kept, w)
	}
	for _, w := range s.watched {
		if w.incident != nil && s.gone(w, found) {
			s.close(w, s.o.Now().UTC())
		}
	}
	s.watched = kept
}

func (s *Sampler) gone(w *watched, found []netns.Namespace) bool {
	for _, ns := range found {
		if ns.Inode == w.ns.Inode {
			return false
		}
	}
	return true
}

func (s *Sampler) find(inode uint64) *watched {
	for _, w := range s.watched {
		if w.ns.Inode == inode {
			return w
		}
	}
	return nil
}

// sampleAll reads every namespace that tracks, or with many of them those whose turn it is.
func (s *Sampler) sampleAll(ctx context.Context, n int) {
	s.mu.Lock()
	all := append([]*watched(nil), s.watched...)
	s.mu.Unlock()
	turns := max((s.tracking(all)+fullRate-1)/fullRate, 1)
	foresee := time.Duration(turns) * foreseeEvery
	i := 0
	for _, w := range all {
		if ctx.Err() != nil {
			return
		}
		if w.checked && !w.tracks && !w.ns.Present {
			continue // until it is discovered anew
		}
		if i++; w.checked && (i+n)%turns != 0 {
			continue
		}
		s.sample(ctx, w, foresee)
	}
	s.mu.Lock()
	s.at = s.o.Now().UTC()
	s.mu.Unlock()
}

func (s *Sampler) tracking(all []*watched) int {
	n := 0
	for _, w := range all {
		if w.tracks {
			n++
		}
	}
	return n
}

// sample reads one namespace.
func (s *Sampler) sample(ctx context.Context, w *watched, foresee time.Duration) {
	s.mu.Lock()
	every := settingsEvery
	if w.incident != nil {
		every = lookEvery
	}
	s.mu.Unlock()
	withSettings := time.Since(w.settingsAt) >= every
	r, err := s.host.Read(ctx, w.ns, withSettings)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if ctx.Err() != nil {
			return // it was not let finish
		}
		w.fail(err)
		if w.tracks || w.ns.Present {
			s.lose("samples", fmt.Errorf("%s: %w", w.ns.Name, err))
		}
		return
	}
	w.failed = ""
	if withSettings {
		w.settingsAt = time.Now()
	}
	now := s.o.Now().UTC()
	s.changes(w, w.renew(r), now)
	sm, first := w.take(r, now)
	w.foresee(time.Now(), foresee)
	if first || !w.tracks && !w.ns.Present {
		return
	}
	if s.o.Store != nil {
		s.o.Store.Add(w.ns.Name, sm)
	}
	s.judge(w, sm)
}

// lose counts what could not be read; s.mu is held.
func (s *Sampler) lose(what string, err error) {
	s.lost[what]++
	if s.o.Lost != nil {
		s.o.Lost(what, err)
	}
}

// readLog counts the kernel's messages, and gives those about a full table to its incident.
func (s *Sampler) readLog() {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.host.Log(func(kind snapshot.LogKind, inode uint64) {
		s.lines[kind]++
		if w := s.find(inode); kind == snapshot.LogTableFull && w != nil {
			w.fullLines++
		}
	})
	if lost > 0 {
		s.lost["log"] += lost
	}
}

func (s *Sampler) drift(ctx context.Context) {
	found := s.o.Drift(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watched {
		w.drift = found[w.ns.Inode]
	}
}

// settingNames are what Read is to bring with withSettings.
func settingNames() []string {
	var names []string
	for _, st := range settings.All() {
		names = append(names, st.Name)
	}
	return names
}
