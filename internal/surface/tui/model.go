package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
)

// rowsRead is how many rows of a ranking are kept to scroll and sort.
const rowsRead = 1000

// model is the state of the view. It changes by messages alone, so that tests can drive it without a
// terminal or a clock.
type model struct {
	o             Options
	w             *work
	width, height int
	now           time.Time

	hist     history
	gaugeErr error
	gauging  bool
	churn    reading[Churn]

	here  place   // what is ranked
	above []place // the places that the user descended from

	table    reading[Ranking]
	asked    int // numbers the requests, so that late answers to old ones are known
	stop     context.CancelFunc
	pressure reading[float64] // of the whole table

	rows   []rank.Place // of the table, sorted
	cursor int
	first  int // the row at the top of the screen
	order  column
	marks  map[string]rank.Place // by the filter that selects the row
	frozen bool

	mode   mode
	line   line
	act    act
	notice message.Message
	bad    bool // the notice is an error
}

// reading is the last answer to something that is asked again and again.
type reading[T any] struct {
	value T
	err   error
	known bool
	at    time.Time // of the value
	busy  bool
	due   time.Time
}

// place is one ranking: a grouping below the rows that were descended into.
type place struct {
	by     rank.By
	typed  filter.Filter // as the user filters
	within filter.Filter // the rows descended into
	path   []string      // their keys
	cursor int           // where the user was when descending
}

func (p place) filter() filter.Filter { return p.within.And(p.typed) }

// mode is what the keys mean.
type mode uint8

const (
	browsing mode = iota
	helping
	grouping // typing a grouping
	filtering
	timing     // typing a timeout
	previewing // waiting for a count
	confirming
	acting
)

// Messages of the view to itself.
type (
	clockMsg time.Time
	gaugeMsg struct {
		gauge Gauge
		err   error
	}
	churnMsg struct {
		churn Churn
		err   error
	}
	rankMsg struct {
		asked   int
		ranking Ranking
		err     error
	}
)

func newModel(o Options, w *work) *model {
	return &model{
		o: o, w: w, width: 80, height: 24, marks: map[string]rank.Place{},
		here: place{by: o.By, typed: o.Filter}, stop: func() {},
	}
}

// Init starts the clock, which starts all the rest.
func (m *model) Init() tea.Cmd {
	return m.w.do(func(context.Context) tea.Msg { return clockMsg(time.Now()) })
}

// Update takes a message.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		m.paste(msg.Content)
	case clockMsg:
		m.now = time.Time(msg)
		return m, tea.Batch(m.w.do(nextSecond), m.schedule())
	case gaugeMsg:
		m.gauging, m.gaugeErr = false, msg.err
		if msg.err == nil && !m.frozen {
			m.hist.add(msg.gauge)
		}
	case churnMsg:
		if m.churn.busy = false; !m.frozen {
			m.churn.answer(msg.churn, msg.err, m.now)
		}
		m.churn.due = m.now.Add(churnEvery)
	case rankMsg:
		m.ranked(msg)
	default:
		return m, m.acted(msg)
	}
	return m, nil
}

// nextSecond waits for the clock's next second.
func nextSecond(ctx context.Context) tea.Msg {
	t := time.NewTimer(gaugeEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil
	case now := <-t.C:
		return clockMsg(now)
	}
}

func (r *reading[T]) answer(v T, err error, now time.Time) {
	r.busy, r.err = false, err
	if err == nil {
		r.value, r.known, r.at = v, true, now
	}
}

// schedule starts the readings that are due.
func (m *model) schedule() tea.Cmd {
	if m.frozen {
		return nil
	}
	var cmds []tea.Cmd
	if !m.gauging {
		m.gauging = true
		cmds = append(cmds, m.w.do(func(ctx context.Context) tea.Msg {
			g, err := m.o.Source.Gauge(ctx)
			return gaugeMsg{g, err}
		}))
	}
	if !m.churn.busy && !m.now.Before(m.churn.due) {
		m.churn.busy = true
		cmds = append(cmds, m.w.do(func(ctx context.Context) tea.Msg {
			c, err := m.o.Source.Churn(ctx)
			return churnMsg{c, err}
		}))
	}
	if !m.table.busy && !m.now.Before(m.table.due) {
		cmds = append(cmds, m.rank())
	}
	return tea.Batch(cmds...)
}

// rank reads the table for the present place.
func (m *model) rank() tea.Cmd {
	m.asked++
	asked, r := m.asked, Request{By: m.here.by, Filter: m.here.filter(), Rows: rowsRead}
	m.table.busy = true
	ctx, cancel := context.WithCancel(m.w.ctx)
	m.stop = cancel
	return m.w.do(func(context.Context) tea.Msg {
		defer cancel()
		got, err := m.o.Source.Rank(ctx, r)
		return rankMsg{asked, got, err}
	})
}

// ranked takes a reading of the table.
func (m *model) ranked(msg rankMsg) {
	if msg.asked != m.asked {
		return
	}
	m.table.answer(msg.ranking, msg.err, m.now)
	if msg.err != nil {
		m.table.due = m.now.Add(rankLeast)
		return
	}
	m.table.due = m.now.Add(nextRank(msg.ranking.Cost))
	m.takePressure()
	m.show()
}

// takePressure works out what share of max nobody can reclaim, when the whole table was read.
func (m *model) takePressure() {
	g, ok := m.hist.last()
	total := m.table.value.Total
	if !m.here.filter().All() || !ok || g.Max == nil || *g.Max == 0 || total.Closing > total.Assured {
		return
	}
	m.pressure.answer(float64(total.Assured-total.Closing)/float64(*g.Max), nil, m.now)
}

// show puts the rows of the table in order, the cursor on the row where it was.
func (m *model) show() {
	at := m.selected()
	m.rows = slices.Clone(m.table.value.Rows)
	m.sort()
	if at != nil {
		if i := slices.IndexFunc(m.rows, func(p rank.Place) bool { return slices.Equal(p.Keys, at.Keys) }); i >= 0 {
			m.cursor = i
		}
	}
	m.cursor = max(0, min(m.cursor, len(m.rows)-1))
	for where := range m.marks {
		if i := slices.IndexFunc(m.rows, func(p rank.Place) bool { return p.Where == where }); i >= 0 {
			m.marks[where] = m.rows[i]
		}
	}
}

// selected is the row under the cursor, or nil.
func (m *model) selected() *rank.Place {
	if m.cursor < 0 || m.cursor >= len(m.rows) {
		return nil
	}
	return &m.rows[m.cursor]
}

// moveTo shows another ranking: what was read and marked of the present one is forgotten.
func (m *model) moveTo(p place) tea.Cmd {
	cheap := m.table.known && m.table.value.Cost < gaugeEvery/4
	m.stop()
	m.here, m.cursor, m.first = p, p.cursor, 0
	m.rows, m.marks = nil, map[string]rank.Place{}
	m.table = reading[Ranking]{}
	m.asked++
	m.frozen = false
	if cheap {
		return m.rank()
	}
	m.table.due = m.now // at the clock's next second, so that keys held down cost one reading
	return nil
}

func (m *model) tell(code string, pairs ...any) { m.notice, m.bad = message.New(code, pairs...), false }

func (m *model) complain(code string, pairs ...any) {
	m.notice, m.bad = message.New(code, pairs...), true
}
