package capture

import "math/bits"

// ngClock is the resolution of an interface's times (if_tsresol): 10 to the power of its negative, or 2 where the
// highest bit is set.
type ngClock uint8

const microseconds ngClock = 6

const billion = 1_000_000_000

// time splits ticks into seconds and nanoseconds.
func (c ngClock) time(ticks uint64) (sec, nsec int64) {
	if n := uint(c &^ 0x80); c != ngClock(n) {
		return binaryTime(ticks, n)
	}
	second, ok := powerOfTen(uint(c))
	if !ok { // a tick is so short that all of them are no second
		tick, ok := powerOfTen(uint(c) - 9)
		if !ok {
			return 0, 0
		}
		return 0, int64(ticks / tick)
	}
	hi, lo := bits.Mul64(ticks%second, billion)
	ns, _ := bits.Div64(hi, lo, second)
	return int64(ticks / second), int64(ns)
}

// binaryTime is time where a second has 2^n ticks.
func binaryTime(ticks uint64, n uint) (sec, nsec int64) {
	sec = int64(ticks >> n)
	hi, lo := bits.Mul64(ticks-ticks>>n<<n, billion)
	return sec, int64(hi<<(64-n) | hi>>(n-64) | lo>>n)
}

// powerOfTen is 10^n, if it fits.
func powerOfTen(n uint) (p uint64, ok bool) {
	if n > 19 {
		return 0, false
	}
	p = 1
	for range n {
		p *= 10
	}
	return p, true
}
