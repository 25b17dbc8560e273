package sample

import (
	"testing"
	"time"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/netns"
)

// BenchmarkWatch64 is what a scrape and each event of an open page ask for, with 64 namespaces that are known
// for ten minutes.
func BenchmarkWatch64(b *testing.B) {
	s := New(newFake(nil), Options{})
	now := time.Now()
	for n := range 64 {
		w := &watched{ns: netns.Namespace{Name: "n", Inode: uint64(n)}, tracks: true, settings: map[string]int64{}}
		for _, of := range settings.All() {
			w.settings[of.Name] = 1
		}
		for i := range ringSize {
			w.ring = append(w.ring, snapshot.Sample{At: now.Add(time.Duration(i) * time.Second), Count: int64(5000 + i*i%97), Max: 262144})
		}
		s.watched = append(s.watched, w)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Watch()
	}
}
