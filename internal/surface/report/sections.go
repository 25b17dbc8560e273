package report

import (
	"fmt"
	"html"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/chart"
	"ctkeeper/internal/surface/wording"
)

// fewSeries: with more curves than that, the first chart alone names them.
const fewSeries = 8

// charts draws the curves, wide and narrow: a phone shows the narrow ones.
func (p *page) charts() {
	fmt.Fprintf(p, "<h2>%s</h2>\n", p.say("report_curves"))
	for i, c := range Charts(p.d) {
		c.NoLegend = i > 0 && len(c.Series) > fewSeries
		for _, size := range []struct {
			class         string
			width, height int
		}{{"on-wide", 960, 340}, {"on-narrow", 380, 260}} {
			c.Width, c.Height = size.width, size.height
			fmt.Fprintf(p, "<figure class=\"%s\">%s</figure>\n", size.class, c.SVG())
		}
	}
}

// Chart is the count of every run over time.
func Chart(d *Document) chart.Chart {
	c := d.chart("report_count", func(b replay.Bin) float64 { return float64(b.Count) })
	if len(d.Runs) > 0 && d.Runs[0].Result.Settings.Max > 0 {
		c.Limits = []chart.Limit{{Name: "max", Value: float64(d.Runs[0].Result.Settings.Max)}}
	}
	return c
}

// Charts are the counts, the flows that cannot be reclaimed, and what was refused where anything was.
func Charts(d *Document) []chart.Chart {
	all := []chart.Chart{Chart(d), d.chart("report_held", func(b replay.Bin) float64 { return float64(b.Held) })}
	for i := range d.Runs {
		if d.Runs[i].Result.Counters.Refused > 0 {
			return append(all, d.chart("report_refused", func(b replay.Bin) float64 { return float64(b.Refused) }))
		}
	}
	return all
}

func (d *Document) chart(title string, value func(replay.Bin) float64) chart.Chart {
	c := chart.Chart{Title: wording.Say(d.Lang, message.New(title)), Width: 960, Height: 340}
	c.Y = func(v float64) string { return wording.Say(d.Lang, message.New("replay_count", "n", v)) }
	c.X = func(at time.Duration) string { return wording.Duration(d.Lang, int64(at.Seconds())) }
	for i := range d.Runs {
		r := &d.Runs[i]
		s := chart.Series{Name: fmt.Sprintf("%d · %s", i, r.Title)}
		for _, b := range r.Result.Curve {
			s.Values = append(s.Values, value(b))
		}
		c.Series = append(c.Series, s)
		c.Step = max(c.Step, r.Result.BinWidth)
	}
	return c
}

// details says for one run who was refused and what broke; nothing when nothing was.
func (p *page) details(i int) {
	r := &p.d.Runs[i].Result
	broken := r.BrokenSum()
	if r.Counters.Refused == 0 && broken.Flows == 0 {
		return
	}
	fmt.Fprintf(p, "<h2>%d · %s</h2>\n", i, breakable(p.d.Runs[i].Title))
	if r.Counters.Refused > 0 {
		fmt.Fprintf(p, "<p>%s</p>\n<div class=\"beside\">\n", p.say("replay_refused_of", "run", i, "packets", r.Counters.Refused, "flows", r.RefusedFlows))
		p.open("report_source_column", "report_packets")
		for _, s := range r.RefusedSources {
			p.cells(s.Key.String(), s.Count)
		}
		p.WriteString("</table>\n")
		p.open("report_service", "report_packets")
		for _, s := range r.RefusedServices {
			p.cells(serviceName(s.Key), s.Count)
		}
		p.WriteString("</table>\n")
		p.open("report_protocol", "report_packets")
		for _, s := range r.RefusedProtocols {
			p.cells(s.Key.String(), s.Count)
		}
		p.WriteString("</table>\n</div>\n")
	}
	if broken.Flows > 0 {
		p.broken(i, r, broken)
	}
}

// mostBroken bounds the services that are named.
const mostBroken = 20

func (p *page) broken(i int, r *replay.Result, all replay.BrokenService) {
	fmt.Fprintf(p, "<p>%s</p>\n", p.say("replay_broken_of", "run", i, "flows", all.Flows, "picked", all.PickedUp))
	if all.Loose > 0 {
		fmt.Fprintf(p, "<p>%s</p>\n", p.say("replay_broken_loose", "flows", all.Loose))
	}
	if all.NAT > 0 {
		fmt.Fprintf(p, "<p>%s</p>\n", p.say("replay_broken_nat", "flows", all.NAT))
	}
	p.open("report_service", "report_flows", "report_picked", "report_loose", "report_nat", "report_evicted")
	for _, s := range r.Broken[:min(len(r.Broken), mostBroken)] {
		p.cells(serviceName(s.Service), s.Flows, s.PickedUp, s.Loose, s.NAT, s.Evicted)
	}
	p.WriteString("</table>\n")
}

func (p *page) open(key string, values ...string) {
	fmt.Fprintf(p, `<table class="small"><tr><th scope="col" class="text">%s</th>`, p.say(key))
	for _, v := range values {
		fmt.Fprintf(p, `<th scope="col">%s</th>`, p.say(v))
	}
	p.WriteString("</tr>\n")
}

func (p *page) cells(name string, values ...uint64) {
	fmt.Fprintf(p, `<tr><td class="text">%s</td>`, html.EscapeString(name))
	for _, v := range values {
		fmt.Fprintf(p, "<td>%s</td>", p.count(v))
	}
	p.WriteString("</tr>\n")
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
main{max-width:70rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.15rem;margin:1.5rem 0 .5rem;overflow-wrap:anywhere}
.quiet{color:#595959;font-size:.9rem}.quiet::first-letter{text-transform:uppercase}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;background:#fff}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
thead th,.small th{white-space:normal;vertical-align:bottom}
.text{text-align:left;white-space:normal;min-width:6rem;overflow-wrap:anywhere}
.runs td{white-space:normal}.runs .text{min-width:11rem}
.small{margin:.5rem 0}
.beside{display:flex;flex-wrap:wrap;gap:0 1.5rem;align-items:flex-start}
.bad{color:#b00020;font-weight:600}
figure{margin:0 0 1rem}
svg{width:100%;height:auto;display:block}
.on-narrow{display:none}
@media (max-width:700px){
.on-wide{display:none}.on-narrow{display:block}main{padding:.6rem}th,td{padding:.25rem .4rem}.small{font-size:.9rem}
.runs,.runs tbody{display:block}.runs thead{display:none}
.runs tr{display:grid;grid-template-columns:2rem 1fr;padding:.5rem .4rem;border-bottom:1px solid #ccc}
.runs td,.runs th{border:0;padding:.1rem .3rem}.runs th{grid-row:1;text-align:left}.runs .text{grid-row:1;font-weight:600}
.runs td:not(.text){grid-column:2;display:flex;justify-content:space-between;gap:1rem}
.runs td:not(.text)::before{content:attr(data-name);color:#595959;font-weight:400}
}
@media (prefers-color-scheme:dark){
body{color:#eee;background:#16181c}table{background:#1f2227}th,td,.runs tr{border-color:#3a3f47}
.quiet,.runs td:not(.text)::before{color:#b0b4bb}.bad{color:#ff8a80}svg{filter:invert(.88) hue-rotate(180deg)}
}
@media print{body{background:#fff}h2,figure,tr{break-inside:avoid}}
`
