// Package report writes the comparison of a replay as one HTML page that can be sent to someone: no request
// to anywhere, no script, readable on paper and on a phone. What it says comes from advice/replay's results.
package report

import (
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

// Run is one variant as it is shown.
type Run struct {
	Title  string
	Kernel string
	Result replay.Result
	// Low is the other bound, where the sources leave two; nil otherwise.
	Low *replay.Result
	// Memory is what the kernel needs at the peak, in bytes.
	Memory uint64
}

// Document is the whole page.
type Document struct {
	Lang    wording.Lang
	Source  string   // what was replayed
	Base    string   // where the base's settings came from, as a sentence
	Notes   []string // what the sources leave open, as sentences
	Version string
	Packets int64
	Span    time.Duration
	Runs    []Run
}

// Write writes the page.
func (d *Document) Write(w io.Writer) error {
	p := &page{d: d}
	p.head()
	p.table()
	p.charts()
	for i := range d.Runs {
		p.details(i)
	}
	p.foot()
	_, err := io.WriteString(w, p.String())
	return err
}

// page collects the HTML.
type page struct {
	strings.Builder
	d *Document
}

func (p *page) say(code string, pairs ...any) string {
	return html.EscapeString(wording.Say(p.d.Lang, message.New(code, pairs...)))
}

func (p *page) head() {
	title := p.say("report_title")
	fmt.Fprintf(p, `<!doctype html>
<html lang="%s"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>%s</title><style>%s</style></head><body><main>
<h1>%s</h1>
`, p.d.Lang, title, style, title)
	fmt.Fprintf(p, "<p>%s</p>\n<p class=\"quiet\">%s</p>\n",
		p.say("report_source", "source", p.d.Source, "packets", p.d.Packets, "span", int64(p.d.Span.Seconds())), html.EscapeString(p.d.Base))
	for _, n := range p.d.Notes {
		fmt.Fprintf(p, "<p class=\"quiet\">%s</p>\n", html.EscapeString(n))
	}
}

// breakable lets long setting names wrap at their underscores.
func breakable(title string) string {
	return strings.ReplaceAll(html.EscapeString(title), "_", "_<wbr>")
}

// column is one figure of the comparison; bad ones are marked.
type column struct {
	code  string
	value func(p *page, r *Run) (text string, bad bool)
}

// columns are the comparison's, in order.
func columns() []column {
	between := func(f func(r *replay.Result) uint64) func(p *page, r *Run) string {
		return func(p *page, r *Run) string {
			most := f(&r.Result)
			if r.Low == nil || f(r.Low) == most {
				return p.count(most)
			}
			return p.count(min(most, f(r.Low))) + "–<wbr>" + p.count(max(most, f(r.Low)))
		}
	}
	figure := func(code string, f func(r *replay.Result) uint64) column {
		return column{code, func(p *page, r *Run) (string, bool) { return between(f)(p, r), false }}
	}
	loss := func(code string, f func(r *replay.Result) uint64) column {
		return column{code, func(p *page, r *Run) (string, bool) {
			return between(f)(p, r), f(&r.Result) > 0 || r.Low != nil && f(r.Low) > 0
		}}
	}
	return []column{
		figure("replay_peak", func(r *replay.Result) uint64 { return uint64(r.Peak) }),
		figure("replay_median", func(r *replay.Result) uint64 { return uint64(r.Count.P50) }),
		{"replay_pressure", func(p *page, r *Run) (string, bool) {
			v, ok := r.Result.Pressure()
			if !ok {
				return "–", false
			}
			return p.say("replay_percent", "share", v), false
		}},
		loss("replay_refused", func(r *replay.Result) uint64 { return r.Counters.Refused }),
		loss("replay_early", func(r *replay.Result) uint64 { return r.Counters.EarlyDrop }),
		loss("replay_broken", func(r *replay.Result) uint64 { return r.BrokenSum().Flows }),
		{"replay_limit", func(p *page, r *Run) (string, bool) {
			return html.EscapeString(wording.Duration(p.d.Lang, int64(r.Result.AtLimit.Seconds()))), false
		}},
		{"replay_memory", func(p *page, r *Run) (string, bool) { return p.say("replay_bytes", "bytes", r.Memory), false }},
		figure("replay_chain", func(r *replay.Result) uint64 { return uint64(r.ChainLongest) }),
	}
}

// table compares the runs: a row each, which a narrow screen shows as a list of its figures with their names.
func (p *page) table() {
	fmt.Fprintf(p, "<h2>%s</h2>\n<div class=\"wide\"><table class=\"runs\"><thead><tr><th scope=\"col\">%s</th><th scope=\"col\" class=\"text\">%s</th>",
		p.say("report_compared"), p.say("replay_run"), p.say("report_settings"))
	all := columns()
	for _, c := range all {
		fmt.Fprintf(p, `<th scope="col">%s</th>`, p.say(c.code))
	}
	p.WriteString("</tr></thead><tbody>\n")
	for i := range p.d.Runs {
		r := &p.d.Runs[i]
		fmt.Fprintf(p, `<tr><th scope="row">%d</th><td class="text">%s</td>`, i, breakable(r.Title))
		for _, c := range all {
			text, bad := c.value(p, r)
			class := ""
			if bad {
				class = ` class="bad"`
			}
			fmt.Fprintf(p, `<td data-name="%s"%s>%s</td>`, p.say(c.code), class, text)
		}
		p.WriteString("</tr>\n")
	}
	p.WriteString("</tbody></table></div>\n")
}

func (p *page) count(n any) string { return p.say("replay_count", "n", n) }
