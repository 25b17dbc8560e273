package whatif_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/whatif"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
)

const traffic = `
duration: 30m
seed: 7
traffic:
- {name: web, protocol: tcp, rate: {from: 2, to: 10}, lasts: 20s, every: 5s, sources: 10.0.0.0/16, destinations: 192.0.2.1, port: 443, until: 22m}
- {name: dns, protocol: udp, rate: 15, sources: 10.0.0.0/16, destinations: 192.0.2.2, port: 53}
- {name: pool, protocol: tcp, rate: 0.3, lasts: 40m, every: 4m, end: silence, sources: 10.1.0.0/16, destinations: 192.0.2.3, port: 5432}
- {name: scan, protocol: tcp, rate: 5, answer: "no", sources: 10.2.0.0/16, destinations: 192.0.2.4, port: 23, from: 10m, until: 15m}
- {name: voice, protocol: udp, rate: 0.5, lasts: 5m, every: 2s, sources: 10.3.0.0/16, destinations: 192.0.2.5, port: 5060}
`

// begin is when the traffic begins.
var begin = time.Unix(1.8e9, 0).UTC()

// truth plays the packets themselves, and shows every reading of the table to see.
func truth(t *testing.T, set model.Settings, every time.Duration, see func(at time.Time, m *model.Model)) replay.Result {
	t.Helper()
	w, err := workload.Parse("traffic.yaml", []byte(traffic))
	if err != nil {
		t.Fatal(err)
	}
	p := replay.New(replay.Options{Variants: []replay.Variant{{Profile: model.Linux618(), Settings: set}}, Workers: 1})
	dec := packet.NewDecoder(packet.Options{})
	g := w.Packets(begin.UnixNano())
	next := begin.Add(every)
	for {
		at, ip, ok := g.Next()
		if !ok {
			return p.Finish()[0]
		}
		for see != nil && at >= next.UnixNano() {
			see(next, p.Model(0))
			next = next.Add(every)
		}
		var pk packet.Packet
		dec.IP(at, ip, &pk)
		p.Packet(at, &pk)
	}
}

// day records three hours by readings and returns them with the counts that were measured.
func day(t *testing.T, now model.Settings, every time.Duration, flows int) (d *whatif.Day, measured []snapshot.Sample, from, end time.Time) {
	t.Helper()
	dir := t.TempDir()
	timeouts := map[string]int64{}
	for _, name := range model.Names() {
		timeouts[name], _ = now.Get(name)
	}
	r := record.NewReadings(record.ReadingsOptions{Dir: dir, Flows: flows, PerHour: 1 << 20})
	base := truth(t, now, every, func(at time.Time, m *model.Model) {
		r.Begin(at, rank.NewTimeouts(timeouts))
		m.Flows(at.UnixNano(), func(fl *flow.Flow) bool { r.See(fl); return true })
		r.End(true)
	})
	for i, b := range base.Curve {
		at := base.From.Add(time.Duration(i) * base.BinWidth)
		measured = append(measured, snapshot.Sample{At: at, Step: base.BinWidth, Count: int64(b.Count), Peak: int64(b.Count), Max: now.Max})
	}
	d = whatif.NewDay(60000)
	take := func(rec flow.Record) { d.Add(&rec, record.SampleHash(&rec.Orig)) }
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := record.ReadFiles(dir, take)
	if err != nil || kept.Share != r.Share() {
		t.Fatal(kept, err)
	}
	d.Thin(kept.Share)
	_, end = r.Span()
	return d, measured, kept.From, end
}

func settings(t *testing.T, pairs map[string]int64) model.Settings {
	t.Helper()
	s := model.Defaults(model.Linux618())
	for name, v := range pairs {
		if err := s.Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestAnswersAgreeWithTheTruth: the record of a table that is read every so often predicts what the packets
// themselves make of other settings, within the bounds that the answer states.
func TestAnswersAgreeWithTheTruth(t *testing.T) {
	now := settings(t, map[string]int64{"tcp_timeout_established": 7200})
	truths := map[string]replay.Result{}
	for _, reading := range []struct {
		every time.Duration
		flows int
	}{{30 * time.Second, 1 << 20}, {2 * time.Minute, 1024}} {
		d, measured, from, end := day(t, now, reading.every, reading.flows)
		for _, then := range []map[string]int64{{}, {"tcp_timeout_established": 300}, {"tcp_timeout_time_wait": 30}, {"udp_timeout": 60, "udp_timeout_stream": 30}} {
			set := now
			for name, v := range then {
				if err := set.Set(name, v); err != nil {
					t.Fatal(err)
				}
			}
			want, played := truths[fmt.Sprint(then)]
			if !played {
				want = truth(t, set, 0, nil)
				truths[fmt.Sprint(then)] = want
			}
			got, err := d.Ask(t.Context(), whatif.Question{From: from, To: end, Profile: model.Linux618(), Now: now, Then: set, Measured: measured})
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("read every %v, a share of %.3g, %v", reading.every, got.Share, then)
			in, n, worst := within(&got, &want)
			t.Logf("%s: peak %d, told %d to %d; %d of %d points within, the worst %.1f %% off; sampling %.1f %%, model %.1f %%, %d flows, %v broken", what, want.Peak, got.Peak.Low,
				got.Peak.High, in, n, 100*worst, 100*got.Sampling, 100*got.Model, got.Flows, got.Broken)
			if float64(want.Peak) < 0.95*float64(got.Peak.Low) || float64(want.Peak) > 1.05*float64(got.Peak.High) || in < n*8/10 {
				t.Errorf("%s: peak %d is not within %+v, or the curve is elsewhere: %d of %d points", what, want.Peak, got.Peak, in, n)
			}
			if got.Model > 0.15 || got.Sampling > 0.15 {
				t.Errorf("%s: the model is %.2f off, the sample %.2f", what, got.Model, got.Sampling)
			}
		}
	}
}

// TestVerdicts: what does not fit evicts where the kernel may, and refuses where it may not.
func TestVerdicts(t *testing.T) {
	now := settings(t, nil)
	d, measured, from, end := day(t, now, time.Minute, 4096)
	for limit, want := range map[int64]whatif.Verdict{100000: whatif.Fits, 3000: whatif.Evicts, 300: whatif.Refuses} {
		then := now
		then.Max = limit
		a, err := d.Ask(t.Context(), whatif.Question{From: from, To: end, Profile: model.Linux618(), Now: now, Then: then, Measured: measured})
		if err != nil || a.Verdict != want || a.Max != limit || (a.OverMax.High > 0) != (want != whatif.Fits) {
			t.Errorf("max %d: %s, peak %+v, held %+v, over %+v, %v", limit, a.Verdict, a.Peak, a.PeakHeld, a.OverMax, err)
		}
	}
}

// within counts the points whose truth lies between the bounds, 5 % aside, and tells how far the worst lies beyond.
func within(got *whatif.Answer, want *replay.Result) (in, n int, worst float64) {
	for i := 1; i < len(got.Low)-1; i++ {
		from := got.From.Add(time.Duration(got.Step * float64(i) * 1e9))
		truth := 0
		for j, b := range want.Curve {
			if at := want.From.Add(time.Duration(j) * want.BinWidth); !at.Before(from) && at.Before(from.Add(time.Duration(got.Step*1e9))) {
				truth = max(truth, b.Count)
			}
		}
		if truth == 0 {
			continue
		}
		n++
		off := max(*got.Low[i]-float64(truth), float64(truth)-*got.High[i], 0) / float64(truth)
		if off <= 0.05 {
			in++
		}
		worst = max(worst, off)
	}
	return in, n, worst
}

// TestAskEnds: a question whose asker went away is not answered; of an empty record nothing is told.
func TestAskEnds(t *testing.T) {
	now := settings(t, nil)
	q := whatif.Question{From: begin, To: begin.Add(time.Hour), Profile: model.Linux618(), Now: now, Then: now}
	d := whatif.NewDay(1000)
	a, err := d.Ask(t.Context(), q)
	if err != nil || a.Flows != 0 || a.Peak.High > 3 || len(a.High) == 0 {
		t.Errorf("%+v, %v", a, err)
	}
	for i := range 5000 {
		rec := flow.Record{Start: begin.Add(time.Duration(i) * time.Millisecond), Ended: flow.EndOpen, Family: flow.IPv4, Busy: []flow.Stretch{{}},
			Orig: flow.Tuple{SrcPort: uint16(i), DstPort: 53, Proto: flow.UDP}}
		d.Add(&rec, record.SampleHash(&rec.Orig))
	}
	if n := d.Flows(); n > 1000 || n < 300 || d.Share() > 0.25 {
		t.Errorf("%d flows are kept, a share of %v", n, d.Share())
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := d.Ask(ctx, q); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkAsk asks of as many flows as the daemon keeps, all of them long-lived, under a timeout that forgets them
// again and again: what an answer costs at the most, and how high the heap rises.
func BenchmarkAsk(b *testing.B) {
	now := model.Defaults(model.Linux618())
	then := now
	if err := then.Set("tcp_timeout_established", 60); err != nil {
		b.Fatal(err)
	}
	d := whatif.NewDay(40000)
	for i := range 40000 {
		rec := flow.Record{Start: begin.Add(time.Duration(i%3600) * time.Second), Ended: flow.EndOpen, Family: flow.IPv4, Assured: true, States: []flow.State{flow.TCPEstablished}, At: []time.Duration{0},
			Busy: []flow.Stretch{{Until: time.Hour, Gap: 5 * time.Minute}, {Until: 10 * time.Hour, Gap: 20 * time.Minute}}, Orig: flow.Tuple{SrcPort: uint16(i), DstPort: uint16(i >> 16), Proto: flow.TCP}}
		d.Add(&rec, record.SampleHash(&rec.Orig))
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, uint64(0)
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	})
	for b.Loop() {
		a, err := d.Ask(b.Context(), whatif.Question{From: begin, To: begin.Add(24 * time.Hour), Profile: model.Linux618(), Now: now, Then: then})
		if err != nil || a.Flows == 0 {
			b.Fatal(a.Flows, err)
		}
	}
	close(done)
	watching.Wait()
	b.ReportMetric(float64(most-before)/(1<<20), "MiB-heap")
}
