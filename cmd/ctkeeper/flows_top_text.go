package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/surface/wording"
)

// topLines prints one row a line.
func (a *app) topLines(d topDocument) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	for _, row := range d.Rows {
		if err := enc.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// topText prints how full the table is, then the rows in columns.
func (a *app) topText(d topDocument) error {
	p := &page{lang: a.language()}
	p.topHead(d)
	p.topRows(d)
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

func (p *page) topHead(d topDocument) {
	add := func(code string, pairs ...any) {
		p.wrap("", "  ", wording.Say(p.lang, message.New(code, pairs...)))
	}
	switch {
	case d.Occupancy != nil && d.Pressure != nil:
		add("flows_top_table_pressure", "count", *d.Count, "max", *d.Max, "occupancy", *d.Occupancy, "pressure", *d.Pressure)
	case d.Occupancy != nil:
		add("flows_top_table", "count", *d.Count, "max", *d.Max, "occupancy", *d.Occupancy)
	case d.Count != nil:
		add("flows_top_table_count", "count", *d.Count)
	}
	p.topRates(d.Rates)
	code := "flows_top_exact"
	if !d.Exact {
		code = "flows_top_sketched"
	}
	add(code, "flows", d.Total.Count, "by", strings.Join(d.By, ","), "keys", d.Keys, "missing", d.Missing)
}

// topRates says what is refused, comes and ends; what is not known is left out.
func (p *page) topRates(r *sample.Rates) {
	if r == nil {
		return
	}
	var parts []string
	for _, c := range []struct {
		code string
		rate *sample.Rate
	}{{"refused", r.Refused}, {"early", r.EarlyDropped}, {"arrivals", r.Arrivals}, {"ends", r.Ends}} {
		if c.rate == nil {
			continue
		}
		text := wording.Say(p.lang, message.New("flows_top_rate_"+c.code, "rate", c.rate.PerSecond))
		if c.rate.Error > 0 {
			text += " ±" + wording.Count(p.lang, math.Ceil(c.rate.Error))
		}
		parts = append(parts, text)
	}
	code := "flows_top_rates_" + string(r.Basis)
	p.wrap("", "  ", wording.Say(p.lang, message.New(code, "seconds", math.Round(r.Seconds*10)/10, "rates", strings.Join(parts, ", "))))
}

// topRows prints the figures right-aligned, and the keys after them.
func (p *page) topRows(d topDocument) {
	if len(d.Rows) == 0 {
		return
	}
	codes := []string{"flows", "share", "assured", "closing", "half_open", "idle"}
	if !d.Exact {
		codes = append([]string{"error"}, codes...)
	}
	head := make([]string, len(codes))
	for i, c := range codes {
		head[i] = p.say("flows_top_col_" + c)
	}
	table := [][]string{append(head, d.By...)}
	for _, row := range d.Rows {
		var cells []string
		for _, c := range codes {
			cells = append(cells, p.topCell(c, row))
		}
		table = append(table, append(cells, row.Keys...))
	}
	p.WriteString("\n")
	p.aligned(table, len(codes))
}

func (p *page) topCell(column string, row topRow) string {
	count := func(v uint64) string { return wording.Count(p.lang, float64(v)) }
	switch column {
	case "flows":
		return count(row.Count)
	case "error":
		return count(row.Error)
	case "share":
		return wording.Percent(p.lang, row.Share)
	case "idle":
		return idleCell(row.Place, count)
	}
	v := map[string]uint64{"assured": row.Assured, "closing": row.Closing, "half_open": row.HalfOpen}[column]
	return atLeast(row.Error > 0) + count(v)
}

// idleCell is how many flows are long idle: "?" when it is known of none.
func idleCell(row rank.Place, count func(uint64) string) string {
	if row.IdleUnknown > 0 && row.IdleUnknown+row.Error >= row.Count {
		return "?"
	}
	return atLeast(row.IdleUnknown > 0 || row.Error > 0) + count(row.IdleLong)
}

// atLeast marks a figure that may be larger.
func atLeast(yes bool) string {
	if yes {
		return "≥"
	}
	return ""
}

// aligned prints a table whose first columns are figures.
func (p *page) aligned(table [][]string, figures int) {
	width := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range table {
		var b strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i < figures {
				b.WriteString(space + cell + "  ")
			} else {
				b.WriteString(cell + space + "  ")
			}
		}
		p.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
}
