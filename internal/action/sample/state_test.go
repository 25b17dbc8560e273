package sample

import (
	"maps"
	"testing"

	"ctkeeper/internal/conntrack/snapshot"
)

// TestWatchIsKept: what a caller holds stays as it was when settings change, all of them or max alone.
func TestWatchIsKept(t *testing.T) {
	first := map[string]int64{"max": 1000, "buckets": 500, "udp_timeout": 30}
	for name, next := range map[string]Reading{
		"all": {Max: 4000, Buckets: 500, Settings: map[string]int64{"max": 4000, "buckets": 500, "udp_timeout": 10}},
		"max": {Max: 4000, Buckets: 500},
	} {
		s := New(newFake(nil), Options{})
		w := &watched{tracks: true, settings: maps.Clone(first)}
		s.watched = append(s.watched, w)
		held := s.Watch()
		if changed := w.renew(next); len(changed) == 0 || changed[0] != (snapshot.Changed{Setting: "max", From: 1000, To: 4000}) {
			t.Errorf("%s: %+v", name, changed)
		}
		if got := held.Namespaces[0].Settings; !maps.Equal(got, first) {
			t.Errorf("%s: what is held became %v", name, got)
		}
		if got := s.Watch().Namespaces[0].Settings["max"]; got != 4000 {
			t.Errorf("%s: max is %d", name, got)
		}
	}
}
