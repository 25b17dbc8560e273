package sample

import (
	"context"
	"sync"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// tooMany events during one reading of the table make it worthless: the table is read again.
const tooMany = 1 << 20

// pauses between readings of the table: at least this, and as many times as long as the last took.
const (
	leastPause = time.Second
	pauseTimes = 4
)

// syncer reads the table after a loss. While it reads, it knows which flows had an event since: their
// rows may be older than what was shown, and are left out.
type syncer struct {
	w    *watch
	wake chan struct{}

	mu      sync.Mutex
	reading bool
	seen    map[uint32]struct{}
	stale   bool // something was lost since the last reading began
	lost    uint64
	done    uint64
}

func newSyncer(w *watch) *syncer { return &syncer{w: w, wake: make(chan struct{}, 1)} }

// saw notes an event's flow, before the event is shown.
func (s *syncer) saw(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.reading:
	case len(s.seen) < tooMany:
		s.seen[id] = struct{}{}
	default:
		s.stale = true
	}
}

// fresh reports whether a row of the table is not older than what was shown.
func (s *syncer) fresh(id uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, old := s.seen[id]
	return !old
}

// want asks for a reading of the table.
func (s *syncer) want() {
	s.mu.Lock()
	s.stale = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// result tells how often the table was read, and whether something was lost since.
func (s *syncer) result(c Counts) (done uint64, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done, s.stale || c.Lost > s.lost
}

// run reads the table whenever something was lost, until the context ends.
func (s *syncer) run(ctx context.Context) error {
	pause := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		if s.w.o.NoSync {
			continue
		}
		if !s.settled(ctx, pause) {
			return nil
		}
		start := time.Now()
		if err := s.read(ctx); err != nil {
			return err
		}
		pause = max(leastPause, pauseTimes*time.Since(start))
	}
}

// settled waits for the pause, for a slow reader to catch up, and until the events from before the loss
// are shown: after the table they would be lies.
func (s *syncer) settled(ctx context.Context, pause time.Duration) bool {
	if pause > 0 && !sleep(ctx, pause) {
		return false
	}
	at := s.w.f.Position()
	for !s.w.box.roomy() || !s.w.f.Past(at) {
		if !sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// read shows the whole table.
func (s *syncer) read(ctx context.Context) error {
	lost := s.w.f.Lost()
	counts := Counts{Seen: s.w.f.Seen(), Lost: lost, Filtered: s.w.filtered.Load(), Slow: s.w.slow.Load()}
	s.mu.Lock()
	s.stale, s.lost = false, lost
	s.mu.Unlock()
	// From the line on that begins the reading, and not from before it: who reads forgets at that line.
	begin := func() {
		s.w.box.put(func(b []byte) []byte {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reading, s.seen = true, map[uint32]struct{}{}
			return s.w.p.Lost(b, counts)
		})
	}
	begin()
	rows := uint64(0)
	o := ctnetlink.DumpOptions{Filter: s.w.o.Filter, Idle: s.w.o.Idle, Restart: func() { rows = 0; begin() }}
	res, err := s.w.conn.Dump(ctx, o, func(fl *flow.Flow) error {
		// Asked while the outbox is held, so that no event of the flow comes between.
		s.w.box.put(func(b []byte) []byte {
			if !s.fresh(fl.ID) {
				return b
			}
			rows++
			return s.w.p.Sync(b, fl)
		})
		return nil
	})
	s.mu.Lock()
	s.reading, s.seen = false, nil
	stale := s.stale
	if err == nil {
		s.done++
	} else {
		s.stale = true
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.w.box.put(func(b []byte) []byte { return s.w.p.Synced(b, rows, res.Consistent && !stale) })
	if stale {
		s.want()
	}
	return nil
}
