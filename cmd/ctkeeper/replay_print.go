package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/surface/wording"
)

// replayHead is the document's part before the runs, schema ctkeeper.replay/1.
type replayHead struct {
	Schema  string    `json:"schema"`
	Kernel  string    `json:"kernel"` // the profile
	Source  string    `json:"settings_source"`
	Assumed []string  `json:"settings_assumed,omitempty"`
	Packets int64     `json:"packets"`
	First   time.Time `json:"first,omitzero"`
	Last    time.Time `json:"last,omitzero"`
	PPS     float64   `json:"packets_per_second,omitempty"`
}

// replayResult is one run.
type replayResult struct {
	Run        int               `json:"run"`
	Set        map[string]int64  `json:"set,omitempty"` // what --set changed
	Settings   map[string]int64  `json:"settings"`
	PeakCount  int               `json:"peak_count"`
	Count      int               `json:"count"` // at the end, expired flows that were not collected yet included
	Live       int               `json:"live"`
	New        uint64            `json:"new"`
	Refused    uint64            `json:"refused"`
	EarlyDrops uint64            `json:"early_drops"`
	GCDropped  uint64            `json:"gc_dropped"`
	Counters   map[string]uint64 `json:"counters"`
	LogLines   int64             `json:"log_lines"`
	Log        []string          `json:"log,omitempty"`
}

func (p *playback) head() replayHead {
	h := replayHead{Schema: "ctkeeper.replay/1", Kernel: p.base.profile.Name, Source: p.base.source, Assumed: p.base.assumed, Packets: p.packets}
	if p.packets > 0 {
		h.First, h.Last = time.Unix(0, p.first).UTC(), time.Unix(0, p.now).UTC()
	}
	if p.wallNS > 0 {
		h.PPS = float64(p.packets) / (float64(p.wallNS) / 1e9)
	}
	return h
}

func (p *playback) result(i int) replayResult {
	r := p.runs[i]
	c, s := r.m.Counters(), r.m.Settings()
	out := replayResult{Run: i, Set: r.changed, Settings: map[string]int64{}, PeakCount: c.Peak, Count: r.m.Count(), Live: r.m.Live(p.now), New: c.New,
		Refused: c.Refused, EarlyDrops: c.EarlyDrop, GCDropped: c.GCDropped, LogLines: r.lines, Log: r.log, Counters: counters(c)}
	for _, name := range model.Names() {
		if v, ok := s.Get(name); ok {
			out.Settings[name] = v
		}
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

// printJSON streams the document: a run may have millions of flows.
func (p *playback) printJSON(w *bufio.Writer) error {
	head, err := json.Marshal(p.head())
	if err != nil {
		return err
	}
	w.Write(head[:len(head)-1])
	w.WriteString(`,"runs":[`)
	for i, r := range p.runs {
		if i > 0 {
			w.WriteByte(',')
		}
		out, err := json.Marshal(p.result(i))
		if err != nil {
			return err
		}
		w.Write(out[:len(out)-1])
		w.WriteString(`,"flows":[`)
		sep := ""
		if err := p.flowLines(w, r, func(b []byte, fl *flow.Flow) []byte {
			b = append(b, sep...)
			sep = ","
			return fl.AppendJSON(append(b, '\n'))
		}); err != nil {
			return err
		}
		w.WriteString("]}")
	}
	_, err = w.WriteString("]}\n")
	return err
}

// printLines is a line a run, each followed by a line a flow that was left.
func (p *playback) printLines(w *bufio.Writer) error {
	for i, r := range p.runs {
		out, err := json.Marshal(p.result(i))
		if err != nil {
			return err
		}
		w.Write(append(out, '\n'))
		if err := p.flowLines(w, r, func(b []byte, fl *flow.Flow) []byte { return append(fl.AppendJSON(b), '\n') }); err != nil {
			return err
		}
	}
	return nil
}

// printConntrack is the flows that the last run left, as the conntrack tool prints them.
func (p *playback) printConntrack(w *bufio.Writer) error {
	return p.flowLines(w, p.runs[len(p.runs)-1], func(b []byte, fl *flow.Flow) []byte {
		return append(flow.AppendText(b, fl, flow.TextOptions{}), '\n')
	})
}

func (p *playback) flowLines(w io.Writer, r *replayRun, line func([]byte, *flow.Flow) []byte) error {
	var buf []byte
	return p.flows(r, func(fl *flow.Flow) error {
		buf = line(buf[:0], fl)
		_, err := w.Write(buf)
		return err
	})
}

func (p *playback) printText(w io.Writer) error {
	say := func(code string, pairs ...any) string {
		return wording.Say(p.app.language(), message.New(code, pairs...))
	}
	h := p.head()
	fmt.Fprintln(w, say("replay_head", "packets", h.Packets, "span", h.Last.Sub(h.First).Seconds(), "kernel", h.Kernel, "speed", h.PPS))
	fmt.Fprintln(w, say("replay_source_"+h.Source))
	if len(h.Assumed) > 0 && h.Source != "defaults" {
		fmt.Fprintln(w, say("replay_assumed", "names", strings.Join(h.Assumed, ", ")))
	}
	for link, n := range p.unknownLink {
		fmt.Fprintln(w, say("replay_link", "link", int(link), "packets", n))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(code string, value func(replayResult) any) {
		fmt.Fprint(t, say(code), "\t")
		for i := range p.runs {
			fmt.Fprint(t, say("replay_count", "n", value(p.result(i))), "\t")
		}
		fmt.Fprintln(t)
	}
	fmt.Fprint(t, "\t", say("replay_base"), "\t")
	if len(p.runs) > 1 {
		fmt.Fprint(t, say("replay_variant"), "\t")
	}
	fmt.Fprintln(t)
	row("replay_peak", func(r replayResult) any { return r.PeakCount })
	row("replay_new", func(r replayResult) any { return r.New })
	row("replay_refused", func(r replayResult) any { return r.Refused })
	row("replay_early", func(r replayResult) any { return r.EarlyDrops })
	row("replay_invalid", func(r replayResult) any { return r.Counters["invalid"] })
	row("replay_live", func(r replayResult) any { return r.Live })
	if err := t.Flush(); err != nil {
		return err
	}
	return p.printChanges(w, say)
}

func (p *playback) printChanges(w io.Writer, say func(string, ...any) string) error {
	last := p.runs[len(p.runs)-1]
	if len(last.changed) > 0 {
		fmt.Fprintln(w)
		base := p.base.settings
		for _, name := range model.Names() {
			if v, ok := last.changed[name]; ok {
				before, _ := base.Get(name)
				fmt.Fprintln(w, say("replay_changed", "name", name, "before", before, "value", v))
			}
		}
	}
	for i, r := range p.runs {
		if r.lines > 0 {
			fmt.Fprintln(w)
			fmt.Fprintln(w, say("replay_log", "run", i, "lines", r.lines))
			for _, line := range r.log {
				fmt.Fprintln(w, " ", line)
			}
		}
	}
	return nil
}
