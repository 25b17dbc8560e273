package flows

import "ctkeeper/internal/conntrack/flow"

// remembered is how many flows back a repetition is recognized: more than a hash chain holds.
const remembered = 64

// seen recognizes flows that were read just before. A reading begins a hash chain again when the flow at
// which it stood is gone, and so gives those before it twice.
type seen struct {
	ids    [remembered]uint32
	tuples [remembered]flow.Tuple
	zones  [remembered]uint16
	next   int
}

// again reports whether a flow is among those, and remembers it. A flow without identity never is.
func (s *seen) again(fl *flow.Flow) bool {
	if !fl.Has(flow.HasID) {
		return false
	}
	for i, id := range s.ids {
		if id == fl.ID && s.zones[i] == fl.Zone && s.tuples[i] == fl.Orig {
			return true
		}
	}
	s.ids[s.next], s.tuples[s.next], s.zones[s.next] = fl.ID, fl.Orig, fl.Zone
	s.next = (s.next + 1) % remembered
	return false
}
