package model

import "testing"

// TestPairing: every bucket has one partner and is one's, and neighbours' partners lie apart.
func TestPairing(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 7, 64, 1000, 1024, 65536, 65535, 262144} {
		p := newPairing(n)
		seen := make([]bool, n)
		for b := range n {
			c := p.partner(b)
			if seen[c] || p.first(c) != b {
				t.Fatalf("%d buckets: %d is paired with %d, %d with %d", n, b, c, c, p.first(c))
			}
			seen[c] = true
		}
		if n < 1000 {
			continue
		}
		for k := uint64(1); k < 8; k++ {
			for _, d := range []uint64{p.partner(k) + n - p.partner(0), p.first(k) + n - p.first(0)} {
				if d %= n; min(d, n-d) < 8 {
					t.Errorf("%d buckets: %d steps apart, their partners are %d", n, k, min(d, n-d))
				}
			}
		}
	}
}
