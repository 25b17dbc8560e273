package tui

import (
	"cmp"
	"slices"

	"ctkeeper/internal/conntrack/rank"
)

// column is a figure of a row.
type column uint8

const (
	byFlows column = iota
	byAssured
	byClosing
	byHalfOpen
	byIdle
	byKey

	orders
)

// figure is what a row has in a column of counts.
func (c column) figure(p rank.Place) uint64 {
	switch c {
	case byAssured:
		return p.Assured
	case byClosing:
		return p.Closing
	case byHalfOpen:
		return p.HalfOpen
	case byIdle:
		return p.IdleLong
	}
	return p.Count
}

// code names the column's heading.
func (c column) code() string {
	return [...]string{"flows", "assured", "closing", "half_open", "idle", "key"}[c]
}

// sort orders the rows; those with the same figure stay in the order of their flows.
func (m *model) sort() {
	slices.SortStableFunc(m.rows, func(a, b rank.Place) int {
		if m.order == byKey {
			return slices.Compare(a.Keys, b.Keys)
		}
		return cmp.Or(cmp.Compare(m.order.figure(b), m.order.figure(a)), cmp.Compare(b.Count, a.Count))
	})
}

// resort changes the order and keeps the cursor on its row.
func (m *model) resort(by int) {
	m.order = column((int(m.order) + by + int(orders)) % int(orders))
	m.show()
}
