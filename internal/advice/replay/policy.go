package replay

import (
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// Policy treats one service otherwise, as a rule would: the flows to a port, and what they answer.
type Policy struct {
	Proto flow.Proto
	Port  uint16
	// Settings hold the timeouts of its flows, as `ct timeout` gives them; all else is the variant's.
	Settings model.Settings
	// Notrack lets its packets by without a flow.
	Notrack bool
}

// of reports whether a packet is the service's.
func (p *Policy) of(pk *packet.Packet) bool {
	if pk.Proto() != uint8(p.Proto) || pk.Inner.Error {
		return false
	}
	return p.Port == 0 || pk.Key.APort() == p.Port || pk.Key.BPort() == p.Port
}

// policy puts a service's timeouts in force for one packet: back must be called after it.
func (r *run) policy(p *packet.Packet) (notrack bool, back func()) {
	for i := range r.policies {
		pol := &r.policies[i]
		if !pol.of(p) {
			continue
		}
		if pol.Notrack {
			return true, nil
		}
		usual := r.m.Settings()
		set := pol.Settings
		set.Max, set.Buckets = usual.Max, usual.Buckets
		r.m.Change(set)
		return false, func() { r.m.Change(usual) }
	}
	return false, nil
}
