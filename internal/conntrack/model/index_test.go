package model

import (
	"math/rand/v2"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

func numbered(n int) (orig, reply packet.Tuple) {
	orig = packet.Tuple{Proto: 17, Family: 4, SPort: uint16(n), DPort: 53, Src: [16]byte{10, byte(n >> 24), byte(n >> 16), 1}, Dst: [16]byte{10, 200, 0, 1}}
	reply = packet.Tuple{Proto: 17, Family: 4, SPort: 53, DPort: uint16(n), Src: orig.Dst, Dst: orig.Src}
	return orig, reply
}

// TestTableAgainstMap holds the index and the collector against a map, through random life and death.
func TestTableAgainstMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := New(Config{Seed: seed})
		deadlines := map[int]int64{}
		now := int64(1e12)
		var none packet.Packet
		for range 5000 {
			now += int64(r.IntN(20e6))
			m.Step(now, &none)
			n := r.IntN(3000)
			o, p := numbered(n)
			if d, ok := deadlines[n]; !ok || d <= now {
				deadlines[n] = now + int64(r.IntN(60e9))
				if i, _, found := m.find(keyOf(t, o, seed)); found {
					m.remove(i, Expired, now)
				}
				if !m.Load(o, p, flow.Confirmed, flow.NoState, now, deadlines[n]) {
					t.Fatalf("seed %d: flow %d refused", seed, n)
				}
			}
		}
		for n, d := range deadlines {
			o, _ := numbered(n)
			i, dir, found := m.find(keyOf(t, o, seed))
			if found != (d > now) && d > now || found && (dir != 0 || m.arena.track(i).deadline != d) {
				t.Fatalf("seed %d: flow %d: found %v, deadline %d of %d at %d", seed, n, found, m.arena.track(i).deadline, d, now)
			}
		}
	}
}

func keyOf(t *testing.T, o packet.Tuple, seed uint64) (*packet.Key, uint64, uint8) {
	t.Helper()
	k, turn, ok := o.Canonical()
	if !ok {
		t.Fatal("not canonical")
	}
	return &k, k.Hash(seed), turn
}
