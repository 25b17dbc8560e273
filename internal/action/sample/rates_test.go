package sample_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/lab"
)

// TestRatesOfAKnownTraffic makes a known number of flows while rates are taken.
func TestRatesOfAKnownTraffic(t *testing.T) {
	for _, basis := range []sample.Basis{sample.ByEvents, sample.ByDumps} {
		t.Run(string(basis), func(t *testing.T) {
			w, ns := lab.Tracked(t)
			lab.Share(t)
			send(t, w, 0, 500)
			type result struct {
				rates sample.Rates
				err   error
			}
			done := make(chan result, 1)
			go func() {
				var r result
				err := ns.Run(func() error {
					r.rates, r.err = sample.TakeRates(t.Context(), sample.RateOptions{Window: 2 * time.Second, Basis: basis})
					return nil
				})
				r.err = errors.Join(r.err, err)
				done <- r
			}()
			time.Sleep(time.Second)
			send(t, w, 1000, 2000)
			r := <-done
			if r.err != nil {
				t.Fatal(r.err)
			}
			a, e := r.rates.Arrivals, r.rates.Ends
			if a == nil || e == nil || r.rates.Basis != basis || r.rates.Refused == nil || r.rates.Refused.PerSecond != 0 {
				t.Fatalf("%+v", r.rates)
			}
			came := a.PerSecond * r.rates.Seconds
			if came < 1999 || came > 2001 || e.PerSecond > 1 || a.Error <= 0 || a.Error > 200 {
				t.Errorf("%v came, %+v, ends %+v", came, a, e)
			}
		})
	}
}

func TestRatesEndWithTheContext(t *testing.T) {
	_, ns := lab.Tracked(t)
	before := descriptors(t)
	for _, basis := range []sample.Basis{sample.ByEvents, sample.ByDumps} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		err := ns.Run(func() error {
			_, err := sample.TakeRates(ctx, sample.RateOptions{Window: time.Minute, Basis: basis})
			return err
		})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", basis, err)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors open, before %d", after, before)
	}
}
