package rank

import (
	"cmp"
	"slices"
)

// top keeps the n largest of many entries.
type top struct {
	n       int
	entries []*entry
}

func newTop(n int) *top { return &top{n: n, entries: make([]*entry, 0, 2*n)} }

// larger orders entries by count, then by key, so that equal tables give equal rows.
func larger(a, b *entry) int {
	return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.key.hi, b.key.hi), cmp.Compare(a.key.lo, b.key.lo))
}

// add takes an entry in; twice as many as asked for are held before the smaller half goes.
func (t *top) add(e *entry) {
	if t.entries = append(t.entries, e); len(t.entries) == 2*t.n {
		t.entries = t.sorted()
	}
}

func (t *top) sorted() []*entry {
	slices.SortFunc(t.entries, larger)
	return t.entries[:min(len(t.entries), t.n)]
}
