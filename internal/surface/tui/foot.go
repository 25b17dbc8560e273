package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/surface/wording"
)

// foot is the last two lines: what is asked or said, and the keys that matter now.
func (m *model) foot() []string {
	st := newStyles()
	switch m.mode {
	case grouping, filtering, timing:
		return m.lineFoot()
	case previewing:
		return []string{m.say("tui_counting"), m.say("tui_esc_stops")}
	case confirming:
		return m.confirmFoot()
	case acting:
		done := uint64(0)
		if m.act.done != nil {
			done = m.act.done.Load()
		}
		return []string{m.say("tui_acting_"+string(m.act.action.Verb), "done", done, "flows", m.act.preview.Flows), m.say("tui_esc_stops")}
	}
	note := ""
	if !m.notice.IsZero() {
		note = cut(clean(wording.Say(m.o.Lang, m.notice)), m.width)
		if m.bad {
			note = st.bad.Render(note)
		}
	} else if n := len(m.marks); n > 0 {
		note = m.say("tui_marked", "rows", n, "flows", m.markedFlows())
	}
	keys := m.say("tui_keys")
	if m.o.Change != nil {
		keys = m.say("tui_keys_act")
	}
	return []string{note, st.dim.Render(cut(keys, m.width))}
}

func (m *model) markedFlows() uint64 {
	n := uint64(0)
	for _, p := range m.marks {
		n += p.Count
	}
	return n
}

// prompt is what stands before the typed line.
func (m *model) prompt() string {
	switch m.mode {
	case grouping:
		return m.say("tui_prompt_group")
	case timing:
		return m.say("tui_prompt_timeout")
	}
	return m.say("tui_prompt_filter")
}

// window is the part of the typed line that the screen has room for, and where in it the cursor stands.
func (m *model) window() (string, int) {
	room := max(1, m.width-lipgloss.Width(m.prompt())-1)
	from := max(0, m.line.at-room+1)
	text := m.line.text[from:]
	for lipgloss.Width(string(text)) > room {
		text = text[:len(text)-1]
	}
	return string(text), lipgloss.Width(string(m.line.text[from:m.line.at]))
}

func (m *model) lineFoot() []string {
	text, at := m.window()
	below := m.say("tui_line_keys")
	switch {
	case m.line.err != "" && m.line.column > 0:
		below = m.say("tui_column", "column", m.line.column, "error", clean(m.line.err))
		if indent := lipgloss.Width(m.prompt()) + at; indent+2+lipgloss.Width(below) <= m.width {
			below = pad("", indent, false) + "^ " + below
		}
	case m.line.err != "":
		below = clean(m.line.err)
	}
	if m.line.err != "" {
		below = newStyles().bad.Render(cut(below, m.width))
	}
	return []string{m.prompt() + text, below}
}

// caret is the cursor in the typed line.
func (m *model) caret() *tea.Cursor {
	_, at := m.window()
	return tea.NewCursor(lipgloss.Width(m.prompt())+at, m.height-footHeight)
}

// confirmFoot asks for a yes, with the count and the largest of what would be touched.
func (m *model) confirmFoot() []string {
	p := m.act.preview
	var top []string
	for _, row := range p.Top[:min(3, len(p.Top))] {
		top = append(top, topText(m.o.Lang, row))
	}
	ask := m.say("tui_confirm_"+string(m.act.action.Verb), "flows", p.Flows, "protected", p.Protected, "timeout", m.act.action.Timeout, "yes", m.say("tui_yes"))
	if m.act.action.Verb == Retime && m.act.action.Timeout == 0 {
		ask = m.say("tui_confirm_retime_present", "flows", p.Flows, "protected", p.Protected, "yes", m.say("tui_yes"))
	}
	return []string{cut(clean(m.say("tui_confirm_top", "top", strings.Join(top, ", "))), m.width), newStyles().bad.Render(ask)}
}

func topText(lang wording.Lang, row rank.Place) string {
	return strings.Join(row.Keys, " ") + " (" + wording.Count(lang, float64(row.Count)) + ")"
}

// help is the screen of all keys, in as many columns as it has room for.
func (m *model) help() []string {
	var cells []string
	width := 0
	for _, k := range bindings() {
		cell := pad(k.shown, 16, false) + m.say("tui_key_"+k.code)
		width = max(width, lipgloss.Width(cell)+2)
		cells = append(cells, cell)
	}
	lines := []string{newStyles().bold.Render(m.say("tui_help_title")), ""}
	columns := max(1, m.width/width)
	rows := (len(cells) + columns - 1) / columns
	if rows > m.height-3 {
		lines = lines[:1]
	}
	for i := range rows {
		line := ""
		for j := i; j < len(cells); j += rows {
			line += pad(cells[j], width, false)
		}
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return lines
}
