package rank

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
)

// TestTurnoverIsExactWhileItFits holds it against sets.
func TestTurnoverIsExactWhileItFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		turn, old := NewTurnover(64), map[uint16]bool{}
		named := rapid.Bool().Draw(t, "with identities")
		for reading := range 3 {
			now := map[uint16]bool{}
			for _, n := range rapid.SliceOfN(rapid.Uint16Range(0, 60), 0, 100).Draw(t, "flows") {
				now[n] = true
				fl := flow.Flow{Orig: flow.Tuple{Proto: flow.UDP, SrcPort: n}}
				if named {
					fl = flow.Flow{Present: flow.HasID, ID: uint32(n)}
				}
				turn.Add(&fl)
			}
			c, known := turn.Next()
			want := Change{Came: float64(missing(now, old)), Went: float64(missing(old, now))}
			if known != (reading > 0) || known && c != want {
				t.Fatalf("reading %d: %+v, %v; want %+v", reading, c, known, want)
			}
			old = now
		}
	})
}

// missing is how many of a are not in b.
func missing(a, b map[uint16]bool) int {
	n := 0
	for k := range a {
		if !b[k] {
			n++
		}
	}
	return n
}

func TestTurnoverOfASample(t *testing.T) {
	within := 0
	const rounds = 40
	for range rounds {
		turn := NewTurnover(1000)
		for id := range uint32(50000) {
			turn.Add(&flow.Flow{Present: flow.HasID, ID: id})
		}
		turn.Next()
		for id := uint32(20000); id < 100000; id++ { // 20000 went, 50000 came
			turn.Add(&flow.Flow{Present: flow.HasID, ID: id})
		}
		c, _ := turn.Next()
		if c.CameError <= 0 || c.WentError <= 0 || len(turn.old) > 1000 {
			t.Fatalf("%+v with %d flows kept", c, len(turn.old))
		}
		if math.Abs(c.Came-50000) <= c.CameError && math.Abs(c.Went-20000) <= c.WentError {
			within++
		}
	}
	if within < rounds*3/4 {
		t.Errorf("within the stated error in %d of %d rounds", within, rounds)
	}
}
