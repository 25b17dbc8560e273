package demand

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
)

// Manner is how the flows of a stream talk.
type Manner string

// Manners.
const (
	Answered Manner = "answered" // they talk both ways
	Half     Manner = "half"     // TCP: answered, and the handshake never ended
	Ignored  Manner = "ignored"  // nobody answers
)

// Stream is the traffic of one service, as the flows in a table tell it.
type Stream struct {
	Service Service
	IPv6    bool
	Manner  Manner
	// Ports are more than one where services that hold few flows were put together.
	Ports []uint16
	// Rate is new flows a second, between Low and High with 95 % confidence.
	Rate, Low, High float64
	// Closing is the share of the flows that their own packets end; the others fall silent.
	Closing float64
	// Life is the mean time from the first packet to the last; 0: a single exchange. Idle is the median
	// time since the last packet of a flow that goes on.
	Life, Idle time.Duration
	// Sources and Dests are what all their addresses have in common; Flows how many there are.
	Sources, Dests netip.Prefix
	Flows          int
}

// Table measures traffic from one reading of a table, or from two. A timer that no packet moves tells how long
// ago its flow was made or ended: as many flows as stand in such a state, divided by its timeout, come and go a
// second. One reading cannot tell growth from a level; a second, some time after the first, tells what came
// between.
type Table struct {
	timeouts *rank.Timeouts
	between  time.Duration
	services map[tableKey]*stock
	// Total are all flows, Apart those of protocols whose traffic is not measured.
	Total, Apart int
}

type tableKey struct {
	service Service
	v6      bool
	manner  Manner
}

// stock is what a service holds.
type stock struct {
	key            tableKey
	ports          []uint16
	flows          int
	fresh          int       // came between two readings
	ends           []counted // by state that tells an end
	ages           []int32   // seconds since the last packet, of flows that go on
	long           time.Duration
	sources, dests netip.Prefix
}

// counted are the flows in a state that lasts for a time.
type counted struct {
	flows int
	stay  time.Duration
}

// NewTable starts with nothing. between is the time between two readings; 0 means that there is one.
func NewTable(t *rank.Timeouts, between time.Duration) *Table {
	return &Table{timeouts: t, between: between, services: map[tableKey]*stock{}}
}

// Add counts a flow of the last reading; fresh ones were not in the one before.
func (t *Table) Add(fl *flow.Flow, fresh bool) {
	t.Total++
	k := tableKey{service: Service{fl.Orig.Proto, fl.Orig.DstPort}, v6: fl.Orig.Src.Is6(), manner: mannerOf(fl)}
	switch fl.Orig.Proto {
	case flow.TCP, flow.UDP:
	case flow.ICMP, flow.ICMPv6:
		k.service.Port = 0
	default:
		t.Apart++
		return
	}
	s := t.services[k]
	if s == nil {
		s = &stock{key: k, ports: []uint16{k.service.Port}, sources: one(fl.Orig.Src), dests: one(fl.Orig.Dst)}
		t.services[k] = s
	}
	s.flows++
	s.sources, s.dests = cover(s.sources, one(fl.Orig.Src)), cover(s.dests, one(fl.Orig.Dst))
	if fresh {
		s.fresh++
	}
	t.age(s, fl)
}

// age takes in what a flow's timer tells.
func (t *Table) age(s *stock, fl *flow.Flow) {
	stay, known := t.timeouts.Configured(fl)
	if !known || stay <= 0 {
		return
	}
	d := time.Duration(stay) * time.Second
	if s.key.manner != Answered || fl.State == flow.TCPTimeWait || fl.State == flow.TCPClose {
		s.end(d)
		return
	}
	if fl.State.Closing() || fl.Proto() != flow.TCP && !fl.Assured() {
		if fl.Proto() != flow.TCP {
			s.end(d) // a question and its answer
		}
		return
	}
	s.long = max(s.long, d)
	idle, ok := t.timeouts.Idle(fl)
	if !ok {
		idle = 0 // what was sent last waits for its acknowledgement
	}
	s.ages = append(s.ages, int32(min(idle, math.MaxInt32)))
}

func (s *stock) end(stay time.Duration) {
	for i := range s.ends {
		if s.ends[i].stay == stay {
			s.ends[i].flows++
			return
		}
	}
	s.ends = append(s.ends, counted{1, stay})
}

func mannerOf(fl *flow.Flow) Manner {
	switch {
	case fl.State == flow.TCPSynSent, fl.State == flow.TCPSynSent2:
		return Ignored
	case fl.State == flow.TCPSynRecv:
		return Half
	case fl.Proto() != flow.TCP && fl.Status&flow.SeenReply == 0:
		return Ignored
	}
	return Answered
}

// maxStreams bounds the services that are measured singly, maxPorts the ports that one of the others draws from.
const (
	maxStreams = 256
	maxPorts   = 64
)

// Streams are what was measured, those with the most flows first.
func (t *Table) Streams() []Stream {
	var all []*stock
	for _, s := range t.services {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *stock) int {
		return cmp.Or(cmp.Compare(b.flows, a.flows), cmp.Compare(a.key.service.Proto, b.key.service.Proto), cmp.Compare(a.key.service.Port, b.key.service.Port),
			cmp.Compare(a.key.manner, b.key.manner))
	})
	if len(all) > maxStreams {
		all = append(all[:maxStreams:maxStreams], together(all[maxStreams:])...)
	}
	var out []Stream
	for _, s := range all {
		out = append(out, s.stream(t.between))
	}
	return out
}

// together are one stock for each protocol, family and manner.
func together(all []*stock) []*stock {
	var out []*stock
	for _, s := range all {
		i := slices.IndexFunc(out, func(o *stock) bool {
			return o.key.service.Proto == s.key.service.Proto && o.key.v6 == s.key.v6 && o.key.manner == s.key.manner
		})
		if i < 0 {
			out = append(out, s)
			continue
		}
		o := out[i]
		o.flows, o.fresh, o.long = o.flows+s.flows, o.fresh+s.fresh, max(o.long, s.long)
		o.ages = append(o.ages, s.ages...)
		for _, e := range s.ends {
			for range e.flows {
				o.end(e.stay)
			}
		}
		if len(o.ports) < maxPorts {
			o.ports = append(o.ports, s.ports...)
		}
		o.sources, o.dests = cover(o.sources, s.sources), cover(o.dests, s.dests)
	}
	return out
}

// stream turns a stock into rates and times.
func (s *stock) stream(between time.Duration) Stream {
	out := Stream{Service: s.key.service, IPv6: s.key.v6, Manner: s.key.manner, Ports: s.ports, Sources: s.sources, Dests: s.dests, Flows: s.flows}
	closed, silent, seen := s.endings()
	ends := closed + silent
	out.Rate = ends
	if between > 0 {
		out.Rate, seen = float64(s.fresh)/between.Seconds(), s.fresh
	}
	if seen > 0 {
		out.Low, out.High = out.Rate*max(1-1.96/math.Sqrt(float64(seen)), 0), out.Rate*(1+1.96/math.Sqrt(float64(seen)))
	} else if between > 0 {
		out.High = 3 / between.Seconds() // none came: with 95 % fewer than three
	}
	if ends > 0 {
		out.Closing = closed / ends
	}
	slices.Sort(s.ages)
	if n := len(s.ages); n > 0 {
		out.Idle = time.Duration(s.ages[n/2]) * time.Second
		out.Life = Forever
		if going := float64(n) - silent*s.long.Seconds(); ends > 0 {
			out.Life = time.Duration(min(max(going, 1)/ends*1e9, float64(Forever)))
		}
	}
	return out
}

// Forever is the life of flows that were not seen to end.
const Forever = 1000 * time.Hour

// endings are how many flows a second close, and fall silent; and how many flows that is known from. Flows that
// have been silent for the second half of their timeout hardly go on: as many as stand there ended meanwhile.
func (s *stock) endings() (closed, silent float64, seen int) {
	for _, e := range s.ends {
		closed += float64(e.flows) / e.stay.Seconds()
		seen += e.flows
	}
	dead, half := 0, int32(s.long.Seconds()/2)
	for _, age := range s.ages {
		if age > half {
			dead++
		}
	}
	if s.long > 0 {
		silent = float64(dead) / (s.long.Seconds() / 2)
	}
	return closed, silent, seen + dead
}

func one(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// cover is the longest prefix that holds both.
func cover(a, b netip.Prefix) netip.Prefix {
	bits := min(a.Bits(), b.Bits())
	for ; bits > 0; bits-- {
		p, _ := a.Addr().Prefix(bits)
		if p.Contains(b.Addr()) {
			return p
		}
	}
	p, _ := a.Addr().Prefix(0)
	return p
}
