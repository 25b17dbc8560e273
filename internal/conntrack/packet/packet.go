package packet

// Kind says what became of a frame before conntrack.
type Kind uint8

// Kinds. Only Tracked packets go on to conntrack.
const (
	NotIP   Kind = iota + 1 // no IP packet in the frame
	Dropped                 // the IP layer refuses it: bad header, bad header checksum, cut short
	Queued                  // a fragment that waits for the others, or was thrown away with them
	Tracked                 // conntrack sees it
)

// Fault is what is wrong with a packet's transport header, found from its bytes alone.
type Fault uint8

// Faults, in the order in which the kernel would name them.
const (
	NoFault       Fault = iota
	NoTransport         // extension headers lead nowhere, or to a later fragment
	NoTuple             // too short for ports, or a GRE version 1 that is no PPTP
	NotInvertible       // an ICMP type that has no answer
	Short               // shorter than the transport's header
	Truncated           // a length that the packet does not hold
	BadFlags            // a TCP flag combination that makes no sense
	BadType             // an ICMP type beyond the kernel's list
	NoCoverage          // UDPLite: a checksum coverage that is too short or longer than the packet
	NoSum               // UDPLite: no checksum, which it must have
	ShortRedirect       // ICMPv6 redirects: no target
	FarRedirect         // not from a neighbour
	BareRedirect        // without options
)

// TCP flags.
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Packet is one decoded IP packet. What plain TCP and UDP need lies first, within three cache lines.
type Packet struct {
	Kind  Kind
	Fault Fault
	Turn  uint8 // 1 when the packet's source is Key's second end
	Link  uint8 // VLAN tags taken off
	Frag  bool  // the frame carried a fragment
	// BadSum tells of a wrong transport checksum, when the decoder verifies them.
	BadSum bool
	// Unrouted tells of a packet that the IP layer drops once conntrack saw it: routing refuses its
	// addresses, or its options are malformed or ask for a route. Its flow is never confirmed.
	Unrouted bool
	Cut      bool // the capture holds fewer bytes than the packet had

	Len    uint32 // of the IP packet, header included
	proto  uint8
	family uint8
	plain  bool  // see Plain
	Type   uint8 // ICMP type

	Hash    uint64 // of Key, the same for both directions
	Key     Key    // canonical; see Key
	Payload []byte // transport header and all behind it
	TCP     TCP

	addr  [2][16]byte // not of plain packets: their key holds them
	Inner Inner       // of an ICMP error
}

// Inner is the packet that an ICMP error quotes.
type Inner struct {
	Error bool // the packet is an ICMP error that is looked up by what it quotes
	OK    bool // the quoted headers make a tuple
	Key   Key
	Turn  uint8
	Hash  uint64
	Dst   [16]byte // destination of the error itself
}

// TCP is what tracking needs of a segment.
type TCP struct {
	Ack, Seq uint32
	End      uint32 // Seq and what the segment occupies
	Sack     uint32 // Ack or the farthest right edge of its SACK blocks
	Win      uint16
	Flags    uint8 // the low six of the header
	Class    Class
	WScale   uint8 // at most 14
	HasScale bool
	SackOK   bool
	Options  bool // the header has any
}

// Class is how the TCP tracker sorts segments; the numbers appear in the kernel's log messages.
type Class uint8

// Classes of segments.
const (
	ClassSyn Class = iota
	ClassSynAck
	ClassFin
	ClassAck
	ClassRst
	ClassNone
)

// Family is 4 or 6.
func (p *Packet) Family() uint8 { return p.family }

// Proto is the transport protocol's number.
func (p *Packet) Proto() uint8 { return p.proto }

// Plain is the transport protocol's number for TCP and UDP packets over IPv4 with nothing out of the ordinary: no
// fragment, IP option, fault or wrong checksum. It is 0 for all others, and for some of them.
func (p *Packet) Plain() uint8 {
	if p.plain {
		return p.proto
	}
	return 0
}

// Addrs are the packet's source and destination; IPv4 addresses lie in the first four bytes.
func (p *Packet) Addrs() (src, dst [16]byte) {
	if !p.plain {
		return p.addr[0], p.addr[1]
	}
	if p.Turn == 1 {
		return p.Key.B, p.Key.A
	}
	return p.Key.A, p.Key.B
}
