package main

import (
	"testing"

	"ctkeeper/internal/lab"
)

func TestTopInATerminal(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 1000, lab.Mix{Established: 40, TimeWait: 20, SynSent: 10, Sources: 30, Timeout: 3000})
	m := startTerminal(t, 80, 24, nil, "flows", "top", "--netns", ns.Path)
	m.sees("10.0.0.1", "1,000 of", "read 0 s ago")
	m.typed("\r")
	m.sees("flows by dport", "tcp/80")
	m.typed("?")
	m.sees("Keys (any key goes back)")
	m.typed("x/src 10.0.0.0/8 xx\r")
	m.sees("column 16")
	m.typed("\x1b")
	m.sees("? help")
	m.typed("\x7f")
	m.sees("flows by src")
	m.resize(200, 60)
	m.sees("10.0.0.29")
	m.typed("q")
	if code := m.end(); code != 0 {
		t.Error(code)
	}
}
