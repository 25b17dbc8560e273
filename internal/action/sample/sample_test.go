package sample

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/netns"
)

// fakeHost is a host whose figures are functions of the time since its making.
type fakeHost struct {
	mu       sync.Mutex
	begun    time.Time
	spaces   []netns.Namespace
	read     func(ns string, at time.Duration) (Reading, error)
	cpu      time.Duration
	reads    int
	tables   int
	cost     time.Duration // of a table
	messages []uint64      // inodes
}

func newFake(read func(ns string, at time.Duration) (Reading, error), names ...string) *fakeHost {
	h := &fakeHost{begun: time.Now(), read: read}
	for i, n := range names {
		h.spaces = append(h.spaces, netns.Namespace{Name: n, Inode: uint64(100 + i), Present: i == 0})
	}
	return h
}

func (h *fakeHost) Namespaces(context.Context) []netns.Namespace { return h.spaces }

func (h *fakeHost) Read(_ context.Context, ns netns.Namespace, _ bool) (Reading, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	return h.read(ns.Name, time.Since(h.begun))
}

func (h *fakeHost) Table(_ context.Context, _ netns.Namespace, _ *rank.Timeouts, see func(*flow.Flow)) (snapshot.Flows, *int64, error) {
	for i := 0; see != nil && i < 2; i++ {
		see(&flow.Flow{})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tables++
	h.cpu += h.cost
	return snapshot.Flows{Summary: rank.Summary{Total: 50, Assured: 40, Source: []rank.Row{{Key: "192.0.2.1", Count: 30}}}}, nil, nil
}

// Flows are ten, of ten sources; reading them costs as much as ranking a table.
func (h *fakeHost) Flows(_ context.Context, _ netns.Namespace, o ctnetlink.DumpOptions, fn func(*flow.Flow) error) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	time.Sleep(h.cost)
	for i := range 10 {
		fl := &flow.Flow{Family: flow.IPv4, Orig: flow.Tuple{Src: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), Dst: netip.AddrFrom4([4]byte{192, 0, 2, 99}), DstPort: 80, Proto: flow.TCP}}
		if o.Filter.Match(fl, o.Idle) {
			if err := fn(fl); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (h *fakeHost) CPU() time.Duration { h.mu.Lock(); defer h.mu.Unlock(); return h.cpu }
func (h *fakeHost) Resident() uint64   { return 1 << 20 }
func (h *fakeHost) OpenFiles() int     { return 9 }

func (h *fakeHost) Log(fn func(snapshot.LogKind, uint64)) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, inode := range h.messages {
		fn(snapshot.LogTableFull, inode)
	}
	h.messages = nil
	return 0
}

// memory is a store that remembers.
type memory struct {
	mu        sync.Mutex
	samples   []snapshot.Sample
	incidents []snapshot.Incident
}

func (m *memory) Add(_ string, s snapshot.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.samples = append(m.samples, s)
}

func (m *memory) Incident(i snapshot.Incident) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.incidents = append(m.incidents, i)
}

// observe runs a sampler for a time.
func observe(t *testing.T, h *fakeHost, o Options, d time.Duration) *Sampler {
	t.Helper()
	s := New(h, o)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.Run(ctx)
	return s
}

// TestIncidentLife: a table fills at 100 s, refuses for 30 s, is quiet, and refuses again.
func TestIncidentLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusing := func(at time.Duration) bool {
			return at >= 100*time.Second && at < 130*time.Second || at >= 300*time.Second && at < 310*time.Second || at >= 900*time.Second && at < 905*time.Second
		}
		drop := uint64(0xffffff00) // wraps on the way
		h := newFake(nil, "host")
		h.read = func(_ string, at time.Duration) (Reading, error) {
			r := Reading{Count: 400, Max: 1000, Counters: map[string]uint64{}}
			if refusing(at) {
				r.Count = 1000
				drop += 20
				h.messages = append(h.messages, 100)
			}
			r.Counters["drop"] = uint64(uint32(drop))
			return r, nil
		}
		var store memory
		var told []snapshot.Incident
		s := observe(t, h, Options{Store: &store, Changed: func(i snapshot.Incident) { told = append(told, i) }}, 1200*time.Second)
		last := map[string]snapshot.Incident{}
		for _, i := range store.incidents {
			last[i.ID] = i
		}
		if len(last) != 2 {
			t.Fatalf("%d incidents, want 2: the one 170 s after the first is the same", len(last))
		}
		var first snapshot.Incident
		for _, i := range last {
			if first.ID == "" || i.Began.Before(first.Began) {
				first = i
			}
			if i.Ended.IsZero() {
				t.Errorf("%s did not end", i.ID)
			}
		}
		if first.Refused != 40*20 || first.Peak != 1000 || first.Before != 400 || first.LogLines != 40 {
			t.Errorf("%+v", first)
		}
		if len(first.Sources) != 1 {
			t.Errorf("sources %v", first.Sources)
		}
		if w := s.Watch(); w.Namespaces[0].Refused != 45*20 || w.LogLines[snapshot.LogTableFull] != 45 || w.Namespaces[0].Totals["drop"] != 0xffffff00+45*20 {
			t.Errorf("refused %d, lines %v, drop %d", w.Namespaces[0].Refused, w.LogLines, w.Namespaces[0].Totals["drop"])
		}
		if len(told) < 4 {
			t.Errorf("told %d times", len(told))
		}
	})
}

// TestDropBelowMaxIsNoRefusal: other causes count in drop too.
func TestDropBelowMaxIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drop := uint64(0)
		h := newFake(func(string, time.Duration) (Reading, error) {
			drop += 5
			return Reading{Count: 500, Max: 1000, Counters: map[string]uint64{"drop": drop}}, nil
		}, "host")
		var store memory
		s := observe(t, h, Options{Store: &store}, 30*time.Second)
		if w := s.Watch(); w.Namespaces[0].Refused != 0 || len(store.incidents) != 0 || w.Namespaces[0].Totals["drop"] == 0 {
			t.Errorf("%+v", w.Namespaces[0])
		}
	})
}

func TestOpenIncidentIsKeptAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drop := uint64(0)
		h := newFake(func(string, time.Duration) (Reading, error) {
			drop++
			return Reading{Count: 1000, Max: 1000, Counters: map[string]uint64{"drop": drop}}, nil
		}, "host")
		var store memory
		observe(t, h, Options{Store: &store}, 25*time.Second)
		if n := len(store.incidents); n < 3 || !store.incidents[n-1].Ended.IsZero() || store.incidents[n-1].Refused < 20 {
			t.Errorf("%d writings, the last %+v", n, store.incidents[n-1])
		}
	})
}

// TestBudget: tables that cost 3 CPU seconds are read every 300 s and more at 1 %.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake(func(string, time.Duration) (Reading, error) { return Reading{Count: 5, Max: 1000}, nil }, "host")
		h.cost = 3 * time.Second
		s := observe(t, h, Options{}, time.Hour)
		if h.tables < 11 || h.tables > 13 {
			t.Errorf("%d tables in an hour", h.tables)
		}
		if w := s.Watch(); w.TableEvery != 300 || w.TableCost != 3 {
			t.Errorf("cost %v every %v", w.TableCost, w.TableEvery)
		}
	})
}

// spending is a host whose daemon takes so much CPU for a table, for its first sample beside it, and for each.
func spending(table, first, each time.Duration) *fakeHost {
	var h *fakeHost
	h = newFake(func(string, time.Duration) (Reading, error) {
		h.cpu += first + each
		first = 0
		return Reading{Count: 5, Max: 1000}, nil
	}, "host")
	h.cost = table
	return h
}

// TestBudgetIsHeld: when everything else begins to take more after a reading, the next one waits longer.
func TestBudgetIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := spending(3*time.Second, 0, 7*time.Millisecond) // the page is open
		observe(t, h, Options{}, 4*time.Hour)
		if share := h.cpu.Seconds() / (4 * time.Hour).Seconds(); share > 0.0102 {
			t.Errorf("%.2f %% of a core, %d readings", 100*share, h.tables)
		}
		if h.tables < 12 {
			t.Errorf("%d readings in four hours", h.tables)
		}
	})
}

// TestBudgetIsHeldFromTheBeginning: what starting and the first reading take is saved up before the second.
func TestBudgetIsHeldFromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := spending(3*time.Second, 2*time.Second, 4*time.Millisecond)
		observe(t, h, Options{}, 30*time.Minute)
		if share := h.cpu.Seconds() / (30 * time.Minute).Seconds(); share > 0.01 {
			t.Errorf("%.2f %% of a core, %d readings", 100*share, h.tables)
		}
		if h.tables < 2 {
			t.Errorf("%d readings in half an hour", h.tables)
		}
	})
}

// TestSmallTablesAreReadOften: what starting takes does not hold up the reading of what costs nearly nothing.
func TestSmallTablesAreReadOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := spending(2*time.Millisecond, time.Second, 0)
		observe(t, h, Options{}, time.Minute)
		if h.tables < 10 {
			t.Errorf("%d readings in a minute", h.tables)
		}
	})
}

// TestManyNamespaces: they come and go, some track nothing, and beyond eight they take turns.
func TestManyNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 64 {
			names = append(names, string(rune('A'+i)))
		}
		h := newFake(func(ns string, at time.Duration) (Reading, error) {
			switch {
			case ns == "B":
				return Reading{Max: 1000}, nil
			case ns == "C" && at > time.Minute:
				return Reading{}, errors.New("the namespace is gone")
			}
			return Reading{Count: 10, Max: 1000}, nil
		}, names...)
		s := observe(t, h, Options{}, 100*time.Second)
		if most := 64 + 100*9 + 4*64; h.reads > most {
			t.Errorf("%d readings, at most %d are due", h.reads, most)
		}
		w := s.Watch()
		if len(w.Namespaces) != 63 {
			t.Errorf("%d namespaces", len(w.Namespaces))
		}
		for _, n := range w.Namespaces {
			if n.Name == "B" {
				t.Error("a namespace that tracks nothing is shown")
			}
			if n.Name == "C" && n.Error == "" {
				t.Error("one that cannot be read says nothing")
			}
		}
		h.spaces = h.spaces[:5]
		s.discover(t.Context())
		if len(s.Watch().Namespaces) != 4 {
			t.Error("namespaces that went are still there")
		}
	})
}

func TestForecastReachesTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake(func(_ string, at time.Duration) (Reading, error) {
			return Reading{Count: 5000 + 10*int64(at.Seconds()), Max: 10000}, nil
		}, "host")
		s := observe(t, h, Options{}, 200*time.Second)
		f := s.Watch().Namespaces[0].Forecast
		if f == nil || f.Trend != "filling" || f.Full == nil || *f.Full < 290 || *f.Full > 310 {
			t.Errorf("%+v", f)
		}
		if got := len(s.Recent("host", time.Now().Add(-60*time.Second))); got < 59 || got > 61 {
			t.Errorf("%d samples in the last minute", got)
		}
	})
}

// TestANamespaceThatGoes is no loss; one that comes under the same name and number is not taken for it.
func TestANamespaceThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake(func(ns string, at time.Duration) (Reading, error) {
			switch {
			case ns == "host":
				return Reading{Count: 1, Max: 1000}, nil
			case at >= 50*time.Second && at < 80*time.Second:
				return Reading{}, GoneError{errors.New("no such file")}
			case at >= 20*time.Second:
				return Reading{Count: 1000, Max: 1000, Counters: map[string]uint64{"drop": 7, "early_drop": uint64(at / time.Second)}}, nil
			}
			return Reading{Count: 10, Max: 1000, Counters: map[string]uint64{"drop": 100, "early_drop": 1000}}, nil
		}, "host", "pod")
		var store memory
		s := observe(t, h, Options{Store: &store}, 200*time.Second)
		w := s.Watch()
		if len(w.Namespaces) != 2 || w.Lost["samples"] != 0 {
			t.Fatalf("%d namespaces, lost %v", len(w.Namespaces), w.Lost)
		}
		for _, sm := range store.samples {
			if sm.Rises.Drop > 0 || sm.Rises.Refused > 0 || sm.Rises.EarlyDrop > 100 {
				t.Errorf("%+v", sm)
			}
		}
		if got := w.Namespaces[1].Totals["drop"]; got != 107 {
			t.Errorf("drop %d in all, want those of both", got)
		}
	})
}

// TestWhatWasDone: an incident holds what was done to the settings in its time, and by what.
func TestWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drop := uint64(0)
		h := newFake(func(_ string, at time.Duration) (Reading, error) {
			r := Reading{Count: 1000, Max: 1000, Buckets: 500, Counters: map[string]uint64{}}
			switch {
			case at < 20*time.Second:
				r.Count = 10
			case at < 40*time.Second:
				drop += 5
			default:
				r.Max = 4000
			}
			r.Counters["drop"] = drop
			timeout := int64(30)
			if at >= 70*time.Second {
				timeout = 10
			}
			if int(at.Seconds())%60 == 0 { // as Read brings them when it is asked
				r.Settings = map[string]int64{"max": r.Max, "buckets": 500, "udp_timeout": timeout}
			}
			return r, nil
		}, "host")
		var store memory
		observe(t, h, Options{Store: &store, By: func(setting string, to int64) string {
			if setting == "max" && to == 4000 {
				return "ctkeeper apply"
			}
			return ""
		}}, 300*time.Second)
		last := store.incidents[len(store.incidents)-1]
		if len(last.Changes) != 1 || last.Changes[0].Setting != "max" || last.Changes[0].From != 1000 || last.Changes[0].To != 4000 || last.Changes[0].By != "ctkeeper apply" {
			t.Errorf("%+v", last.Changes)
		}
	})
}

// TestIncidentUnderAClockThatSteps: it ends a quiet minute after its cause, and is never shorter than nothing.
func TestIncidentUnderAClockThatSteps(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour, 400 * 24 * time.Hour, -400 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			drop := uint64(0)
			h := newFake(func(_ string, at time.Duration) (Reading, error) {
				if at >= 20*time.Second && at < 40*time.Second {
					drop += 5
				}
				return Reading{Count: 1000, Max: 1000, Counters: map[string]uint64{"drop": drop}}, nil
			}, "host")
			begun := time.Now()
			now := func() time.Time {
				if at := time.Since(begun); at > 30*time.Second && at < 70*time.Second {
					return time.Now().Add(step)
				}
				return time.Now()
			}
			var store memory
			observe(t, h, Options{Store: &store, Now: now}, 300*time.Second)
			ended := map[string]snapshot.Incident{}
			refused := uint64(0)
			for _, i := range store.incidents {
				ended[i.ID] = i
			}
			for _, i := range ended {
				refused += i.Refused
				if i.Ended.Before(i.Began) {
					t.Errorf("step %v: %+v", step, i)
				}
			}
			if refused != 20*5 {
				t.Errorf("step %v: %d refused in %d incidents, want 100", step, refused, len(ended))
			}
		})
	}
}

// TestOpenIncidentsGoOn: with other options, after a restart, and not for a namespace that is gone.
func TestOpenIncidentsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drop := uint64(0)
		h := newFake(func(_ string, at time.Duration) (Reading, error) {
			if at < 40*time.Second {
				drop += 5
			}
			return Reading{Count: 1000, Max: 1000, Counters: map[string]uint64{"drop": drop}}, nil
		}, "host")
		var store memory
		first := observe(t, h, Options{Store: &store}, 15*time.Second)
		second := New(h, Options{Store: &store})
		second.Continue(first)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		second.Run(ctx)
		cancel()
		if w := second.Watch(); w.Namespaces[0].Incident == nil || w.Namespaces[0].Refused < 23*5 {
			t.Fatalf("%+v", w.Namespaces[0])
		}
		left := []snapshot.Incident{store.incidents[len(store.incidents)-1], {ID: "x", Namespace: "gone", Inode: 7, Began: time.Now().Add(-time.Hour), Seen: time.Now().Add(-time.Minute)}}
		observe(t, h, Options{Store: &store, Open: left}, 200*time.Second)
		last := map[string]snapshot.Incident{}
		for _, i := range store.incidents {
			last[i.ID] = i
		}
		if len(last) != 2 {
			t.Errorf("%d incidents, want 2", len(last))
		}
		for _, i := range last {
			if i.Ended.IsZero() || i.Ended.Before(i.Began) {
				t.Errorf("%+v", i)
			}
			if i.ID == "x" && !i.Ended.Equal(i.Seen) {
				t.Errorf("ended %v, seen last %v", i.Ended, i.Seen)
			}
		}
	})
}
