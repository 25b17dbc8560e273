package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/rank"
)

// A table that is carried forward comes from FILE.flows.jsonl (ctkeeper snapshot --flows), named as itself or by
// the snapshot beside it, or is read from the kernel.
const (
	flowsSuffix    = ".flows.jsonl"
	snapshotSuffix = ".json"
)

func isTable(name string) bool {
	return strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, snapshotSuffix)
}

// tableFlow is a flow of a table, as far as it is needed again.
type tableFlow struct {
	orig, reply flow.Tuple
	present     flow.Fields
	status      flow.Status
	state       flow.State
	left        uint32
	idle        int32 // seconds
}

func (t *tableFlow) fill(fl *flow.Flow) {
	*fl = flow.Flow{Orig: t.orig, Reply: t.reply, Present: t.present, Status: t.status, State: t.state, Timeout: t.left}
}

// tableIn is a table to carry forward.
type tableIn struct {
	flows    []tableFlow
	measured *demand.Table
	streams  []demand.Stream
	between  time.Duration // two readings; 0: one
	forward  time.Duration
	timeouts *rank.Timeouts
	known    map[uint64]struct{} // of the first of two readings
	// namespace is the one whose flows are taken from a file that tells; "" takes the only one.
	namespace string
	apart     int // flows of others
	seed      maphash.Seed
}

// table reads the tables among the sources; nil without one.
func (a *app) table(ctx context.Context, files []string, o replayOptions, base *replayBase) (*tableIn, error) {
	t := &tableIn{forward: o.forward, timeouts: timeoutsByName(&base.settings), seed: maphash.MakeSeed(), namespace: a.netns}
	if base.source == "snapshot" {
		t.namespace = base.namespace
	}
	t.begin(0)
	if o.live {
		if err := a.liveTable(ctx, t, o.window); err != nil {
			return nil, err
		}
	}
	for _, name := range files {
		if isTable(name) {
			if err := t.file(name); err != nil {
				return nil, err
			}
		}
	}
	if t.apart > 0 && t.measured.Total == 0 {
		return nil, fmt.Errorf("the table holds no flow of the namespace %s", t.namespace)
	}
	if !o.live && !slices.ContainsFunc(files, isTable) {
		return nil, nil
	}
	t.streams, t.known = t.measured.Streams(), nil
	return t, nil
}

func (t *tableIn) begin(between time.Duration) {
	t.between, t.flows, t.measured = between, nil, demand.NewTable(t.timeouts, between)
}

func timeoutsByName(s *model.Settings) *rank.Timeouts {
	byName := map[string]int64{}
	for _, name := range model.Names() {
		if v, ok := s.Get(name); ok && strings.Contains(name, "timeout") {
			byName[name] = v
		}
	}
	return rank.NewTimeouts(byName)
}

// liveTable reads the table of the namespace twice; a copy of one (--from) once.
func (a *app) liveTable(ctx context.Context, t *tableIn, window time.Duration) error {
	return a.inTable(ctx, func(in *flowTable) error {
		if in.fs.Live() && window > 0 {
			forget := func() { t.known = map[uint64]struct{}{} }
			forget()
			begin := time.Now()
			if err := in.each(ctx, readOptions{restart: forget}, func(fl *flow.Flow) error {
				t.known[maphash.Comparable(t.seed, fl.Orig)] = struct{}{}
				return nil
			}); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(window):
			}
			window = time.Since(begin)
		} else {
			window = 0
		}
		again := func() { t.begin(window) }
		again()
		return in.each(ctx, readOptions{restart: again}, t.add)
	})
}

// file reads one reading from a file.
func (t *tableIn) file(name string) (err error) {
	if strings.HasSuffix(name, snapshotSuffix) {
		name = strings.TrimSuffix(name, snapshotSuffix) + flowsSuffix
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return hintError{fmt.Errorf("the flows of a snapshot: %w", err), []string{"ctkeeper snapshot --flows -o " + filepath.Base(strings.TrimSuffix(name, flowsSuffix)) + snapshotSuffix}}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 1<<16), 1<<20)
	var fl flow.Flow
	for n := 1; lines.Scan(); n++ {
		if err := flow.ParseJSON(lines.Bytes(), &fl); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if mine, err := t.mine(lines.Bytes()); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		} else if !mine {
			t.apart++
			continue
		}
		if err := t.add(&fl); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// mine tells whether a flow is of the namespace that is played.
func (t *tableIn) mine(line []byte) (bool, error) {
	var of struct{ Namespace string }
	if err := json.Unmarshal(line, &of); err != nil || of.Namespace == "" {
		return true, err
	}
	if t.namespace == "" {
		t.namespace = of.Namespace
	}
	return of.Namespace == t.namespace, nil
}

func (t *tableIn) add(fl *flow.Flow) error {
	fresh := false
	if t.between > 0 {
		_, known := t.known[maphash.Comparable(t.seed, fl.Orig)]
		fresh = !known
	}
	t.measured.Add(fl, fresh)
	idle, _ := t.timeouts.Idle(fl)
	t.flows = append(t.flows, tableFlow{fl.Orig, fl.Reply, fl.Present & (flow.HasReply | flow.HasTimeout), fl.Status, fl.State, fl.Timeout, int32(min(idle, math.MaxInt32))})
	return nil
}

// mixTable makes the traffic that carries the table forward.
func (p *playback) mixTable(b workload.Between) {
	if p.table == nil {
		return
	}
	w := workload.NewForward(p.table.streams, p.table.forward, b)
	var fl flow.Flow
	for i := range p.table.flows {
		t := &p.table.flows[i]
		t.fill(&fl)
		w.Goes(&fl, time.Duration(t.idle)*time.Second)
	}
	p.mixed = append(p.mixed, &mixedIn{w: &w.Workload})
}

// loadTable puts the table into every run, at the time at which it is carried forward from.
func (p *playback) loadTable(at int64) {
	p.first, p.now = at, at
	p.until = at + int64(p.table.forward)
	if p.player == nil { // somebody only observes
		return
	}
	p.player.Pass(at)
	var fl flow.Flow
	batch := make([]replay.Loaded, 0, 1024)
	for i := range p.table.flows {
		p.table.flows[i].fill(&fl)
		if batch = append(batch, replay.LoadedOf(&fl, at)); len(batch) == cap(batch) {
			p.player.Load(batch...)
			batch = batch[:0]
		}
	}
	p.player.Load(batch...)
}

// replayTable is what a table that was carried forward told.
type replayTable struct {
	Flows   int            `json:"flows"`
	Apart   int            `json:"flows_apart,omitempty"` // whose protocols are not carried forward
	Window  float64        `json:"window,omitempty"`      // seconds between two readings
	Forward float64        `json:"forward"`               // seconds
	Rate    float64        `json:"rate"`                  // new flows a second
	Low     float64        `json:"rate_low"`
	High    float64        `json:"rate_high"`
	Streams []replayStream `json:"streams"`
}

// replayStream is the traffic of one service.
type replayStream struct {
	Service string  `json:"service"`
	Manner  string  `json:"manner"` // answered, half (open) or ignored
	Flows   int     `json:"flows"`
	Rate    float64 `json:"rate"`
	Low     float64 `json:"rate_low"`
	High    float64 `json:"rate_high"`
	Life    float64 `json:"life,omitempty"`    // seconds, first packet to last; absent: a single exchange, or no end was seen
	Closing float64 `json:"closing,omitempty"` // share that their own packets end
}

// maxStreamsShown bounds the services in the document.
const maxStreamsShown = 20

// document is nil without a table.
func (t *tableIn) document() *replayTable {
	if t == nil {
		return nil
	}
	d := &replayTable{Flows: t.measured.Total, Apart: t.measured.Apart, Window: t.between.Seconds(), Forward: t.forward.Seconds(), Streams: []replayStream{}}
	low, high := 0.0, 0.0 // errors of independent counts add up as squares
	for _, s := range t.streams {
		d.Rate += s.Rate
		low += (s.Rate - s.Low) * (s.Rate - s.Low)
		high += (s.High - s.Rate) * (s.High - s.Rate)
		if len(d.Streams) < maxStreamsShown {
			one := replayStream{Service: s.Service.String(), Manner: string(s.Manner), Flows: s.Flows, Rate: s.Rate, Low: s.Low, High: s.High, Closing: s.Closing}
			if s.Life < demand.Forever {
				one.Life = s.Life.Seconds()
			}
			d.Streams = append(d.Streams, one)
		}
	}
	d.Low, d.High = d.Rate-math.Sqrt(low), d.Rate+math.Sqrt(high)
	return d
}

// sampleError is by how much the count may be off, with 95 % confidence, because only a sample was recorded.
func (p *playback) sampleError() float64 {
	return 1.96 / math.Sqrt(max(float64(p.results[0].Peak)*p.sample, 1))
}

// boundLines say why there are two figures.
func (p *playback) boundLines() (lines []string) {
	if len(recordsOf(p.files)) > 0 {
		lines = append(lines, p.say("replay_bounds"))
	}
	if p.sample > 0 && p.sample < 1 {
		lines = append(lines, p.say("replay_sampled", "share", p.sample, "error", p.sampleError()))
	}
	t := p.table.document()
	if t == nil {
		return lines
	}
	code := "replay_table_one"
	if t.Window > 0 {
		code = "replay_table_two"
	}
	lines = append(lines, p.say(code, "flows", t.Flows, "window", math.Round(t.Window), "forward", int64(t.Forward), "rate", math.Round(t.Rate),
		"low", math.Round(t.Low), "high", math.Round(t.High)))
	if p.table.apart > 0 {
		lines = append(lines, p.say("replay_table_others", "flows", p.table.apart, "namespace", p.table.namespace))
	}
	if t.Apart > 0 {
		lines = append(lines, p.say("replay_table_apart", "flows", t.Apart))
	}
	return append(lines, p.say("replay_table_bounds"))
}
