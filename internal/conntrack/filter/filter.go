// Package filter is the language that selects flows, and the conntrack tool's options as the same thing.
//
//	f, err := filter.Parse("src 10.0.0.0/8 and dport 443 and state SYN_SENT and not assured and idle > 1h")
//	f.Match(flow, idle)
//
// Terms (an address or port means the original direction, as with the conntrack tool):
//
//	src ADDR[/LEN]  dst …  reply-src …  reply-dst …  addr …     one side, or any of the four
//	sport N[-M]  dport …  port …                                port or range
//	proto NAME|N, or the bare name (tcp, udp, icmp, …)
//	family ipv4|ipv6, or bare ipv4, ipv6
//	state NAME                                                  TCP, SCTP or DCCP state
//	status NAME, or bare: assured, unreplied, seen-reply, offload, snat, dnat, nat, …
//	mark N[/MASK]   zone N   helper NAME
//	timeout OP DURATION   idle OP DURATION   packets OP N   bytes OP N     OP is < <= = >= > !=
//
// joined by and, or, not and parentheses; terms side by side mean and. An unknown value (no accounting,
// idle time that cannot be told) matches no comparison, and neither does its negation: a delete never
// takes a flow because something about it is not known.
package filter

import (
	"fmt"

	"ctkeeper/internal/conntrack/flow"
)

// Idle tells how long a flow has been idle, in seconds, where that can be told.
type Idle func(*flow.Flow) (seconds int64, known bool)

// Filter is a parsed expression. The zero value matches every flow.
type Filter struct {
	root node
	text string
}

// String is the expression as it was given.
func (f Filter) String() string { return f.text }

// All reports whether the filter matches every flow.
func (f Filter) All() bool { return f.root == nil }

// Match reports whether the filter selects a flow. idle may be nil: then no flow's idle time is known.
func (f Filter) Match(fl *flow.Flow, idle Idle) bool {
	if f.root == nil {
		return true
	}
	return f.root.eval(fl, idle) == yes
}

// Rejects reports whether the filter is known not to select a flow. A flow of which too little is known
// is neither matched nor rejected.
func (f Filter) Rejects(fl *flow.Flow, idle Idle) bool {
	return f.root != nil && f.root.eval(fl, idle) == no
}

// And joins two filters: both must match.
func (f Filter) And(g Filter) Filter {
	switch {
	case f.root == nil:
		return g
	case g.root == nil:
		return f
	}
	return Filter{root: and{f.root, g.root}, text: "(" + f.text + ") and (" + g.text + ")"}
}

// SyntaxError is an expression that makes no sense, with the column (from 1) where it stops making it.
type SyntaxError struct {
	Text   string
	Column int
	What   string
}

// Error names the column and what was wrong there.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("filter column %d: %s", e.Column, e.What)
}

// verdict is three-valued: what is not known neither matches nor fails to.
type verdict uint8

const (
	no verdict = iota
	unknown
	yes
)

func is(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// node is one part of an expression.
type node interface {
	eval(*flow.Flow, Idle) verdict
}

type and struct{ a, b node }

func (n and) eval(f *flow.Flow, idle Idle) verdict {
	if v := n.a.eval(f, idle); v == no {
		return no
	} else if w := n.b.eval(f, idle); w < v {
		return w
	} else {
		return v
	}
}

type or struct{ a, b node }

func (n or) eval(f *flow.Flow, idle Idle) verdict {
	return max(n.a.eval(f, idle), n.b.eval(f, idle))
}

type not struct{ a node }

func (n not) eval(f *flow.Flow, idle Idle) verdict {
	return yes - n.a.eval(f, idle)
}
