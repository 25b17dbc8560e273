package tui

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"ctkeeper/internal/conntrack/filter"
)

// act is the change that is being made.
type act struct {
	action  Action
	preview Preview
	done    *atomic.Uint64
	stop    context.CancelFunc
}

type (
	previewMsg struct {
		preview Preview
		err     error
	}
	doneMsg struct {
		result Result
		err    error
	}
)

// begin begins a change of what is marked.
func (m *model) begin(v Verb) tea.Cmd {
	switch {
	case m.o.Change == nil:
		m.notice, m.bad = m.o.ReadOnly, true
		return nil
	case len(m.marks) == 0:
		m.complain("tui_nothing_marked")
		return nil
	}
	f, err := m.marked()
	if err != nil {
		m.complain("tui_error", "error", err.Error())
		return nil
	}
	m.act = act{action: Action{Verb: v, Filter: f}, stop: func() {}}
	if v == Retime {
		return m.ask(timing, "")
	}
	return m.preview()
}

// marked is the filter that selects what is marked, within what is shown.
func (m *model) marked() (filter.Filter, error) {
	var wheres []string
	for where := range m.marks {
		wheres = append(wheres, "("+where+")")
	}
	slices.Sort(wheres)
	f, err := filter.Parse(strings.Join(wheres, " or "))
	return m.here.filter().And(f), err
}

// timed takes the timeout that flows shall get: none means the present settings.
func (m *model) timed(text string) tea.Cmd {
	if text != "" {
		v, err := strconv.ParseUint(text, 10, 31)
		if err != nil || v == 0 {
			m.line.err = m.say("tui_bad_timeout", "text", text)
			return nil
		}
		m.act.action.Timeout = uint32(v)
	}
	return m.preview()
}

func (m *model) preview() tea.Cmd {
	m.mode = previewing
	ctx, cancel := context.WithCancel(m.w.ctx)
	m.act.stop = cancel
	a := m.act.action
	return m.w.do(func(context.Context) tea.Msg {
		defer cancel()
		p, err := m.o.Change.Preview(ctx, a)
		return previewMsg{p, err}
	})
}

// waiting takes a key while something is counted or done.
func (m *model) waiting(k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "esc" {
		m.act.stop()
	}
	return nil
}

// answer takes the user's yes; every other key means no.
func (m *model) answer(k tea.KeyPressMsg) tea.Cmd {
	yes := m.say("tui_yes")
	if k.String() != yes && k.String() != strings.ToUpper(yes) {
		m.mode = browsing
		m.tell("tui_nothing_done")
		return nil
	}
	m.mode = acting
	ctx, cancel := context.WithCancel(m.w.ctx)
	m.act.stop, m.act.done = cancel, new(atomic.Uint64)
	a, done := m.act.action, m.act.done
	return m.w.do(func(context.Context) tea.Msg {
		defer cancel()
		r, err := m.o.Change.Do(ctx, a, done.Store)
		return doneMsg{r, err}
	})
}

// acted takes the answers of a change.
func (m *model) acted(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case previewMsg:
		m.mode, m.act.preview = confirming, msg.preview
		switch {
		case errors.Is(msg.err, context.Canceled):
			m.mode = browsing
			m.tell("tui_nothing_done")
		case msg.err != nil:
			m.mode = browsing
			m.complain("tui_error", "error", msg.err.Error())
		case msg.preview.Flows == 0:
			m.mode = browsing
			m.tell("tui_nothing_left", "protected", msg.preview.Protected)
		}
	case doneMsg:
		r := msg.result
		m.mode = browsing
		m.tell("tui_done_"+string(m.act.action.Verb), "done", r.Done, "gone", r.Gone, "refused", r.Refused, "protected", r.Protected)
		if msg.err != nil {
			m.complain("tui_done_error", "done", r.Done, "error", msg.err.Error())
		}
		clear(m.marks)
		m.table.due = m.now
		if !m.frozen {
			m.stop() // what is being read is from before
			return m.rank()
		}
	}
	return nil
}
