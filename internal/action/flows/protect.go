package flows

import (
	"fmt"
	"net/netip"
	"slices"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// Always selects the flows that nobody wants to lose by accident: loopback's, and all of the machines that the
// caller's session came from.
func Always(peers []string) ([]filter.Filter, error) {
	all := filter.Loopback()
	for _, peer := range slices.Compact(slices.Sorted(slices.Values(peers))) {
		a, err := netip.ParseAddr(peer)
		if err != nil {
			return nil, fmt.Errorf("protect a peer: %w", err)
		}
		all = append(all, filter.Host(a.Unmap().WithZone("")))
	}
	return all, nil
}

// protects reports whether a flow is protected, or may be as far as is known of it.
func (o *Options) protects(fl *flow.Flow) bool {
	for _, p := range o.Protect {
		if !p.Rejects(fl, o.Idle) {
			return true
		}
	}
	return false
}
