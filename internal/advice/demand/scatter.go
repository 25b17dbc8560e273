package demand

import (
	"maps"
	"math"
	"slices"
	"time"
)

// scatter is how durations scatter: a histogram whose buckets are 10 % wide.
type scatter struct {
	buckets map[int]uint64
	n       uint64
	longest time.Duration
}

const bucketWidth = 1.1

func (s *scatter) add(d time.Duration) {
	d = max(d, 0)
	if s.buckets == nil {
		s.buckets = map[int]uint64{}
	}
	s.n++
	s.longest = max(s.longest, d)
	if d == 0 {
		s.buckets[math.MinInt]++
		return
	}
	s.buckets[int(math.Floor(math.Log(d.Seconds())/math.Log(bucketWidth)))]++
}

func (s *scatter) quantiles() Quantiles {
	return Quantiles{P50: s.at(0.5), P90: s.at(0.9), P99: s.at(0.99), Longest: s.longest.Seconds()}
}

// at is the middle of the bucket that holds a quantile.
func (s *scatter) at(q float64) float64 {
	want, sum := uint64(math.Ceil(q*float64(s.n))), uint64(0)
	for _, i := range s.order() {
		if sum += s.buckets[i]; sum >= want {
			if i == math.MinInt {
				return 0
			}
			return min(math.Pow(bucketWidth, float64(i)+0.5), s.longest.Seconds())
		}
	}
	return s.longest.Seconds()
}

func (s *scatter) order() []int { return slices.Sorted(maps.Keys(s.buckets)) }
