package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

// printText is the comparison for people: a row a run, the curves, then what was refused and broken.
func (p *playback) printText(w io.Writer) error {
	h := p.head()
	fmt.Fprintln(w, p.say("replay_head", "packets", h.Packets, "span", int64(h.Last.Sub(h.First).Seconds()), "kernel", h.Kernel, "speed", h.PPS))
	fmt.Fprintln(w, p.say("replay_source_"+h.Source))
	if len(h.Assumed) > 0 && h.Source != "defaults" {
		fmt.Fprintln(w, p.say("replay_assumed", "names", strings.Join(h.Assumed, ", ")))
	}
	for link, n := range p.unknownLink {
		fmt.Fprintln(w, p.say("replay_link", "link", int(link), "packets", n))
	}
	for _, line := range p.boundLines() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	if err := p.printRows(w); err != nil {
		return err
	}
	p.printNames(w)
	p.printCurves(w)
	for i := range p.results {
		p.printDetails(w, i)
	}
	return nil
}

func (p *playback) say(code string, pairs ...any) string {
	return wording.Say(p.app.language(), message.New(code, pairs...))
}

func (p *playback) count(n any) string { return p.say("replay_count", "n", n) }

// printRows is the table: a row a run.
func (p *playback) printRows(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, code := range []string{"replay_run", "replay_peak", "replay_median", "replay_pressure", "replay_refused", "replay_early", "replay_broken",
		"replay_limit", "replay_memory", "replay_chain"} {
		fmt.Fprint(t, p.say(code), "\t")
	}
	fmt.Fprintln(t)
	for i := range p.results {
		r := p.result(i)
		pressure := "–"
		if r.Pressure != nil {
			pressure = p.say("replay_percent", "share", *r.Pressure)
		}
		peak, refused, early, broken := p.count(r.Peak), p.count(r.Refused), p.count(r.EarlyDrops), p.count(r.Broken)
		if q := r.Silent; q != nil {
			peak, refused = p.between(uint64(q.Peak), uint64(r.Peak)), p.between(q.Refused, r.Refused)
			early, broken = p.between(q.EarlyDrops, r.EarlyDrops), p.between(q.Broken, r.Broken)
		}
		fmt.Fprint(t, i, "\t", peak, "\t", p.count(r.Counts.P50), "\t", pressure, "\t", refused, "\t", early, "\t", broken, "\t",
			wording.Duration(p.app.language(), int64(r.AtLimit)), "\t", p.say("replay_bytes", "bytes", r.Memory), "\t", p.count(r.Longest), "\t\n")
	}
	return t.Flush()
}

// between shows both bounds, or the one figure that they are.
func (p *playback) between(a, b uint64) string {
	if a == b {
		return p.count(a)
	}
	return p.count(min(a, b)) + "–" + p.count(max(a, b))
}

// printNames says what each run is.
func (p *playback) printNames(w io.Writer) {
	fmt.Fprintln(w)
	for i := range p.variants {
		fmt.Fprintf(w, "%4d  %s\n", i, p.title(i))
	}
}

// title is a run's name and its changes.
func (p *playback) title(i int) string {
	v := &p.variants[i]
	changes := strings.Join(v.changes(&p.variants[0]), " ")
	switch {
	case i == 0:
		return p.say("replay_base")
	case v.name != "" && changes != "":
		return v.name + ": " + changes
	case v.name != "":
		return v.name
	case changes == "":
		return p.say("replay_unchanged")
	}
	return changes
}

// curveWidth is how many columns a curve takes.
const curveWidth = 60

// printCurves draws each run's count over time, all on one scale.
func (p *playback) printCurves(w io.Writer) {
	highest := 0
	for i := range p.results {
		highest = max(highest, p.results[i].Peak)
	}
	if highest == 0 || len(p.results) > 40 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.say("replay_curves", "peak", highest))
	for i := range p.results {
		fmt.Fprintf(w, "%4d  %s\n", i, sparkline(p.results[i].Counts(), highest, curveWidth))
	}
}

// sparkline draws values in at most width columns, each the highest of its part, on a scale up to top.
func sparkline(values []int, top, width int) string {
	marks := []rune(" ▁▂▃▄▅▆▇█")
	n := min(width, len(values))
	var b strings.Builder
	for c := range n {
		most := 0
		for _, v := range values[c*len(values)/n : (c+1)*len(values)/n] {
			most = max(most, v)
		}
		b.WriteRune(marks[(most*(len(marks)-1)+top-1)/top])
	}
	return b.String()
}

// printDetails names who was refused and what broke in a run, and what the kernel would have logged.
func (p *playback) printDetails(w io.Writer, i int) {
	r := p.result(i)
	if r.Refused > 0 {
		fmt.Fprintf(w, "\n%s\n", p.say("replay_refused_of", "run", i, "packets", r.Refused, "flows", r.Flows))
		for _, s := range r.By.Sources[:min(5, len(r.By.Sources))] {
			fmt.Fprintf(w, "  %12s  %s\n", p.count(s.Count), s.Source)
		}
		for _, s := range r.By.Services[:min(5, len(r.By.Services))] {
			fmt.Fprintf(w, "  %12s  %s\n", p.count(s.Packets), service(s))
		}
		if all := r.By.Protocols; len(all) > 1 {
			for _, s := range all[:min(5, len(all))] {
				fmt.Fprintf(w, "  %12s  %s\n", p.count(s.Packets), s.Proto)
			}
		}
	}
	if r.Broken > 0 {
		fmt.Fprintf(w, "\n%s\n", p.say("replay_broken_of", "run", i, "flows", r.Broken, "picked", r.PickedUp))
		if r.Loose > 0 {
			fmt.Fprintln(w, " ", p.say("replay_broken_loose", "flows", r.Loose))
		}
		if r.NAT > 0 {
			fmt.Fprintln(w, " ", p.say("replay_broken_nat", "flows", r.NAT))
		}
		for _, s := range r.BrokenBy[:min(5, len(r.BrokenBy))] {
			fmt.Fprintf(w, "  %12s  %s\n", p.count(s.Flows), service(s))
		}
	}
	if r.LogLines > 0 {
		fmt.Fprintf(w, "\n%s\n", p.say("replay_log", "run", i, "lines", r.LogLines))
		for _, line := range r.Log[:min(3, len(r.Log))] {
			fmt.Fprintln(w, " ", line)
		}
	}
}

func service(s replayService) string {
	if s.Port == 0 {
		return s.Proto
	}
	return fmt.Sprintf("%s %d", s.Proto, s.Port)
}
