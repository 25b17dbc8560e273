package flows

import (
	"slices"

	"ctkeeper/internal/conntrack/filter"
)

// Always selects the flows that nobody wants to lose by accident: loopback's, and all of the machines that the
// caller's session came from.
func Always(peers []string) (filter.Filter, error) {
	text := "addr 127.0.0.0/8 or addr ::1"
	for _, peer := range slices.Compact(slices.Sorted(slices.Values(peers))) {
		text += " or addr " + peer
	}
	return filter.Parse(text)
}
