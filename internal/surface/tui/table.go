package tui

import (
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/surface/wording"
)

// tableHeight is how many rows the screen has room for.
func (m *model) tableHeight() int { return max(1, m.height-headHeight-footHeight) }

// figures are a row's columns before its keys, from left to right.
func figures() []string {
	return []string{"flows", "error", "share", "assured", "closing", "half_open", "idle"}
}

// giveUp is the order in which columns make room for keys.
func giveUp() []string { return []string{"idle", "closing", "half_open", "assured", "share", "error"} }

// tableLines are the headings and the rows around the cursor.
func (m *model) tableLines() []string {
	n := m.tableHeight()
	at := min(m.cursor, len(m.rows)-1) // the cursor waits for its row while the table is read
	m.first = max(0, min(m.first, at), at-n+1)
	rows := m.rows[m.first:min(len(m.rows), m.first+n)]
	heads := strings.Split(m.here.by.String(), ",")
	columns := m.columns(heads, rows)
	st := newStyles()
	var top []string
	for _, c := range columns {
		top = append(top, pad(m.heading(c.name), c.width, true))
	}
	widths := keyWidths(heads, rows)
	for i, h := range heads {
		top = append(top, pad(h, widths[i], false))
	}
	lines := []string{st.bold.Render(cut("   "+strings.Join(top, "  "), m.width))}
	if len(rows) == 0 && m.table.known {
		lines = append(lines, "   "+m.say("tui_no_rows"))
	}
	for i, row := range rows {
		lines = append(lines, m.rowLine(row, columns, widths, m.first+i == m.cursor))
	}
	return lines
}

func (m *model) rowLine(row rank.Place, columns []tableColumn, widths []int, here bool) string {
	var cells []string
	for _, c := range columns {
		cells = append(cells, pad(m.cell(c.name, row), c.width, true))
	}
	for i, k := range row.Keys {
		cells = append(cells, pad(clean(k), widths[i], false))
	}
	sign := []byte("   ")
	if here {
		sign[0] = '>'
	}
	if _, marked := m.marks[row.Where]; marked {
		sign[1] = '*'
	}
	line := strings.TrimRight(string(sign)+strings.Join(cells, "  "), " ")
	line = cut(line, m.width)
	if here {
		return newStyles().row.Render(pad(line, m.width, false))
	}
	if sign[1] == '*' {
		return newStyles().warn.Render(line)
	}
	return line
}

type tableColumn struct {
	name  string
	width int
}

// columns are those that the screen has room for beside the keys; the one that the rows are sorted by
// stays.
func (m *model) columns(heads []string, rows []rank.Place) []tableColumn {
	var all []tableColumn
	for _, name := range figures() {
		if name == "error" && m.table.value.Exact || name == "error" && !m.table.known {
			continue
		}
		c := tableColumn{name, lipgloss.Width(m.heading(name))}
		for _, row := range rows {
			c.width = max(c.width, lipgloss.Width(m.cell(name, row)))
		}
		all = append(all, c)
	}
	for _, name := range giveUp() {
		if tableWidth(all, keyWidths(heads, rows)) <= m.width {
			break
		}
		all = slices.DeleteFunc(all, func(c tableColumn) bool { return c.name == name && name != m.order.code() })
	}
	return all
}

func keyWidths(heads []string, rows []rank.Place) []int {
	widths := make([]int, len(heads))
	for i, h := range heads {
		widths[i] = lipgloss.Width(h)
		for _, row := range rows {
			if i < len(row.Keys) {
				widths[i] = max(widths[i], lipgloss.Width(clean(row.Keys[i])))
			}
		}
	}
	return widths
}

func tableWidth(columns []tableColumn, keys []int) int {
	width := 1
	for _, c := range columns {
		width += c.width + 2
	}
	for _, k := range keys {
		width += k + 2
	}
	return width
}

func (m *model) heading(name string) string {
	h := m.say("flows_top_col_" + name)
	if name == m.order.code() {
		return h + "↓"
	}
	return h
}

// cell is one figure of a row, marked where it may be larger.
func (m *model) cell(name string, row rank.Place) string {
	count := func(v uint64, more bool) string {
		s := wording.Count(m.o.Lang, float64(v))
		if more {
			return "≥" + s
		}
		return s
	}
	switch name {
	case "flows":
		return count(row.Count, false)
	case "error":
		return count(row.Error, false)
	case "share":
		if m.table.value.Total.Count == 0 {
			return unknownText
		}
		return wording.Percent(m.o.Lang, float64(row.Count)/float64(m.table.value.Total.Count))
	case "assured":
		return count(row.Assured, row.Error > 0)
	case "closing":
		return count(row.Closing, row.Error > 0)
	case "half_open":
		return count(row.HalfOpen, row.Error > 0)
	}
	if row.IdleUnknown > 0 && row.IdleUnknown+row.Error >= row.Count {
		return unknownText
	}
	return count(row.IdleLong, row.IdleUnknown > 0 || row.Error > 0)
}
