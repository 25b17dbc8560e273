package demand

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

// Outcome is how flows of a class went.
type Outcome string

// Outcomes.
const (
	Closed     Outcome = "closed"     // by their own packets
	Silent     Outcome = "silent"     // answered once, then nothing until the timer ran out
	Unanswered Outcome = "unanswered" // nobody answered, or the handshake never ended
	Open       Outcome = "open"       // not ended when the record did
	Removed    Outcome = "removed"    // evicted or deleted, or their end was lost
)

// Service is a protocol and the port that flows are opened to; 0 where there are no ports.
type Service struct {
	Proto flow.Proto
	Port  uint16
}

// String is "tcp 443".
func (s Service) String() string {
	if s.Port == 0 {
		return s.Proto.String()
	}
	return fmt.Sprintf("%s %d", s.Proto, s.Port)
}

// MarshalText writes it as String does.
func (s Service) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Service) UnmarshalText(text []byte) error {
	name, port, ported := strings.Cut(string(text), " ")
	proto, ok := flow.ParseProto(name)
	if !ok {
		return fmt.Errorf("service %q: no such protocol", text)
	}
	*s = Service{Proto: proto}
	if !ported {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	s.Port = uint16(n)
	if err != nil {
		return fmt.Errorf("service %q: no such port", text)
	}
	return nil
}

// Class is the flows of one service and outcome.
type Class struct {
	Service Service `json:"service"`
	// Others are services beyond those that are counted singly; Service then holds the protocol alone.
	Others  bool    `json:"others,omitempty"`
	Outcome Outcome `json:"outcome"`
	Flows   uint64  `json:"flows"`
	Rate    float64 `json:"rate"` // arrivals a second
	// Lifetime is from the first packet to the last, in seconds.
	Lifetime Quantiles `json:"lifetime"`
	// Idle is the longest time between two packets of an answered flow, in seconds; absent when none had two.
	Idle *Idle `json:"idle,omitempty"`
	// Handshake is the longest time that a connection took to be established, in seconds.
	Handshake float64 `json:"handshake,omitempty"`
	// Share of all the time that flows spent in the table.
	Share float64 `json:"share"`
	// NAT tells that addresses of some were translated.
	NAT bool `json:"nat,omitempty"`
}

// Idle is how long flows were idle and went on.
type Idle struct {
	Longest float64 `json:"longest"`
	// Bound tells that it is the most that it can have been: a flow record has no packet times.
	Bound bool `json:"bound,omitempty"`
}

// Quantiles of a class's flows; the first three are at most 5 % off.
type Quantiles struct {
	P50     float64 `json:"p50"`
	P90     float64 `json:"p90"`
	P99     float64 `json:"p99"`
	Longest float64 `json:"longest"`
}

// Demand is what a recording shows of the traffic.
type Demand struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Flows uint64    `json:"flows"`
	// Classes by their share of the table, the greatest first.
	Classes []Class `json:"classes"`
	// Left is how many classes were left out.
	Left int `json:"classes_left_out,omitempty"`
}

// Top is the demand with the n greatest classes alone.
func (d Demand) Top(n int) Demand {
	if len(d.Classes) > n {
		d.Left += len(d.Classes) - n
		d.Classes = d.Classes[:n]
	}
	return d
}

// Span is how long was recorded.
func (d *Demand) Span() time.Duration { return d.To.Sub(d.From) }

// Seen is one flow as a recording tells it.
type Seen struct {
	Service     Service
	Outcome     Outcome
	NAT         bool
	First, Last time.Time // packets
	In          time.Duration
	Idle        time.Duration // the longest between two packets, once answered; 0: no two
	IdleBound   bool          // Idle is the most that it can have been
	Handshake   time.Duration
	// For is how many flows it stands for, where a share of them was recorded; 0 means itself alone.
	For float64
}

// Counter adds flows up by class.
type Counter struct {
	classes  map[classKey]*tally
	from, to time.Time
	flows    float64
	waiting  []openFlow
}

type classKey struct {
	service Service
	outcome Outcome
	others  bool
}

// tally is a class in the making.
type tally struct {
	flows     float64
	lifetime  scatter
	in        float64 // seconds
	idle      time.Duration
	idleBound bool
	handshake time.Duration
	nat       bool
}

// maxClasses bounds the classes that are counted singly, as a scan of all ports would make many.
const maxClasses = 4096

// NewCounter starts with nothing.
func NewCounter() *Counter { return &Counter{classes: map[classKey]*tally{}} }

// Add counts one flow.
func (c *Counter) Add(s Seen) {
	c.reach(s.First)
	c.reach(s.Last)
	n := max(s.For, 1)
	c.flows += n
	t := c.tally(classKey{service: s.Service, outcome: s.Outcome})
	t.flows += n
	t.lifetime.add(s.Last.Sub(s.First))
	t.in += n * s.In.Seconds()
	t.nat = t.nat || s.NAT
	t.handshake = max(t.handshake, s.Handshake)
	if s.Idle > t.idle {
		t.idle, t.idleBound = s.Idle, s.IdleBound
	}
}

// reach widens the time that the recording covers.
func (c *Counter) reach(at time.Time) {
	if at.IsZero() {
		return
	}
	if c.from.IsZero() || at.Before(c.from) {
		c.from = at
	}
	if at.After(c.to) {
		c.to = at
	}
}

func (c *Counter) tally(k classKey) *tally {
	if t := c.classes[k]; t != nil {
		return t
	}
	if len(c.classes) >= maxClasses {
		k.service.Port, k.others = 0, true
		if t := c.classes[k]; t != nil {
			return t
		}
	}
	t := &tally{}
	c.classes[k] = t
	return t
}

// Demand is what was counted.
func (c *Counter) Demand() Demand {
	c.settle()
	d := Demand{From: c.from, To: c.to, Flows: uint64(math.Round(c.flows)), Classes: []Class{}}
	span, all := d.Span().Seconds(), 0.0
	for _, t := range c.classes {
		all += t.in
	}
	for k, t := range c.classes {
		one := Class{Service: k.service, Others: k.others, Outcome: k.outcome, Flows: uint64(math.Round(t.flows)), Lifetime: t.lifetime.quantiles(), NAT: t.nat,
			Handshake: t.handshake.Seconds()}
		if span > 0 {
			one.Rate = t.flows / span
		}
		if all > 0 {
			one.Share = t.in / all
		}
		if t.idle > 0 {
			one.Idle = &Idle{Longest: t.idle.Seconds(), Bound: t.idleBound}
		}
		d.Classes = append(d.Classes, one)
	}
	slices.SortFunc(d.Classes, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(b.Flows, a.Flows), cmp.Compare(a.Service.Proto, b.Service.Proto),
			cmp.Compare(a.Service.Port, b.Service.Port), cmp.Compare(a.Outcome, b.Outcome))
	})
	return d
}
