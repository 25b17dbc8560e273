package main

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/advice/whatif"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/web"
)

// What-if has a budget of its own, beside the daemon's.
const (
	// whatIfShare is the share of one core that answers may take, over a minute: one at a time.
	whatIfShare  = 0.25
	whatIfMinute = time.Minute
	// whatIfMemory is what an answer may take beside the daemon's own; whatIfFlows keeps it below that.
	whatIfMemory = 64 << 20
	whatIfFlows  = 40000
	// whatIfKept is how long a record that was read stays in memory.
	whatIfKept = 2 * time.Minute
	// whatIfSoonest is how much of a record there must be.
	whatIfSoonest = 5 * time.Second
)

// asker answers what-if questions, one at a time.
type asker struct {
	source *serveSource
	kept   *records
	turn   chan struct{}

	mu    sync.Mutex // of everything below
	spent []spending
	day   *loadedDay
	drop  *time.Timer
}

// spending is what an answer cost, and when.
type spending struct {
	at   time.Time
	took time.Duration
}

// loadedDay is a record in memory.
type loadedDay struct {
	namespace string
	at        time.Time
	from, to  time.Time
	day       *whatif.Day
}

func newAsker(s *serveSource, r *records) *asker {
	return &asker{source: s, kept: r, turn: make(chan struct{}, 1)}
}

// ask answers one question.
func (k *asker) ask(ctx context.Context, namespace string, set []string) (web.WhatIf, error) {
	doc := web.WhatIf{Budget: whatIfShare, MemoryLimit: whatIfMemory, Settings: map[string]web.Pair{}}
	base, then, err := k.variants(ctx, namespace, set)
	if err != nil {
		return doc, err
	}
	for _, name := range model.Names() {
		now, _ := base.settings.Get(name)
		changed, _ := then.Get(name)
		doc.Settings[name] = web.Pair{Now: now, Then: changed}
	}
	doc.MemoryFull = uint64(max(then.Max, 0))*settings.FlowBytes(base.kernel) + uint64(max(then.Buckets, 0))*settings.BucketBytes
	readings := k.kept.of(namespace)
	if readings == nil {
		return doc, nil
	}
	since, known := readings.Span()
	doc.Since, doc.Reading = since, k.source.sampler.Watch().TableEvery
	if known.Sub(since) < whatIfSoonest {
		return doc, nil
	}
	if wait := k.wait(time.Now()); wait > 0 {
		return doc, web.BusyError{After: wait}
	}
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return doc, ctx.Err()
	}
	begin := time.Now()
	defer func() { k.spend(begin) }()
	loaded := k.load(namespace, readings)
	samples, err := k.source.Samples(ctx, namespace, loaded.from, loaded.to, 2000)
	if err != nil {
		return doc, err
	}
	answer, err := loaded.day.Ask(ctx, whatif.Question{From: loaded.from, To: loaded.to, Profile: base.profile, Now: base.settings, Then: then, Measured: samples})
	if err != nil {
		return doc, err
	}
	doc.Ready, doc.Since, doc.Answer, doc.Seconds = true, loaded.from, &answer, time.Since(begin).Seconds()
	return doc, nil
}

// variants are the settings in force in a namespace, and those that are asked about.
func (k *asker) variants(ctx context.Context, namespace string, set []string) (replayBase, model.Settings, error) {
	snap, err := k.source.snapshot(ctx)
	if err != nil {
		return replayBase{}, model.Settings{}, err
	}
	one := snap
	one.Namespaces = nil
	for _, n := range snap.Namespaces {
		if n.Name == namespace {
			one.Namespaces = []snapshot.Namespace{n}
		}
	}
	base, err := k.source.app.baseOf(one)
	if err != nil {
		return base, model.Settings{}, err
	}
	pairs, err := pairsOf("set", set)
	if err != nil {
		return base, model.Settings{}, web.RequestError(err.Error())
	}
	for _, p := range pairs {
		if p.name == "kernel" {
			return base, model.Settings{}, web.RequestError("set=kernel: the kernel stays what it is")
		}
	}
	v, err := base.variant("", pairs)
	if err != nil {
		return base, model.Settings{}, web.RequestError(err.Error())
	}
	return base, v.settings, nil
}

// load reads the last day of a namespace's record, or takes the one that was read just now.
func (k *asker) load(namespace string, readings *record.Readings) *loadedDay {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.day; l != nil && l.namespace == namespace && time.Since(l.at) < whatIfKept {
		return l
	}
	l := &loadedDay{namespace: namespace, at: time.Now(), day: whatif.NewDay(whatIfFlows)}
	add := func(rec flow.Record) { l.day.Add(&rec, record.SampleHash(&rec.Orig)) }
	kept, err := record.ReadFiles(k.kept.dirOf(namespace), add)
	if err != nil {
		k.kept.log.Warn("part of the record cannot be read", "namespace", namespace, "error", err)
	}
	readings.Each(add)
	l.day.Thin(min(kept.Share, readings.Share()))
	l.from, l.to = readings.Span()
	if !kept.From.IsZero() && kept.From.Before(l.from) {
		l.from = kept.From
	}
	if day := l.to.Add(-24 * time.Hour); l.from.Before(day) {
		l.from = day
	}
	k.day = l
	if k.drop != nil {
		k.drop.Stop()
	}
	k.drop = time.AfterFunc(whatIfKept, k.forget)
	return l
}

// forget gives the memory of the last record back.
func (k *asker) forget() {
	k.mu.Lock()
	k.day = nil
	k.mu.Unlock()
	debug.FreeOSMemory()
}

// wait is how long the budget says to wait.
func (k *asker) wait(now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.spent) > 0 && now.Sub(k.spent[0].at) >= whatIfMinute {
		k.spent = k.spent[1:]
	}
	sum := time.Duration(0)
	for _, s := range k.spent {
		sum += s.took
	}
	for _, s := range k.spent {
		if sum < time.Duration(whatIfShare*float64(whatIfMinute)) {
			break
		}
		if sum -= s.took; sum < time.Duration(whatIfShare*float64(whatIfMinute)) {
			return whatIfMinute - now.Sub(s.at)
		}
	}
	return 0
}

func (k *asker) spend(begin time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spent = append(k.spent, spending{begin, time.Since(begin)})
}

// WhatIf tells what the last day would have been under other settings.
func (s *serveSource) WhatIf(ctx context.Context, namespace string, set []string) (web.WhatIf, error) {
	if s.asker == nil {
		return web.WhatIf{}, web.NotFoundError("what-if: it is switched off, or there is no directory for its record")
	}
	return s.asker.ask(ctx, namespace, set)
}
