package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

// measured shows what was recorded and how the alternatives compare.
func (p *page) measured(m *plan.Measured) {
	p.WriteString("\n")
	p.wrap("", "", p.of("measured_head", "sources", sources(m.Sources), "flows", m.Demand.Flows, "span", int64(m.Demand.Span().Seconds()), "headroom", m.Headroom))
	if k := m.Peak; k != nil {
		code, pairs := "measured_peak", []any{"highest", k.Highest, "quantile", k.Quantile, "block", int64(max(k.Block, 1)), "level", k.Level, "confidence", k.Confidence}
		if k.High != nil && k.Low != nil {
			code, pairs = "measured_peak_bounded", append(pairs, "low", *k.Low, "high", *k.High)
		}
		p.wrap("", "", p.of(code, pairs...))
	}
	for _, c := range m.Demand.Classes[:min(5, len(m.Demand.Classes))] {
		service := c.Service.String()
		if c.Others {
			service = p.of("measured_others", "service", service)
		}
		line := p.of("measured_class", "share", c.Share, "service", service, "outcome", p.say("measured_"+string(c.Outcome)), "rate", c.Rate,
			"lifetime", p.upTo(c.Lifetime.P90))
		if c.Idle != nil {
			code := "measured_idle"
			if c.Idle.Bound {
				code = "measured_idle_bound"
			}
			line += p.of(code, "idle", p.upTo(c.Idle.Longest))
		}
		p.wrap("  ", "    ", line)
	}
	p.WriteString("\n")
	p.alternatives(m.Alternatives)
	for i := range m.Alternatives {
		p.alternativeDetail(&m.Alternatives[i])
	}
}

// sources names a few files, of many the first and the last.
func sources(all []string) string {
	const few = 3
	if n := len(all); n > few {
		return all[0] + " … " + all[n-1] + " (" + strconv.Itoa(n) + ")"
	}
	return strings.Join(all, ", ")
}

// upTo writes seconds, in whole ones that are not fewer.
func (p *page) upTo(seconds float64) string {
	return wording.Duration(p.lang, int64(math.Ceil(seconds)))
}

func (p *page) of(code string, pairs ...any) string {
	return wording.Say(p.lang, message.New(code, pairs...))
}

// alternatives is the table: a row each, the chosen one marked.
func (p *page) alternatives(all []plan.Alternative) {
	rows := [][]string{{p.say("alt_name"), p.say("alt_least"), p.say("alt_max"), p.say("alt_peak"), p.say("replay_refused"), p.say("alt_evicted"),
		p.say("replay_broken"), p.say("alt_memory"), p.say("alt_chain")}}
	wide := utf8.RuneCountInString(rows[0][0])
	for i := range all {
		a := &all[i]
		row := []string{p.say("alt_" + a.Name), p.count(uint64(a.Least)), p.count(uint64(a.Max)), p.between(a.Peak), p.between(a.Refused), p.between(a.EarlyDrops),
			p.between(a.Broken), p.of("replay_bytes", "bytes", a.Memory), p.of("alt_mean", "n", math.Round(10*a.Chain)/10)}
		if a.Max == 0 {
			row[2], row[7], row[8] = "–", "–", "–"
		}
		rows = append(rows, row)
		wide = max(wide, utf8.RuneCountInString(row[0]))
	}
	t := tabwriter.NewWriter(p, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, row := range rows {
		mark := "  "
		if i > 0 && all[i-1].Chosen {
			mark = "→ "
		}
		fmt.Fprintln(t, mark+row[0]+strings.Repeat(" ", wide-utf8.RuneCountInString(row[0]))+"\t"+strings.Join(row[1:], "\t")+"\t")
	}
	_ = t.Flush() // a page takes everything
}

func (p *page) count(n uint64) string { return p.of("replay_count", "n", n) }

func (p *page) between(b plan.Bounds) string {
	if b.Low == b.High {
		return p.count(b.Low)
	}
	return p.count(b.Low) + "–" + p.count(b.High)
}

// alternativeDetail says what an alternative changes, and why it was not to be chosen.
func (p *page) alternativeDetail(a *plan.Alternative) {
	parts := a.Changes()
	if pol := a.Policy; pol != nil && pol.Notrack {
		parts = append(parts, p.of("alt_untracked", "service", pol.Service.String()))
	} else if pol != nil {
		parts = append(parts, p.of("alt_for", "service", pol.Service.String(), "values", strings.Join(pol.Changes(), " ")))
	}
	values := strings.Join(parts, ", ")
	if a.Barred != "" {
		values = strings.TrimSpace(values + " (" + p.say("alt_barred_"+a.Barred) + ")")
	}
	if len(parts) == 0 && a.Barred == "" || a.Name == plan.TimeoutsMax && a.Barred == "" {
		return // its timeouts are the row's above
	}
	p.wrap("  ", "    ", p.of("alt_detail", "name", p.say("alt_"+a.Name), "values", values))
}

// manual shows commands that are not ctkeeper's to run.
func (p *page) manual(all []plan.Manual) {
	for _, m := range all {
		p.WriteString("\n")
		p.wrap("", "  ", wording.Say(p.lang, m.Reason))
		for _, c := range m.Commands {
			p.WriteString("  " + c + "\n")
		}
		p.WriteString(p.say("manual_undo") + "\n")
		for _, c := range m.Undo {
			p.WriteString("  " + c + "\n")
		}
	}
}
