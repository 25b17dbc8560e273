package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/surface/wording"
)

// binding is a key and what it does; help and the manual are made from the list.
type binding struct {
	keys  []string // as the terminal library names them
	shown string
	code  string // of its sentence
	press func(*model) tea.Cmd
}

func bindings() []binding {
	return []binding{
		{[]string{"up", "k"}, "↑ k", "up", func(m *model) tea.Cmd { return m.move(-1) }},
		{[]string{"down", "j"}, "↓ j", "down", func(m *model) tea.Cmd { return m.move(1) }},
		{[]string{"pgup", "ctrl+u"}, "PgUp", "page_up", func(m *model) tea.Cmd { return m.move(-m.tableHeight()) }},
		{[]string{"pgdown", "ctrl+d"}, "PgDn", "page_down", func(m *model) tea.Cmd { return m.move(m.tableHeight()) }},
		{[]string{"home"}, "Home", "first", func(m *model) tea.Cmd { return m.move(-len(m.rows)) }},
		{[]string{"end"}, "End", "last", func(m *model) tea.Cmd { return m.move(len(m.rows)) }},
		{[]string{"enter", "right", "l"}, "Enter →", "descend", (*model).descend},
		{[]string{"backspace", "left", "h", "esc"}, "Backspace ← Esc", "ascend", (*model).ascend},
		{[]string{"tab"}, "Tab", "next_key", func(m *model) tea.Cmd { return m.regroup(1) }},
		{[]string{"shift+tab"}, "Shift-Tab", "previous_key", func(m *model) tea.Cmd { return m.regroup(-1) }},
		{[]string{"g"}, "g", "group", func(m *model) tea.Cmd { return m.ask(grouping, m.here.by.String()) }},
		{[]string{"/", "f"}, "/ f", "filter", func(m *model) tea.Cmd { return m.ask(filtering, m.here.typed.String()) }},
		{[]string{"s", ">"}, "s >", "sort", func(m *model) tea.Cmd { m.resort(1); return nil }},
		{[]string{"S", "<"}, "S <", "sort_back", func(m *model) tea.Cmd { m.resort(-1); return nil }},
		{[]string{"p"}, "p", "freeze", (*model).freeze},
		{[]string{"r", "ctrl+r"}, "r", "read_now", (*model).readNow},
		{[]string{"space"}, "Space", "mark", (*model).mark},
		{[]string{"u"}, "u", "unmark", func(m *model) tea.Cmd { clear(m.marks); return nil }},
		{[]string{"t"}, "t", "retime", func(m *model) tea.Cmd { return m.begin(Retime) }},
		{[]string{"d"}, "d", "delete", func(m *model) tea.Cmd { return m.begin(Delete) }},
		{[]string{"?", "f1"}, "?", "help", func(m *model) tea.Cmd { m.mode = helping; return nil }},
		{[]string{"q", "ctrl+c"}, "q Ctrl-C", "quit", func(*model) tea.Cmd { return tea.Quit }},
	}
}

// Keys tells every key of the view and what it does, a line a key with a tab between, for a manual.
func Keys(lang wording.Lang) string {
	var b strings.Builder
	for _, k := range bindings() {
		b.WriteString(k.shown + "\t" + wording.Say(lang, message.New("tui_key_"+k.code)) + "\n")
	}
	return b.String()
}

// key takes a key in the present mode.
func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return m.interrupt()
	}
	switch m.mode {
	case helping:
		m.mode = browsing
		return nil
	case grouping, filtering, timing:
		return m.typing(k)
	case previewing:
		return m.waiting(k)
	case confirming:
		return m.answer(k)
	case acting:
		return m.waiting(k)
	}
	m.notice = message.Message{}
	for _, b := range bindings() {
		for _, name := range b.keys {
			if name == k.String() || name == k.Keystroke() && k.Text == "" {
				return b.press(m)
			}
		}
	}
	return nil
}

// interrupt leaves what is being done, or the view.
func (m *model) interrupt() tea.Cmd {
	switch m.mode {
	case browsing, helping:
		return tea.Quit
	case acting, previewing:
		m.act.stop()
		return nil
	}
	m.mode = browsing
	return nil
}

func (m *model) move(by int) tea.Cmd {
	m.cursor = max(0, min(m.cursor+by, len(m.rows)-1))
	return nil
}

func (m *model) freeze() tea.Cmd {
	m.frozen = !m.frozen
	if m.frozen {
		m.stop()
		m.asked++
		m.table.busy = false
		return nil
	}
	return m.schedule()
}

func (m *model) readNow() tea.Cmd {
	if m.table.busy {
		return nil
	}
	m.frozen = false
	return m.rank()
}

// filterable is the row under the cursor, when there is one that a filter selects.
func (m *model) filterable() *rank.Place {
	row := m.selected()
	if row != nil && row.Where == "" {
		m.complain("tui_no_where")
		return nil
	}
	return row
}

func (m *model) mark() tea.Cmd {
	row := m.filterable()
	if row == nil {
		return nil
	}
	if _, marked := m.marks[row.Where]; marked {
		delete(m.marks, row.Where)
	} else {
		m.marks[row.Where] = *row
	}
	return m.move(1)
}

// cycle is the groupings that one key goes through.
func cycle() []string {
	return append([]string{"src", "src/24", "dst", "dst/24", "dport", "service", "src,dport"},
		"proto", "state", "status", "zone", "mark", "idle", "remaining", "sport")
}

// regroup shows the next grouping of the cycle.
func (m *model) regroup(by int) tea.Cmd {
	all := cycle()
	at := -1
	for i, s := range all {
		if s == m.here.by.String() {
			at = i
		}
	}
	if at < 0 && by < 0 {
		at = 0
	}
	next, err := rank.ParseBy(all[(at+by+len(all))%len(all)])
	if err != nil {
		return nil
	}
	p := m.here
	p.by, p.cursor = next, 0
	return m.moveTo(p)
}
