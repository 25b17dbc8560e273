// Package tui is the live view of a connection-tracking table in a terminal: how full it is, what is
// refused, who fills it, and the way from a row down to its flows.
//
//	err := tui.Run(ctx, tui.Options{Source: source, Change: change, By: by, In: os.Stdin, Out: os.Stdout})
//
// It reads and changes nothing by itself: a [Source] tells the figures and a [Change] acts, after the
// user has seen what would be touched and said yes. The terminal is given back however the view ends.
package tui

import (
	"context"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
)

// Source tells the figures of one table. Its methods may be called at the same time, and return soon
// after ctx is done.
type Source interface {
	// Gauge reads what costs nothing: it is called every second.
	Gauge(ctx context.Context) (Gauge, error)
	// Rank reads the whole table: it is called as often as its cost allows.
	Rank(ctx context.Context, r Request) (Ranking, error)
	// Churn watches arrivals and ends for as long as it is worth: it is called every ten seconds.
	Churn(ctx context.Context) (Churn, error)
}

// Gauge is one reading of what the kernel tells for nothing; what it does not tell is nil.
type Gauge struct {
	At         time.Time
	Count, Max *uint64
	// Counters since the namespace began. EarlyDrop are flows that were dropped to make room; Drop are
	// new flows that were refused, with Clashes among them, which were not refused for want of room.
	EarlyDrop, Drop, Clashes *uint64
}

// Churn is how many flows a second came and went in a short time. Nil is not known, for the reason in Why.
type Churn struct {
	Arrivals, Ends *float64
	// Error is by how many a second each may be wrong.
	Error float64
	Why   message.Message
}

// Request says what to rank.
type Request struct {
	By     rank.By
	Filter filter.Filter
	Rows   int // at most so many
}

// Ranking is one reading of the whole table.
type Ranking struct {
	rank.Ranking
	// Cost is the CPU time that the reading took, in the kernel and here.
	Cost time.Duration
	// Warnings are what a reader of the figures should know: the table changed meanwhile, lines that
	// made no sense.
	Warnings []message.Message
}

// Action is a change to the flows that a filter selects.
type Action struct {
	Verb   Verb
	Filter filter.Filter
	// Timeout is the remaining seconds that Retime gives; 0: what the present settings say.
	Timeout uint32
}

// Verb is what an action does.
type Verb string

// The verbs.
const (
	Retime Verb = "retime"
	Delete Verb = "delete"
)

// Change acts on flows. Its methods return soon after ctx is done.
type Change interface {
	// Preview counts what an action would touch, and touches nothing.
	Preview(ctx context.Context, a Action) (Preview, error)
	// Do acts. It may call progress from its own goroutine, and reports what was done also beside an
	// error.
	Do(ctx context.Context, a Action, progress func(done uint64)) (Result, error)
}

// Preview is what an action would touch.
type Preview struct {
	Flows uint64
	// Protected flows are selected, but left alone: the caller's own session, loopback.
	Protected uint64
	Top       []rank.Place
}

// Result is what an action did. Gone flows ended before their turn.
type Result struct {
	Done, Gone, Refused, Protected uint64
}
