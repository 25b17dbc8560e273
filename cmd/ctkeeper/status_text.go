package main

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// How much of a screen is given to what may be long; the JSON has everything.
const (
	statusTablesShown   = 3
	statusFindingsShown = 3
	barWidth            = 50
	leastShare          = 100 // a source below one in so many flows tells nothing
)

// statusText prints one screen: host, verdict, tables, settings, and what to type next.
func (a *app) statusText(s snapshot.Snapshot, r diagnose.Report) error {
	p := &page{lang: a.language()}
	p.hostLine(s)
	p.wrap("", "", wording.Say(p.lang, r.Text))
	p.worst(r.Findings)
	tables := statusTables(s, r)
	shown, legend := 0, false
	for _, t := range tables {
		if t.Count == nil && t.Max == nil {
			continue
		}
		if shown++; shown <= statusTablesShown {
			p.table(t)
			legend = legend || t.Pressure != nil && t.Occupancy != nil && *t.Occupancy > 0
		}
	}
	if legend {
		p.WriteString("\n")
		p.wrap("  ", "  ", p.say("status_legend"))
	}
	if shown > statusTablesShown {
		p.wrap("  ", "  ", wording.Say(p.lang, message.New("doctor_tables_more", "more", shown-statusTablesShown)))
	}
	p.statusSettings(statusSettings(s))
	p.notRead(len(r.Missing))
	p.WriteString("\n" + p.say("status_next") + "\n")
	p.columns(a.next(p.lang, s, r))
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

// hostLine says whose state this is; what is not known is left out.
func (p *page) hostLine(s snapshot.Snapshot) {
	var parts []string
	add := func(known bool, code string, pairs ...any) {
		if known {
			parts = append(parts, wording.Say(p.lang, message.New(code, pairs...)))
		}
	}
	h := s.Host
	add(h.Name != "", "status_name", "name", h.Name)
	add(h.Kernel != "", "status_kernel", "kernel", h.Kernel)
	add(s.Module.State != snapshot.ModuleUnknown, "status_module_"+string(s.Module.State))
	add(h.Uptime > 0, "status_up", "up", wording.Duration(p.lang, h.Uptime))
	add(h.MemTotal > 0 && h.MemAvailable > 0, "status_memory", "available", h.MemAvailable, "total", h.MemTotal)
	if len(parts) > 0 {
		p.wrap("", "", strings.Join(parts, " · "))
	}
}

// worst names the findings above ok, worst first.
func (p *page) worst(list []diagnose.Finding) {
	n := 0
	for _, f := range list {
		if f.Severity == diagnose.OK {
			continue
		}
		if n++; n > statusFindingsShown {
			continue
		}
		head := wording.Say(p.lang, message.New("doctor_head",
			"severity", strings.ToUpper(p.severity(f.Severity)), "title", p.say("finding_"+f.Code), "code", f.Code))
		if f.Namespace != "" {
			head += " · " + f.Namespace
		}
		p.wrap("  ", "    ", head)
	}
	if n > statusFindingsShown {
		p.wrap("  ", "    ", wording.Say(p.lang, message.New("doctor_tables_more", "more", n-statusFindingsShown)))
	}
}

// table shows how full one table is, how much of it sticks, what it refused, and who fills it.
func (p *page) table(t statusTable) {
	p.WriteString("\n")
	p.tables([]diagnose.Namespace{t.Namespace})
	if t.Occupancy != nil {
		p.WriteString("  [" + bar(*t.Occupancy, t.Pressure) + "]\n")
	}
	if t.Refused != nil && t.Seconds > 0 {
		p.wrap("  ", "    ", wording.Say(p.lang, message.New("status_refused",
			"refused", *t.Refused, "seconds", math.Round(t.Seconds*10)/10, "rate", float64(*t.Refused)/t.Seconds)))
	}
	p.sources(t)
}

func (p *page) sources(t statusTable) {
	if t.Flows == nil || *t.Flows == 0 || len(t.Sources) == 0 {
		return
	}
	var all []string
	for _, row := range t.Sources {
		if row.Count*leastShare < *t.Flows {
			break // rows come largest first
		}
		all = append(all, wording.Say(p.lang, message.New("status_source",
			"address", row.Key, "count", row.Count, "share", float64(row.Count)/float64(*t.Flows))))
	}
	if len(all) == 0 {
		return
	}
	p.wrap("  ", "    ", wording.Say(p.lang, message.New("status_sources", "sources", strings.Join(all, " · "))))
}

// bar draws occupancy; the part that the kernel cannot reclaim by itself stands out where it is known.
// Whatever is more than nothing shows at least one cell, and only a full table fills the bar.
func bar(occupancy float64, pinned *float64) string {
	cells := func(share float64) int {
		n := int(math.Floor(share * barWidth))
		if share > 0 && n == 0 {
			n = 1
		}
		return max(0, min(n, barWidth))
	}
	used := cells(occupancy)
	if pinned == nil {
		return strings.Repeat("=", used) + strings.Repeat(".", barWidth-used)
	}
	stuck := min(cells(*pinned), used)
	return strings.Repeat("#", stuck) + strings.Repeat("+", used-stuck) + strings.Repeat(".", barWidth-used)
}

func (p *page) statusSettings(list []statusSetting) {
	if len(list) == 0 {
		return
	}
	p.WriteString("\n" + p.say("status_settings") + "\n")
	for _, s := range list {
		note := ""
		switch {
		case s.Differs:
			note = wording.Say(p.lang, message.New("status_differs", "default", p.quantity(s.setting, *s.Default)))
		case s.Default != nil:
			note = p.say("status_default")
		}
		p.WriteString("  " + strings.TrimRight(pad(s.Name, 24)+pad(p.quantity(s.setting, s.Value), 22)+note, " ") + "\n")
	}
}

func (p *page) notRead(n int) {
	if n > 0 {
		p.WriteString("\n")
		p.wrap("", "", wording.Say(p.lang, message.New("status_missing", "n", n)))
	}
}

// columns lists commands with what they do beside them, or below where a command is long.
func (p *page) columns(list []statusNext) {
	const column = 26
	for _, n := range list {
		if utf8.RuneCountInString(n.Command) >= column {
			p.WriteString("  " + n.Command + "\n")
			p.wrap(strings.Repeat(" ", column+2), strings.Repeat(" ", column+2), wording.Say(p.lang, message.New(n.code)))
			continue
		}
		p.wrap("  "+pad(n.Command, column), strings.Repeat(" ", column+2), wording.Say(p.lang, message.New(n.code)))
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(s)))
}
