// Package workload makes packets from a description of traffic: classes of flows with their rate, how long
// they last, how often they talk, and how they end. Same description and seed, same packets, to the bit.
//
//	w, err := workload.Parse("web.yaml", text)
//	g := w.Packets(start)
//	for at, ip, ok := g.Next(); ok; at, ip, ok = g.Next() { … } // in the order of their times
//
// It neither sends packets nor tracks them.
package workload

import (
	"net/netip"
	"time"
)

// Workload is a description of traffic.
type Workload struct {
	// Duration is when arrivals stop; flows under way go on until they end or Tail has passed.
	Duration time.Duration
	Tail     time.Duration
	Seed     uint64
	Classes  []Class
	// Present are flows that are under way when it begins.
	Present []Present
}

// Present is a flow that began before the workload.
type Present struct {
	// Class says how it goes on, but that its exchanges are Every apart; the first is after half of that.
	Class int
	Every time.Duration
	// Client and Host are its ends; Back is where the host's packets come from and go to, where addresses are
	// translated.
	Client, Host netip.AddrPort
	Back         *[2]netip.AddrPort
}

// Class is one kind of flow.
type Class struct {
	Name     string
	Protocol Protocol
	// Rate is new flows a second, at From and at Until; it goes evenly from one to the other.
	RateFrom, RateTo float64
	Steady           bool // evenly spaced instead of at random
	From, Until      time.Duration
	Sources          netip.Prefix
	Destinations     netip.Prefix
	Ports            []uint16
	// Lasts is the mean time from a flow's first packet to its last exchange, Shape how it scatters.
	Lasts time.Duration
	Shape Shape
	// Every is the time between two exchanges (a question and its answer) of a flow; 0 means one only.
	Every  time.Duration
	Answer Answer
	End    End
	// Question and Reply are the bytes that an exchange carries each way.
	Question, Reply int
}

// Protocol is a class's transport protocol.
type Protocol string

// Shape is how lifetimes scatter around their mean.
type Shape string

// Answer is what the other side does.
type Answer string

// End is how a flow ends after its last exchange.
type End string

// Values of the kinds above, as they are written.
const (
	TCP  Protocol = "tcp"
	UDP  Protocol = "udp"
	ICMP Protocol = "icmp"

	Constant    Shape = "constant"
	Exponential Shape = "exponential"
	Pareto      Shape = "pareto" // of index 1.5: few flows last very long

	Yes    Answer = "yes"
	No     Answer = "no"
	Refuse Answer = "refuse" // TCP: an RST
	Half   Answer = "half"   // TCP: a SYN-ACK that the client never acknowledges

	FIN     End = "fin"
	RST     End = "rst"
	Silence End = "silence"
)
