package sample

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// shown is a recorder that counts what it is shown.
type shown struct {
	mu                  sync.Mutex
	begun, ended, flows int
}

func (r *shown) Begin(time.Time, *rank.Timeouts) { r.mu.Lock(); r.begun++; r.mu.Unlock() }
func (r *shown) See(*flow.Flow)                  { r.mu.Lock(); r.flows++; r.mu.Unlock() }
func (r *shown) End(bool)                        { r.mu.Lock(); r.ended++; r.mu.Unlock() }

// TestAsk: a question is answered from the table, and questions together take a fifth of a core at most.
func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFake(func(string, time.Duration) (Reading, error) { return Reading{Count: 10, Max: 1000}, nil }, "host")
		h.cost = 500 * time.Millisecond
		rec := &shown{}
		s := observe(t, h, Options{Recorder: func(string) Recorder { return rec }}, 30*time.Second)
		if rec.begun == 0 || rec.begun != rec.ended || rec.flows != 2*rec.begun {
			t.Errorf("recorded: %+v", rec)
		}
		f, err := filter.Parse("src 192.0.2.0/30")
		if err != nil {
			t.Fatal(err)
		}
		by, err := rank.ParseBy("src,dport")
		if err != nil {
			t.Fatal(err)
		}
		q := Question{Namespace: "host", By: by, Filter: f, Rows: 3, Flows: 2}
		begin := time.Now()
		for range 4 {
			a, err := s.Ask(t.Context(), q)
			if err != nil || a.Total.Count != 4 || len(a.Rows) != 3 || a.Rows[0].Where == "" || len(a.Flows) != 2 || !a.Whole {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		if took := time.Since(begin); took < 3*5*h.cost {
			t.Errorf("four questions that take %v each were answered within %v", h.cost, took)
		}
		h.cost = 5 * time.Second
		var busy BusyError
		for range 2 {
			_, err = s.Ask(t.Context(), q)
		}
		if !errors.As(err, &busy) || busy.After < 10*time.Second || busy.Error() == "" {
			t.Errorf("%v", err)
		}
		if _, err := s.Ask(t.Context(), Question{Namespace: "nosuch"}); !errors.Is(err, ErrNamespace) {
			t.Error(err)
		}
	})
}
