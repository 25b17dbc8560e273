package main

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/settings"
)

// replayHead is the document's part before the runs, schema ctkeeper.replay/1.
type replayHead struct {
	Schema  string       `json:"schema"`
	Kernel  string       `json:"kernel"` // the profile
	Source  string       `json:"settings_source"`
	Assumed []string     `json:"settings_assumed,omitempty"`
	Table   *replayTable `json:"table,omitempty"`
	Sample  float64      `json:"sample,omitempty"`       // the smallest share of the flows that was recorded
	Error   float64      `json:"sample_error,omitempty"` // of the base's peak, as a share, with 95 % confidence
	Packets int64        `json:"packets"`
	First   time.Time    `json:"first,omitzero"`
	Last    time.Time    `json:"last,omitzero"`
	PPS     float64      `json:"packets_per_second,omitempty"`
}

// replayResult is one run.
type replayResult struct {
	Run      int              `json:"run"`
	Name     string           `json:"name,omitempty"`
	Kernel   string           `json:"kernel"`
	Set      map[string]int64 `json:"set,omitempty"` // what the variant changed
	Settings map[string]int64 `json:"settings"`

	Peak     int            `json:"peak"`
	PeakAt   time.Time      `json:"peak_at,omitzero"`
	Counts   replayLevels   `json:"count_quantiles"`
	PeakHeld int            `json:"peak_held"` // flows that the kernel could not reclaim
	Held     replayLevels   `json:"held_quantiles"`
	Pressure *float64       `json:"pressure,omitempty"` // peak_held / max
	Levels   *replayShares  `json:"pressure_quantiles,omitempty"`
	AtLimit  float64        `json:"at_limit"` // seconds
	Memory   uint64         `json:"memory"`   // bytes at the peak, buckets included
	Full     uint64         `json:"memory_full,omitempty"`
	Chain    float64        `json:"chain_mean"`
	Longest  int            `json:"chain_longest"`
	Count    int            `json:"count"` // at the end, expired flows that were not collected yet included
	Live     int            `json:"live"`
	New      uint64         `json:"new"`
	Refused  uint64         `json:"refused"` // packets
	Flows    uint64         `json:"refused_flows"`
	By       *replayRefused `json:"refused_by,omitempty"`

	EarlyDrops uint64          `json:"early_drops"`
	GCDropped  uint64          `json:"gc_dropped"`
	Broken     uint64          `json:"broken"` // flows
	PickedUp   uint64          `json:"broken_picked_up"`
	Loose      uint64          `json:"broken_loose,omitempty"` // tcp_loose would have picked them up
	NAT        uint64          `json:"broken_nat,omitempty"`   // nothing would have: NAT changes them
	BrokenBy   []replayService `json:"broken_by,omitempty"`
	Unwatched  uint64          `json:"broken_unwatched,omitempty"`

	Counters map[string]uint64 `json:"counters"`
	Curve    *replayCurve      `json:"curve,omitempty"`
	LogLines int64             `json:"log_lines"`
	Log      []string          `json:"log,omitempty"`
	// Silent are the other bounds, with flow records: this run had their flows busy between what is known.
	Silent *replaySilent `json:"if_silent,omitempty"`
}

// replaySilent is the same run had the recorded flows been silent between what is known of them.
type replaySilent struct {
	Peak       int    `json:"peak"`
	PeakHeld   int    `json:"peak_held"`
	Refused    uint64 `json:"refused"`
	EarlyDrops uint64 `json:"early_drops"`
	Broken     uint64 `json:"broken"`
}

// replayLevels are the levels that a figure stood at or below for a share of the time.
type replayLevels struct {
	P50 int `json:"p50"`
	P90 int `json:"p90"`
	P99 int `json:"p99"`
}

// replayShares are the same as shares of max.
type replayShares struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// replayRefused names whose packets were refused; error is by how much a count may be too low.
type replayRefused struct {
	Sources   []replayShare   `json:"source"`
	Services  []replayService `json:"service"`
	Protocols []replayService `json:"protocol"`
}

type replayShare struct {
	Source string `json:"source"`
	Count  uint64 `json:"packets"`
	Error  uint64 `json:"error,omitempty"`
}

type replayService struct {
	Proto    string `json:"proto"`
	Port     uint16 `json:"port,omitempty"`
	Packets  uint64 `json:"packets,omitempty"`
	Error    uint64 `json:"error,omitempty"`
	Flows    uint64 `json:"flows,omitempty"`
	PickedUp uint64 `json:"picked_up,omitempty"`
	Loose    uint64 `json:"loose,omitempty"`
	NAT      uint64 `json:"nat,omitempty"`
	Evicted  uint64 `json:"evicted,omitempty"`
}

// replayCurve is how the table went: equal steps, the highest count and held in each.
type replayCurve struct {
	From    time.Time `json:"from"`
	Step    float64   `json:"step"` // seconds
	Count   []int     `json:"count"`
	Held    []int     `json:"held"`
	Refused []uint64  `json:"refused"`
	Early   []uint64  `json:"early_drops"`
}

func (p *playback) head() replayHead {
	h := replayHead{Schema: "ctkeeper.replay/1", Kernel: p.base.profile.Name, Source: p.base.source, Assumed: p.base.assumed, Packets: p.packets}
	if p.packets > 0 {
		h.First, h.Last = time.Unix(0, p.first).UTC(), time.Unix(0, p.now).UTC()
	}
	h.Table = p.table.document()
	if p.sample > 0 && p.sample < 1 && len(p.results) > 0 {
		h.Sample, h.Error = p.sample, p.sampleError()
	}
	if p.wallNS > 0 {
		h.PPS = math.Round(float64(p.packets) / (float64(p.wallNS) / 1e9))
	}
	return h
}

func (p *playback) result(i int) replayResult {
	r, v := &p.results[i], &p.variants[i]
	c := r.Counters
	out := replayResult{Run: i, Name: v.name, Kernel: v.profile.Name, Set: v.changed, Settings: map[string]int64{},
		Peak: r.Peak, PeakAt: r.PeakAt, Counts: replayLevels(r.Count), PeakHeld: r.PeakHeld, Held: replayLevels(r.Held), AtLimit: r.AtLimit.Seconds(),
		Memory: v.memory(int64(r.Peak)), Chain: math.Round(100*r.Chain) / 100, Longest: r.ChainLongest, Count: r.End, Live: r.Live, New: c.New,
		Refused: c.Refused, Flows: r.RefusedFlows, EarlyDrops: c.EarlyDrop, GCDropped: c.GCDropped, Unwatched: r.Unwatched,
		Counters: counters(c), LogLines: r.LogLines, Log: r.Log}
	if pressure, ok := r.Pressure(); ok {
		out.Pressure = &pressure
		out.Full = v.memory(v.settings.Max)
	}
	if p50, p90, p99, ok := r.PressureQuantiles(); ok {
		out.Levels = &replayShares{p50, p90, p99}
	}
	all := r.BrokenSum()
	out.Broken, out.PickedUp, out.Loose, out.NAT = all.Flows, all.PickedUp, all.Loose, all.NAT
	for _, s := range r.Broken {
		out.BrokenBy = append(out.BrokenBy, replayService{Proto: s.Proto.String(), Port: s.Port, Flows: s.Flows, PickedUp: s.PickedUp, Loose: s.Loose,
			NAT: s.NAT, Evicted: s.Evicted})
	}
	for _, name := range model.Names() {
		if n, ok := r.Settings.Get(name); ok {
			out.Settings[name] = n
		}
	}
	out.By, out.Curve = refusedBy(r), curveOf(r)
	if p.silent != nil {
		q := &p.silent[i]
		broken, _ := q.BrokenFlows()
		out.Silent = &replaySilent{q.Peak, q.PeakHeld, q.Counters.Refused, q.Counters.EarlyDrop, broken}
	}
	return out
}

// memory is what that many flows and the buckets cost the kernel.
func (v *variant) memory(flows int64) uint64 {
	return uint64(flows)*settings.FlowBytes(v.kernel) + uint64(v.settings.Buckets)*settings.BucketBytes
}

func refusedBy(r *replay.Result) *replayRefused {
	if r.Counters.Refused == 0 {
		return nil
	}
	out := &replayRefused{}
	for _, s := range r.RefusedSources {
		out.Sources = append(out.Sources, replayShare{s.Key.String(), s.Count, s.Error})
	}
	for _, s := range r.RefusedServices {
		out.Services = append(out.Services, replayService{Proto: s.Key.Proto.String(), Port: s.Key.Port, Packets: s.Count, Error: s.Error})
	}
	for _, s := range r.RefusedProtocols {
		out.Protocols = append(out.Protocols, replayService{Proto: s.Key.String(), Packets: s.Count})
	}
	return out
}

func curveOf(r *replay.Result) *replayCurve {
	if len(r.Curve) == 0 {
		return nil
	}
	out := &replayCurve{From: r.From, Step: r.BinWidth.Seconds()}
	for _, b := range r.Curve {
		out.Count, out.Held = append(out.Count, b.Count), append(out.Held, b.Held)
		out.Refused, out.Early = append(out.Refused, b.Refused), append(out.Early, b.EarlyDrops)
	}
	return out
}

// counters are the kernel's own, by the names of /proc/net/stat/nf_conntrack.
func counters(c model.Counters) map[string]uint64 {
	return map[string]uint64{"found": c.Found, "invalid": c.Invalid, "insert": c.Insert, "insert_failed": c.InsertFailed, "drop": c.Drop,
		"early_drop": c.EarlyDrop, "icmp_error": c.ICMPError, "search_restart": c.SearchRestart, "clash_resolve": c.ClashResolve,
		"chain_toolong": c.ChainTooLong, "expect_new": c.ExpectNew, "expect_create": c.ExpectCreate, "expect_delete": c.ExpectDelete}
}

// print writes the outcome in the format that was asked for.
func (p *playback) print() error {
	w := bufio.NewWriterSize(p.app.out, 1<<16)
	var err error
	switch p.app.format {
	case "json":
		err = p.printJSON(w)
	case "jsonl":
		err = p.printLines(w)
	case "conntrack":
		err = p.printConntrack(w)
	default:
		err = p.printText(w)
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// showFlows tells whether the flows that are left are part of the outcome.
func (p *playback) showFlows() bool {
	return p.options.flows == "yes" || p.options.flows == "auto" && len(p.variants) <= 2
}

// printJSON streams the document: a run may have millions of flows.
func (p *playback) printJSON(w *bufio.Writer) error {
	head, err := json.Marshal(p.head())
	if err != nil {
		return err
	}
	w.Write(head[:len(head)-1])
	w.WriteString(`,"runs":[`)
	for i := range p.results {
		if i > 0 {
			w.WriteByte(',')
		}
		out, err := json.Marshal(p.result(i))
		if err != nil {
			return err
		}
		w.Write(out[:len(out)-1])
		if p.showFlows() {
			w.WriteString(`,"flows":[`)
			sep := ""
			if err := p.flowLines(w, i, func(b []byte, fl *flow.Flow) []byte {
				b = append(b, sep...)
				sep = ","
				return fl.AppendJSON(append(b, '\n'))
			}); err != nil {
				return err
			}
			w.WriteByte(']')
		}
		w.WriteByte('}')
	}
	_, err = w.WriteString("]}\n")
	return err
}

// printLines is a line a run, each followed by a line a flow that was left.
func (p *playback) printLines(w *bufio.Writer) error {
	for i := range p.results {
		out, err := json.Marshal(p.result(i))
		if err != nil {
			return err
		}
		w.Write(append(out, '\n'))
		if !p.showFlows() {
			continue
		}
		if err := p.flowLines(w, i, func(b []byte, fl *flow.Flow) []byte { return append(fl.AppendJSON(b), '\n') }); err != nil {
			return err
		}
	}
	return nil
}

// printConntrack is the flows that the last run left, as the conntrack tool prints them.
func (p *playback) printConntrack(w *bufio.Writer) error {
	return p.flowLines(w, len(p.results)-1, func(b []byte, fl *flow.Flow) []byte {
		return append(flow.AppendText(b, fl, flow.TextOptions{}), '\n')
	})
}

func (p *playback) flowLines(w io.Writer, run int, line func([]byte, *flow.Flow) []byte) error {
	var buf []byte
	return p.flows(run, func(fl *flow.Flow) error {
		buf = line(buf[:0], fl)
		_, err := w.Write(buf)
		return err
	})
}
