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
	"ctkeeper/internal/surface/chart"
	"ctkeeper/internal/surface/wording"
)

// Run is one variant as it is shown.
type Run struct {
	Title  string
	Kernel string
	Result replay.Result
	// Memory is what the kernel needs at the peak, in bytes.
	Memory uint64
}

// Document is the whole page.
type Document struct {
	Lang    wording.Lang
	Source  string // what was replayed
	Base    string // where the base's settings came from, as a sentence
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
}

// breakable lets long setting names wrap at their underscores.
func breakable(title string) string {
	return strings.ReplaceAll(html.EscapeString(title), "_", "_<wbr>")
}

// table compares the runs: a row each.
func (p *page) table() {
	fmt.Fprintf(p, "<h2>%s</h2>\n<div class=\"wide\"><table><thead><tr>", p.say("report_compared"))
	for _, code := range []string{"replay_run", "report_settings", "replay_peak", "replay_pressure", "replay_refused", "replay_early", "replay_broken",
		"replay_limit", "replay_memory"} {
		class := ""
		if code == "report_settings" {
			class = ` class="text"`
		}
		fmt.Fprintf(p, `<th scope="col"%s>%s</th>`, class, p.say(code))
	}
	p.WriteString("</tr></thead><tbody>\n")
	for i := range p.d.Runs {
		p.row(i)
	}
	p.WriteString("</tbody></table></div>\n")
}

func (p *page) row(i int) {
	r := &p.d.Runs[i]
	c := r.Result.Counters
	pressure := "–"
	if v, ok := r.Result.Pressure(); ok {
		pressure = p.say("replay_percent", "share", v)
	}
	flows, _ := r.Result.BrokenFlows()
	fmt.Fprintf(p, `<tr><th scope="row">%d</th><td class="text">%s</td><td>%s</td><td>%s</td>`, i, breakable(r.Title), p.count(r.Result.Peak), pressure)
	for _, n := range []uint64{c.Refused, c.EarlyDrop, flows} {
		class := ""
		if n > 0 {
			class = ` class="bad"`
		}
		fmt.Fprintf(p, "<td%s>%s</td>", class, p.count(n))
	}
	fmt.Fprintf(p, "<td>%s</td><td>%s</td></tr>\n", html.EscapeString(wording.Duration(p.d.Lang, int64(r.Result.AtLimit.Seconds()))),
		p.say("replay_bytes", "bytes", r.Memory))
}

func (p *page) count(n any) string { return p.say("replay_count", "n", n) }

// charts draws the counts, wide and narrow: a phone shows the narrow one.
func (p *page) charts() {
	fmt.Fprintf(p, "<h2>%s</h2>\n", p.say("report_curves"))
	c := Chart(p.d)
	for _, size := range []struct {
		class         string
		width, height int
	}{{"on-wide", 960, 340}, {"on-narrow", 380, 260}} {
		c.Width, c.Height = size.width, size.height
		fmt.Fprintf(p, "<div class=\"%s\">%s</div>\n", size.class, c.SVG())
	}
}

// Chart is the count of every run over time.
func Chart(d *Document) chart.Chart {
	c := chart.Chart{Title: wording.Say(d.Lang, message.New("report_count")), Width: 960, Height: 340}
	c.Y = func(v float64) string { return wording.Say(d.Lang, message.New("replay_count", "n", v)) }
	c.X = func(at time.Duration) string { return wording.Duration(d.Lang, int64(at.Seconds())) }
	for i := range d.Runs {
		r := &d.Runs[i]
		s := chart.Series{Name: fmt.Sprintf("%d · %s", i, r.Title)}
		for _, n := range r.Result.Counts() {
			s.Values = append(s.Values, float64(n))
		}
		c.Series = append(c.Series, s)
		c.Step = max(c.Step, r.Result.BinWidth)
	}
	if len(d.Runs) > 0 && d.Runs[0].Result.Settings.Max > 0 {
		c.Limits = []chart.Limit{{Name: "max", Value: float64(d.Runs[0].Result.Settings.Max)}}
	}
	return c
}

// details says for one run who was refused and what broke; nothing when nothing was.
func (p *page) details(i int) {
	r := &p.d.Runs[i].Result
	flows, picked := r.BrokenFlows()
	if r.Counters.Refused == 0 && flows == 0 {
		return
	}
	fmt.Fprintf(p, "<h2>%d · %s</h2>\n", i, breakable(p.d.Runs[i].Title))
	if r.Counters.Refused > 0 {
		fmt.Fprintf(p, "<p>%s</p>\n", p.say("replay_refused_of", "run", i, "packets", r.Counters.Refused, "flows", r.RefusedFlows))
		p.open("report_source_column", "report_packets")
		for _, s := range r.RefusedSources {
			p.pair(s.Key.String(), s.Count)
		}
		for _, s := range r.RefusedServices {
			p.pair(serviceName(s.Key), s.Count)
		}
		p.WriteString("</table>\n")
	}
	if flows > 0 {
		fmt.Fprintf(p, "<p>%s</p>\n", p.say("replay_broken_of", "run", i, "flows", flows, "picked", picked))
		p.open("report_service", "report_flows")
		for _, s := range r.Broken[:min(len(r.Broken), 20)] {
			p.pair(serviceName(s.Service), s.Flows)
		}
		p.WriteString("</table>\n")
	}
}

func (p *page) open(key, value string) {
	fmt.Fprintf(p, `<table class="small"><tr><th scope="col" class="text">%s</th><th scope="col">%s</th></tr>`+"\n", p.say(key), p.say(value))
}

func (p *page) pair(name string, n uint64) {
	fmt.Fprintf(p, `<tr><td class="text">%s</td><td>%s</td></tr>`+"\n", html.EscapeString(name), p.count(n))
}

func serviceName(s replay.Service) string {
	if s.Port == 0 {
		return s.Proto.String()
	}
	return fmt.Sprintf("%s %d", s.Proto, s.Port)
}

func (p *page) foot() {
	fmt.Fprintf(p, "<p class=\"quiet\">%s</p>\n</main></body></html>\n", p.say("report_foot", "version", p.d.Version))
}

const style = `
:root{color-scheme:light dark}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fafafa}
main{max-width:62rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:1.5rem 0 .5rem}
.quiet{color:#595959;font-size:.9rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;background:#fff}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
thead th{white-space:normal;vertical-align:bottom}
.text{text-align:left;white-space:normal;min-width:9rem;overflow-wrap:anywhere}
.small{margin:.5rem 0}
.bad{color:#b00020;font-weight:600}
svg{width:100%;height:auto;display:block}
.on-narrow{display:none}
@media (max-width:600px){.on-wide{display:none}.on-narrow{display:block}main{padding:.6rem}}
@media (prefers-color-scheme:dark){body{color:#eee;background:#16181c}table{background:#1f2227}th,td{border-color:#3a3f47}.quiet{color:#b0b4bb}.bad{color:#ff8a80}svg{filter:invert(1) hue-rotate(180deg)}}
@media print{body{background:#fff}}
`
