package replay

import "math/bits"

// levels is for how long a table stood at each level: histograms of count and held over time, whose
// buckets are at most 1/32 wide.
type levels struct {
	count, held [levelBuckets]int64
	total       int64
}

const (
	levelBits    = 5
	levelBuckets = (64 - levelBits + 1) << levelBits
)

func (l *levels) add(count, held int, d int64) {
	if d <= 0 {
		return
	}
	l.count[levelOf(count)] += d
	l.held[levelOf(held)] += d
	l.total += d
}

// levelOf keeps the highest bits of n: exact below 64.
func levelOf(n int) int {
	u := uint64(max(n, 0))
	shift := max(bits.Len64(u)-levelBits-1, 0)
	return shift<<levelBits + int(u>>shift)
}

// levelTop is the highest number in a bucket.
func levelTop(i int) int {
	shift := max(i>>levelBits-1, 0)
	return (i-shift<<levelBits+1)<<shift - 1
}

// Quantiles are the levels that a table stood at or below for half, 90 and 99 % of the time; each is at most
// 1/32 too high.
type Quantiles struct{ P50, P90, P99 int }

func quantiles(h *[levelBuckets]int64, total int64, most int) Quantiles {
	at := func(share float64) int {
		want, sum := int64(share*float64(total)), int64(0)
		for i, d := range h {
			if sum += d; d > 0 && sum >= want {
				return min(levelTop(i), most)
			}
		}
		return most
	}
	return Quantiles{P50: at(0.5), P90: at(0.9), P99: at(0.99)}
}
