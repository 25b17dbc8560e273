package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// Mix says of what kinds a filled table is. The shares are of 100; what is left is UDP, answered and
// assured in its first half. The zero value is [DefaultMix].
type Mix struct {
	Established int // TCP, assured
	TimeWait    int // TCP, assured
	SynSent     int // TCP, unreplied
	// IPv6 is how many of 100 flows are IPv6.
	IPv6 int
	// Sources is how many source addresses share the flows; 0 means 65536.
	Sources int
	// Timeout is the remaining seconds of every flow; 0 means what suits its kind.
	Timeout uint32
	// Zone and Mark are given to every flow.
	Zone uint16
	Mark uint32
	// First is the number of the first flow, so that tables can be filled in parts.
	First int
}

// DefaultMix is a busy server's table.
var DefaultMix = Mix{Established: 60, TimeWait: 15, SynSent: 10, IPv6: 10}

// Fill puts n flows into a test's namespace; n of 0 fills it to the machine's max. It returns how many
// were made.
func Fill(t TB, ns *Namespace, n int, mix Mix) int {
	t.Helper()
	made, err := FillTable(t.Context(), ns, n, mix)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// FillTable puts n flows into a namespace through ctnetlink; n of 0 fills it to the machine's max, up to
// which count what was there already.
func FillTable(ctx context.Context, ns *Namespace, n int, mix Mix) (int, error) {
	c, err := Dial(ns)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	if n == 0 {
		st, err := c.Stats(ctx)
		if err != nil {
			return 0, err
		}
		if st.Max == nil || st.Count == nil {
			return 0, fmt.Errorf("fill %s: the kernel does not tell max", ns.Name)
		}
		n = int(*st.Max - *st.Count)
	}
	var first error
	res, err := c.Create(ctx, Flows(n, mix), ctnetlink.ChangeOptions{OnError: func(i uint64, fl *flow.Flow, err error) {
		if first == nil {
			first = fmt.Errorf("flow %d (%v): %w", i, fl.Orig, err)
		}
	}})
	if err == nil && res.Done != uint64(n) {
		err = fmt.Errorf("fill %s: made %d of %d flows: %w", ns.Name, res.Done, n, first)
	}
	return int(res.Done), err
}

// Dial opens ctnetlink in a namespace.
func Dial(ns *Namespace) (*ctnetlink.Conn, error) {
	var c *ctnetlink.Conn
	err := ns.Run(func() (err error) {
		c, err = ctnetlink.Dial(ctnetlink.Options{})
		return err
	})
	return c, err
}

// Flows generates n flows of a mix, all different. The flow is used again for the next.
func Flows(n int, mix Mix) iter.Seq[*flow.Flow] {
	if mix == (Mix{}) {
		mix = DefaultMix
	}
	if mix.Sources <= 0 {
		mix.Sources = 65536
	}
	return func(yield func(*flow.Flow) bool) {
		var fl flow.Flow
		for i := mix.First; i < mix.First+n; i++ {
			mix.make(&fl, i)
			if !yield(&fl) {
				return
			}
		}
	}
}

// make sets fl to the flow with number i.
func (m Mix) make(fl *flow.Flow, i int) {
	*fl = flow.Flow{Present: flow.HasReply | flow.HasStatus | flow.HasTimeout, Status: flow.Confirmed, Timeout: 300}
	src, round := uint32(i%m.Sources), uint32(i/m.Sources)
	// The kind turns slowest within a round of sources, so that each source has every kind.
	kind := int((uint64(i)*61 + uint64(round)*17) % 100)
	m.kind(fl, kind)
	t := &fl.Orig
	t.SrcPort, t.DstPort = uint16(1024+round%60000), uint16(80+round/60000)
	if (i+int(round))%100 < m.IPv6 {
		fl.Family = flow.IPv6
		a := [16]byte{0x20, 1, 0xd, 0xb8}
		binary.BigEndian.PutUint32(a[12:], src)
		t.Src, t.Dst = netip.AddrFrom16(a), netip.MustParseAddr("2001:db8:ffff::1")
	} else {
		fl.Family = flow.IPv4
		t.Src = netip.AddrFrom4([4]byte{10, byte(src >> 16), byte(src >> 8), byte(src)})
		t.Dst = netip.AddrFrom4([4]byte{192, 0, 2, 1})
	}
	fl.Reply = flow.Tuple{Src: t.Dst, Dst: t.Src, SrcPort: t.DstPort, DstPort: t.SrcPort, Proto: t.Proto}
	if m.Timeout != 0 {
		fl.Timeout = m.Timeout
	}
	if m.Zone != 0 {
		fl.Zone, fl.Present = m.Zone, fl.Present|flow.HasZone
	}
	if m.Mark != 0 {
		fl.Mark, fl.Present = m.Mark, fl.Present|flow.HasMark
	}
}

// kind sets the protocol, state, status and timeout of a flow of the given percentile.
func (m Mix) kind(fl *flow.Flow, kind int) {
	fl.Orig.Proto = flow.TCP
	fl.Present |= flow.HasState
	const answered = flow.SeenReply | flow.Assured
	switch {
	case kind < m.Established:
		fl.State, fl.Timeout, fl.Status = flow.TCPEstablished, 432000, fl.Status|answered
	case kind < m.Established+m.TimeWait:
		fl.State, fl.Timeout, fl.Status = flow.TCPTimeWait, 120, fl.Status|answered
	case kind < m.Established+m.TimeWait+m.SynSent:
		fl.State, fl.Timeout = flow.TCPSynSent, 120
	default:
		fl.Orig.Proto, fl.State, fl.Timeout = flow.UDP, flow.NoState, 120
		fl.Present &^= flow.HasState
		if kind%2 == 0 {
			fl.Status |= answered
		}
	}
}
