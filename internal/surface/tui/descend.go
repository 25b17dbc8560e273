package tui

import (
	"errors"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/rank"
)

// descend makes the row under the cursor a filter, and groups by what tells most of the rest.
func (m *model) descend() tea.Cmd {
	row := m.filterable()
	if row == nil {
		return nil
	}
	where, err := filter.Parse(row.Where)
	if err != nil {
		m.complain("tui_error", "error", err.Error())
		return nil
	}
	m.here.cursor = m.cursor
	m.above = append(m.above, m.here)
	below := m.here
	below.within, below.cursor = m.here.within.And(where), 0
	below.path = append(slices.Clone(m.here.path), strings.Join(row.Keys, " "))
	below.by = m.next()
	return m.moveTo(below)
}

// next is the first grouping, in the order of interest, by none of the keys descended by.
func (m *model) next() rank.By {
	used := map[rank.Key]bool{}
	for _, p := range append(slices.Clone(m.above), m.here) {
		for _, part := range p.by.Parts() {
			used[part.Key] = true
		}
	}
	if used[rank.Service] {
		used[rank.Dst], used[rank.DstPort] = true, true
	}
	for _, k := range []rank.Key{rank.DstPort, rank.Src, rank.Dst, rank.State, rank.Idle, rank.SrcPort, rank.Status, rank.Remaining} {
		if !used[k] {
			return rank.NewBy(rank.Part{Key: k})
		}
	}
	return m.here.by
}

// ascend goes back to where the user descended from.
func (m *model) ascend() tea.Cmd {
	if len(m.above) == 0 {
		return nil
	}
	p := m.above[len(m.above)-1]
	m.above = m.above[:len(m.above)-1]
	return m.moveTo(p)
}

// ask begins to take a line from the user.
func (m *model) ask(what mode, text string) tea.Cmd {
	m.mode, m.line = what, newLine(text)
	return nil
}

func (m *model) paste(s string) {
	switch m.mode {
	case grouping, filtering, timing:
		m.line.insert(s)
	}
}

// typing takes a key while a line is typed.
func (m *model) typing(k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc":
		m.mode = browsing
	case "enter":
		return m.entered(strings.TrimSpace(m.line.String()))
	default:
		m.line.key(k)
	}
	return nil
}

// entered takes a line; one that makes no sense stays, with what is wrong.
func (m *model) entered(text string) tea.Cmd {
	p := m.here
	p.cursor = 0
	var err error
	switch m.mode {
	case grouping:
		p.by, err = rank.ParseBy(text)
	case filtering:
		p.typed, err = filter.Parse(m.line.String())
	case timing:
		return m.timed(text)
	}
	if err != nil {
		m.line.err = err.Error()
		var syntax *filter.SyntaxError
		if errors.As(err, &syntax) {
			m.line.err, m.line.column = syntax.What, syntax.Column
			m.line.at = min(max(0, syntax.Column-1), len(m.line.text))
		}
		return nil
	}
	m.mode = browsing
	return m.moveTo(p)
}
