package workload

import (
	"net/netip"
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/flow"
)

// Forward is traffic that goes on as a table told it, for a time: Silent at the low end of each rate, and no
// flow of the table says another word; Busy at the high end, and they go on as they did.
type Forward struct {
	Workload
	between Between
	classes map[forwardKey]int // the first of a stream
	streams []demand.Stream    // of each class
}

type forwardKey struct {
	service demand.Service
	v6      bool
	manner  demand.Manner
}

// NewForward makes the classes of the traffic that comes.
func NewForward(streams []demand.Stream, d time.Duration, b Between) *Forward {
	f := &Forward{Workload: Workload{Duration: d}, between: b, classes: map[forwardKey]int{}}
	for _, s := range streams {
		key := forwardKey{s.Service, s.IPv6, s.Manner}
		f.classes[key] = len(f.Classes)
		c, ok := f.class(&s)
		if !ok {
			delete(f.classes, key)
			continue
		}
		closing, silent := c, c
		closing.RateFrom *= s.Closing
		silent.RateFrom *= 1 - s.Closing
		silent.End = Silence
		for _, one := range []Class{closing, silent} {
			one.RateTo = one.RateFrom
			f.Classes, f.streams = append(f.Classes, one), append(f.streams, s)
		}
	}
	return f
}

func (f *Forward) class(s *demand.Stream) (Class, bool) {
	protocol, ok := map[flow.Proto]Protocol{flow.TCP: TCP, flow.UDP: UDP, flow.ICMP: ICMP, flow.ICMPv6: ICMP}[s.Service.Proto]
	c := Class{Name: s.Service.String(), Protocol: protocol, Until: f.Duration, Ports: s.Ports, Shape: Exponential, End: FIN,
		Sources: roomy(s), Destinations: s.Dests, RateFrom: s.High, Lasts: s.Life, Every: pace(s)}
	if f.between == Silent {
		c.RateFrom = s.Low
	}
	c.Answer = map[demand.Manner]Answer{demand.Answered: Yes, demand.Half: Half, demand.Ignored: No}[s.Manner]
	return c, ok
}

// pace is the time between two exchanges of a stream's flows: one that comes by at any time finds half of it
// gone. A flow of UDP must talk for two seconds to be more than a question.
func pace(s *demand.Stream) time.Duration {
	if s.Life == 0 {
		return 0
	}
	return max(min(2*s.Idle, s.Life/2), time.Second)
}

// roomy widens the sources until new flows find ports that are free.
func roomy(s *demand.Stream) netip.Prefix {
	const ports, spare = 64512, 50
	p := s.Sources
	for bits := p.Bits(); bits > 0 && float64(uint64(1)<<min(p.Addr().BitLen()-bits, 62))*ports < float64(s.Flows)*spare; bits-- {
		p = netip.PrefixFrom(p.Addr(), bits-1).Masked()
	}
	return p
}

// Goes adds a flow of the table that was idle for a time: Busy, it goes on.
func (f *Forward) Goes(fl *flow.Flow, idle time.Duration) {
	answered := fl.Status&flow.Assured != 0 || fl.State == flow.TCPEstablished
	if f.between == Silent || !answered || fl.State.Closing() {
		return
	}
	i, ok := f.find(fl)
	if !ok {
		return
	}
	// Of a service whose flows close, those that were silent for very long are those that do not.
	if c := &f.Classes[i]; idle > 4*c.Every && f.streams[i].Closing < 1 {
		i++
	}
	p := Present{Class: i, Every: max(2*idle, time.Second)}
	p.Client, p.Host = netip.AddrPortFrom(fl.Orig.Src, fl.Orig.SrcPort), netip.AddrPortFrom(fl.Orig.Dst, fl.Orig.DstPort)
	if r := (flow.Record{Orig: fl.Orig, Reply: fl.Reply}); fl.Has(flow.HasReply) && r.NAT() {
		p.Back = &[2]netip.AddrPort{netip.AddrPortFrom(fl.Reply.Src, fl.Reply.SrcPort), netip.AddrPortFrom(fl.Reply.Dst, fl.Reply.DstPort)}
	}
	f.Present = append(f.Present, p)
}

func (f *Forward) find(fl *flow.Flow) (class int, ok bool) {
	service := demand.Service{Proto: fl.Orig.Proto, Port: fl.Orig.DstPort}
	if i, ok := f.classes[forwardKey{service, fl.Orig.Src.Is6(), demand.Answered}]; ok {
		return i, true
	}
	for i := 0; i < len(f.streams); i += 2 { // services that were put together
		s := &f.streams[i]
		if len(s.Ports) > 1 && s.Service.Proto == service.Proto && s.IPv6 == fl.Orig.Src.Is6() && s.Manner == demand.Answered {
			return i, true
		}
	}
	return 0, false
}
