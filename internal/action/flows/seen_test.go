package flows

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"ctkeeper/internal/conntrack/flow"
)

// TestSeen holds what is recognized to a plain list of the last ones.
func TestSeen(t *testing.T) {
	type known struct {
		id   uint32
		zone uint16
	}
	rapid.Check(t, func(t *rapid.T) {
		var s seen
		var last []known
		for range rapid.IntRange(0, 400).Draw(t, "flows") {
			k := known{rapid.Uint32Range(0, 3).Draw(t, "high")<<8 | rapid.Uint32Range(0, 40).Draw(t, "low"), rapid.Uint16Range(0, 1).Draw(t, "zone")}
			fl := flow.Flow{Present: flow.HasID | flow.HasZone, ID: k.id, Zone: k.zone}
			want := slices.Contains(last[max(len(last)-remembered, 0):], k)
			if got := s.again(&fl); got != want {
				t.Fatalf("%+v after %v: %v", k, last, got)
			}
			if !want {
				last = append(last, k)
			}
		}
		if none := (flow.Flow{ID: 1}); s.again(&none) {
			t.Fatal("a flow without identity was recognized")
		}
	})
}
