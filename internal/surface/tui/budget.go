package tui

import "time"

const (
	// gaugeEvery is how often the cheap figures are read.
	gaugeEvery = time.Second
	// churnEvery is how often arrivals and ends are watched.
	churnEvery = 10 * time.Second
	// rankLeast is the shortest time between two readings of the table.
	rankLeast = 2 * time.Second
	// rankShare is the share of one CPU that reading the table may take: a million flows, at 3.4 s of
	// CPU, are read every 68 s.
	rankShare = 0.05
)

// nextRank is how long to wait after a reading that cost so much.
func nextRank(cost time.Duration) time.Duration {
	return max(rankLeast, time.Duration(float64(cost)/rankShare))
}
