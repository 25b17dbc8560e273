package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

// headHeight is how many lines stand above the ranking, its headings among them; footHeight below it.
const (
	headHeight = 7
	footHeight = 2
)

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	if m.mode == grouping || m.mode == filtering || m.mode == timing {
		v.Cursor = m.caret()
	}
	return v
}

// lines are the lines of the screen, as many as it is high and none wider.
func (m *model) lines() []string {
	if m.width < 20 || m.height < 5 {
		return []string{cut(m.say("tui_too_small"), max(m.width, 0))}
	}
	var all []string
	if m.mode == helping {
		all = m.help()
	} else {
		all = append(m.head(), m.tableLines()...)
		all = append(fit(all, m.height-footHeight), m.foot()...)
	}
	for i, l := range all {
		all[i] = lipgloss.NewStyle().MaxWidth(m.width).Render(l)
		if m.o.ASCII {
			all[i] = strings.Map(asciiFor, all[i])
		}
	}
	return fit(all, m.height)
}

// fit makes a list of lines exactly so long.
func fit(lines []string, n int) []string {
	if len(lines) > n {
		return lines[:max(n, 0)]
	}
	return append(lines, make([]string, n-len(lines))...)
}

func (m *model) say(code string, pairs ...any) string {
	return wording.Say(m.o.Lang, message.New(code, pairs...))
}

func (m *model) head() []string {
	return []string{m.titleLine(), m.tableLine(), m.rateLine(), m.sparkLine(), m.readLine(), m.noteLine()}
}

// titleLine says what is shown, and whether it is frozen.
func (m *model) titleLine() string {
	st := newStyles()
	title := m.say("tui_title", "by", m.here.by.String())
	if m.o.Name != "" {
		title += "  " + m.say("tui_name", "name", clean(m.o.Name))
	}
	for _, p := range m.here.path {
		title += " > " + clean(p)
	}
	if !m.here.typed.All() {
		title += "  " + m.say("tui_filter", "filter", clean(m.here.typed.String()))
	}
	state := ""
	if m.frozen {
		state = " " + m.say("tui_frozen")
	}
	room := m.width - lipgloss.Width(state)
	return st.bold.Render(pad(cut(title, room), room, false)) + st.warn.Render(state)
}

// tableLine is how full the table is, with a bar.
func (m *model) tableLine() string {
	st := newStyles()
	g, ok := m.hist.last()
	switch {
	case m.gaugeErr != nil:
		return st.bad.Render(cut(m.say("tui_gauge_error", "error", clean(m.gaugeErr.Error())), m.width))
	case !ok:
		return m.say("tui_gauge_waiting")
	case g.Count == nil:
		return m.say("tui_count_unknown")
	case g.Max == nil:
		return m.say("tui_count", "count", *g.Count)
	case *g.Max == 0:
		return m.say("tui_count_unlimited", "count", *g.Count)
	}
	used := float64(*g.Count) / float64(*g.Max)
	text := m.say("tui_table", "count", *g.Count, "max", *g.Max, "share", used)
	after := m.say("tui_pressure_unknown")
	if m.pressure.known {
		after = m.say("tui_pressure", "pressure", m.pressure.value)
		if age := m.now.Sub(m.pressure.at); age >= time.Minute {
			after += " " + m.say("tui_ago", "age", m.age(age))
		}
	}
	style := st.good
	switch {
	case used >= 0.95:
		style = st.bad
	case used >= 0.8:
		style = st.warn
	}
	width := m.width - lipgloss.Width(text) - lipgloss.Width(after) - 4
	if width < 8 {
		return style.Render(text) + "  " + after
	}
	return style.Render(text) + " [" + bar(width, m.pressure.value, used, m.pressure.known) + "] " + after
}

// rateLine is what is refused, dropped early, new and ended a second.
func (m *model) rateLine() string {
	st := newStyles()
	refused := m.rateText(m.hist.refused())
	early := m.rateText(m.hist.rate(func(g Gauge) *uint64 { return g.EarlyDrop }))
	cells := []string{
		m.alarm(st.bad, "tui_refused", refused), m.alarm(st.warn, "tui_early_drop", early),
		m.say("tui_arrivals", "rate", m.churnText(m.churn.value.Arrivals)),
		m.say("tui_ends", "rate", m.churnText(m.churn.value.Ends)),
	}
	line := strings.Join(cells, "  ")
	if e := m.churn.value.Error; m.churn.known && e > 0 && m.churn.value.Arrivals != nil {
		line += " " + m.say("tui_churn_error", "error", e)
	}
	switch {
	case m.churn.err != nil && m.gaugeErr == nil:
		line += "  " + clean(m.churn.err.Error())
	case m.churn.known && !m.churn.value.Why.IsZero():
		line += "  " + st.dim.Render(wording.Say(m.o.Lang, m.churn.value.Why))
	}
	return line
}

// alarm is a rate that stands out when it is not nought.
func (m *model) alarm(style lipgloss.Style, code, rate string) string {
	text := m.say(code, "rate", rate)
	if rate == unknownText || rate == wording.Rate(m.o.Lang, 0) {
		return text
	}
	return style.Render(text)
}

// unknownText stands for a figure that is not known.
const unknownText = "?"

func (m *model) rateText(v float64, known bool) string {
	if !known {
		return unknownText
	}
	return wording.Rate(m.o.Lang, v)
}

func (m *model) churnText(v *float64) string {
	if !m.churn.known || v == nil {
		return unknownText
	}
	return wording.Rate(m.o.Lang, *v)
}

// sparkLine is how many flows the table had over the last minutes, and when it will be full.
func (m *model) sparkLine() string {
	after := ""
	switch f := m.hist.fill(); {
	case f.full:
		after = newStyles().bad.Render(m.say("tui_full"))
	case f.growing:
		after = newStyles().warn.Render(m.say("tui_full_in", "left", m.age(f.left)))
	case f.known:
		after = m.say("tui_not_filling")
	default:
		after = m.say("tui_fill_unknown")
	}
	_, low, high, span := m.hist.spark(1)
	if span <= 0 || low > high {
		return m.say("tui_last", "span", m.age(0)) + "  " + after
	}
	before := m.say("tui_last", "span", m.age(span))
	bounds := m.say("tui_bounds", "low", low, "high", high)
	width := min(m.width-lipgloss.Width(before)-lipgloss.Width(bounds)-lipgloss.Width(after)-6, 120)
	values, low, high, _ := m.hist.spark(width)
	return before + "  " + sparkline(values, low, high) + "  " + bounds + "  " + after
}

// age is a duration in whole seconds.
func (m *model) age(d time.Duration) string {
	return wording.Duration(m.o.Lang, int64(max(d, 0).Round(time.Second)/time.Second))
}

// readLine says how old the ranking is, what it costs, and when it is read again.
func (m *model) readLine() string {
	t := m.table
	switch {
	case t.err != nil:
		return newStyles().bad.Render(cut(m.say("tui_rank_error", "error", clean(t.err.Error())), m.width))
	case !t.known:
		return m.say("tui_rank_waiting")
	}
	line := m.say("tui_read", "flows", t.value.Total.Count, "age", m.age(m.now.Sub(t.at)))
	if t.value.Cost >= time.Second {
		line += m.say("tui_cost", "cost", t.value.Cost.Seconds())
	}
	switch {
	case m.frozen:
	case t.busy:
		line += m.say("tui_reading")
	default:
		line += m.say("tui_next", "left", m.age(t.due.Sub(m.now)))
	}
	return line
}

// noteLine is what the reader of the ranking should know.
func (m *model) noteLine() string {
	t := m.table
	var notes []string
	if t.known {
		code := "tui_exact"
		if !t.value.Exact {
			code = "tui_sketched"
		}
		order := m.say("tui_sorted", "column", m.say("tui_sort_"+m.order.code()))
		if n := len(m.rows); n < t.value.Keys && m.order != byFlows {
			order += " " + m.say("tui_sorted_among", "rows", n)
		}
		notes = append(notes, order, m.say(code, "keys", t.value.Keys, "missing", t.value.Missing))
		for _, w := range t.value.Warnings {
			notes = append(notes, wording.Say(m.o.Lang, w))
		}
	}
	return newStyles().dim.Render(cut(strings.Join(notes, " · "), m.width))
}
