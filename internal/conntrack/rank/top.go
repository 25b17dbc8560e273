package rank

import (
	"cmp"
	"slices"
)

// top keeps the n largest of a sketch's entries, by their numbers.
type top[K comparable] struct {
	n       int
	s       *sketch[K]
	entries []int32
	enough  uint32 // n entries have so many
}

func newTop[K comparable](n int, s *sketch[K]) *top[K] {
	return &top[K]{n: n, s: s, entries: make([]int32, 0, 2*n)}
}

// larger orders entries by count, then by key, so that equal tables give equal rows.
func (t *top[K]) larger(a, b int32) int {
	x, y := &t.s.entries[a], &t.s.entries[b]
	if c := cmp.Compare(y.count, x.count); c != 0 {
		return c
	}
	return t.s.order(x.key, y.key)
}

// add takes an entry in; twice as many as asked for are held before the smaller half goes.
func (t *top[K]) add(i int32) {
	if t.s.entries[i].count < t.enough {
		return
	}
	if t.entries = append(t.entries, i); len(t.entries) == 2*t.n {
		t.entries = t.sorted()
		t.enough = t.s.entries[t.entries[t.n-1]].count
	}
}

func (t *top[K]) sorted() []int32 {
	slices.SortFunc(t.entries, t.larger)
	return t.entries[:min(len(t.entries), t.n)]
}
