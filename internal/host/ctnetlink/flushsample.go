package ctnetlink

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
	"runtime"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// apart calls fn on a thread in a fresh network namespace; both end with it.
func apart(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("make a namespace to try in: %w", err)
			return
		}
		done <- fn()
	}()
	return <-done
}

// want are the values that a filter asks for.
type want struct {
	mark   uint32
	zone   uint16
	status flow.Status
	protos []flow.Proto
}

// samplesOf makes flows of both families and several protocols: as a filter asks for them, and with each bit
// of the mark, each bit of the status, and the zone different.
func samplesOf(e filter.Exact) iter.Seq[*flow.Flow] {
	w := want{status: e.Status, protos: []flow.Proto{flow.TCP, flow.UDP}}
	if e.Mark != nil {
		w.mark = *e.Mark
	}
	if e.Zone != nil {
		w.zone = *e.Zone
	}
	if e.Proto != nil && *e.Proto != flow.TCP && *e.Proto != flow.UDP {
		w.protos = append(w.protos, *e.Proto)
	}
	return func(yield func(*flow.Flow) bool) {
		n := 0
		for _, family := range [...]flow.Family{flow.IPv4, flow.IPv6} {
			for _, proto := range w.protos {
				for variant := range variants {
					n++
					if !yield(w.sample(n, family, proto, variant)) {
						return
					}
				}
			}
		}
	}
}

// variants: none, 32 bits of the mark, the zone, two bits of the status.
const variants = 1 + 32 + 1 + 2

// sample makes the n-th flow.
func (w want) sample(n int, family flow.Family, proto flow.Proto, variant int) *flow.Flow {
	fl := &flow.Flow{
		Family: family, Present: flow.HasReply | flow.HasStatus | flow.HasTimeout | flow.HasMark | flow.HasZone,
		Status: flow.Confirmed | w.status, Timeout: 600, Mark: w.mark, Zone: w.zone,
	}
	switch {
	case variant == 0:
	case variant <= 32:
		fl.Mark ^= 1 << (variant - 1)
	case variant == 33:
		fl.Zone ^= 1
	case variant == 34:
		fl.Status ^= flow.SeenReply
	default:
		fl.Status ^= flow.Assured
	}
	src, dst := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), netip.AddrFrom4([4]byte{10, 1, 0, 1})
	if family == flow.IPv6 {
		src, dst = netip.AddrFrom16([16]byte{0xfd, 14: byte(n >> 8), 15: byte(n)}), netip.AddrFrom16([16]byte{0xfd, 1, 15: 1})
	}
	fl.Orig = flow.Tuple{Src: src, Dst: dst, Proto: proto}
	fl.Reply = flow.Tuple{Src: dst, Dst: src, Proto: proto}
	switch {
	case proto == flow.ICMP:
		fl.Orig.ICMPType, fl.Orig.ICMPID, fl.Reply.ICMPID = 8, 1, 1
	case proto == flow.ICMPv6:
		fl.Orig.ICMPType, fl.Reply.ICMPType, fl.Orig.ICMPID, fl.Reply.ICMPID = 128, 129, 1, 1
	case proto.HasPorts():
		fl.Orig.SrcPort, fl.Orig.DstPort, fl.Reply.SrcPort, fl.Reply.DstPort = 1000, 80, 80, 1000
	}
	if proto == flow.TCP {
		fl.State, fl.Present = flow.TCPEstablished, fl.Present|flow.HasState
	}
	return fl
}

// telling reports an error unless some sample keeps all that a filter asks for, and for each thing asked for
// some sample misses that one alone: a kernel that ignores a part would else not be found out.
func telling(f filter.Filter, samples []flow.Flow) error {
	e := f.Exact()
	var missed uint64
	whole := false
	for i := range samples {
		switch m := missing(e, &samples[i]); bits.OnesCount64(m) {
		case 0:
			whole = true
		case 1:
			missed |= m
		}
	}
	if asked := asks(e); !whole || missed != asked {
		return errors.New("the samples do not tell: the kernel keeps no such flows")
	}
	return nil
}

// Bits of what is asked for: 32 of the mark, then these.
const (
	askFamily = 1 << (32 + iota)
	askProto
	askZone
	askStatus // and as many as there are bits of status, above
)

// asks are the things that a filter asks for.
func asks(e filter.Exact) uint64 {
	a := uint64(e.StatusMask) * askStatus
	if e.Mark != nil {
		a |= uint64(e.MarkMask)
	}
	if e.Family != nil {
		a |= askFamily
	}
	if e.Proto != nil {
		a |= askProto
	}
	if e.Zone != nil {
		a |= askZone
	}
	return a
}

// missing are the things asked for that a flow does not have.
func missing(e filter.Exact, fl *flow.Flow) uint64 {
	m := uint64((fl.Status^e.Status)&e.StatusMask) * askStatus
	if e.Mark != nil {
		m |= uint64((fl.Mark ^ *e.Mark) & e.MarkMask)
	}
	if e.Family != nil && fl.Family != *e.Family {
		m |= askFamily
	}
	if e.Proto != nil && fl.Proto() != *e.Proto {
		m |= askProto
	}
	if e.Zone != nil && fl.Zone != *e.Zone {
		m |= askZone
	}
	return m
}
