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
	held   int // how many are remembered yet
	// ends counts the remembered identities by their last byte: most new ones end as none of them does.
	ends [256]uint8
}

// again reports whether a flow is among those, and remembers it. A flow without identity never is.
func (s *seen) again(fl *flow.Flow) bool {
	if !fl.Has(flow.HasID) {
		return false
	}
	if s.ends[uint8(fl.ID)] > 0 && s.holds(fl) {
		return true
	}
	if s.held == remembered {
		s.ends[uint8(s.ids[s.next])]--
	} else {
		s.held++
	}
	s.ends[uint8(fl.ID)]++
	s.ids[s.next], s.tuples[s.next], s.zones[s.next] = fl.ID, fl.Orig, fl.Zone
	s.next = (s.next + 1) % remembered
	return false
}

func (s *seen) holds(fl *flow.Flow) bool {
	for i, id := range s.ids[:s.held] {
		if id == fl.ID && s.zones[i] == fl.Zone && s.tuples[i] == fl.Orig {
			return true
		}
	}
	return false
}
