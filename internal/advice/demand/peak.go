package demand

import (
	"math"
	"slices"
	"time"
)

// Peak is how high a table stood: the highest, and the level that most blocks of time stay under.
type Peak struct {
	Highest float64 `json:"highest"`
	// Level is what Quantile of the blocks stay at or below; between Low and High with Confidence. A bound that
	// so few blocks cannot give is absent.
	Quantile   float64  `json:"quantile"`
	Level      float64  `json:"level"`
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Confidence float64  `json:"confidence"`
	Blocks     int      `json:"blocks"`
	Block      float64  `json:"block"` // seconds
}

const (
	peakQuantile   = 0.95
	peakConfidence = 0.95
	// peakBlocks: so many blocks that the highest of them bounds the quantile (0.95^75 < 0.025), and so few
	// that each is long beside most flows.
	peakBlocks = 75
)

// PeakOf takes the highest counts of even steps of time to blocks and bounds their quantile by order
// statistics, which assume nothing but that one block tells little of the next. False without points.
func PeakOf(highest []int, step time.Duration) (Peak, bool) {
	if len(highest) == 0 {
		return Peak{}, false
	}
	blocks := inBlocks(highest)
	n := len(blocks)
	slices.Sort(blocks)
	p := Peak{Highest: float64(blocks[n-1]), Quantile: peakQuantile, Confidence: peakConfidence, Blocks: n,
		Block: step.Seconds() * float64(len(highest)) / float64(n)}
	p.Level = float64(blocks[min(int(math.Ceil(peakQuantile*float64(n)))-1, n-1)])
	tail := (1 - peakConfidence) / 2
	for i := range n { // the i-th lowest is under the quantile when at least i+1 blocks are
		v := float64(blocks[i])
		if atLeast(i+1, n, peakQuantile) >= 1-tail {
			p.Low = &v
		}
		if p.High == nil && 1-atLeast(i+1, n, peakQuantile) >= 1-tail {
			p.High = &v
		}
	}
	return p, true
}

// inBlocks are the highest of at most peakBlocks parts.
func inBlocks(highest []int) []int {
	n := min(peakBlocks, len(highest))
	out := make([]int, n)
	for i := range out {
		out[i] = slices.Max(highest[i*len(highest)/n : (i+1)*len(highest)/n])
	}
	return out
}

// atLeast is the chance that k or more of n blocks are under their q-quantile.
func atLeast(k, n int, q float64) float64 {
	sum := 0.0
	for i := k; i <= n; i++ {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(a - b - c + float64(i)*math.Log(q) + float64(n-i)*math.Log(1-q))
	}
	return sum
}
