package differ

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"ctkeeper/internal/conntrack/flow"
)

var (
	responder4 = netip.AddrFrom4([4]byte{10, 200, 0, 1})
	responder6 = netip.MustParseAddr("fd00:2::1")
)

// Ends are the addresses of the nth lane.
func Ends(n int, v6 bool) (a, c netip.AddrPort) {
	if v6 {
		src := netip.MustParseAddr("fd00:1::").As16()
		binary.BigEndian.PutUint32(src[12:], uint32(n)+1)
		return netip.AddrPortFrom(netip.AddrFrom16(src), 1000), netip.AddrPortFrom(responder6, 80)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1 + byte(n>>16), byte(n >> 8), byte(n)}), 1000), netip.AddrPortFrom(responder4, 80)
}

// laneOf is the lane that a flow belongs to; -1 when it is none's.
func laneOf(f *flow.Flow) int {
	a := f.Orig.Src
	if a == responder4 || a == responder6 {
		a = f.Orig.Dst
	}
	s := a.AsSlice()
	switch {
	case len(s) == 16 && s[0] == 0xfd:
		return int(binary.BigEndian.Uint32(s[12:])) - 1
	case len(s) == 4 && s[0] == 10:
		return int(s[1]-1)<<16 | int(s[2])<<8 | int(s[3])
	}
	return -1
}

// key names a flow in both tables.
type key struct {
	orig flow.Tuple
	zone uint16
}

func keyOf(f *flow.Flow) key { return key{f.Orig, f.Zone} }

// compareTables holds both tables against each other, flow by flow.
func (r *running) compareTables(step int) error {
	ours, seen := map[key]flow.Flow{}, map[key]bool{}
	at, start := r.clock.now(), time.Now()
	r.Model.Flows(at, func(f *flow.Flow) bool { ours[keyOf(f)] = f.Clone(); return true })
	differs := func(f *flow.Flow, what string) {
		i := laneOf(f) - r.o.First
		if i < 0 || i >= len(r.lanes) {
			i = Batch
		}
		if what != "" && r.bad[i] == "" {
			r.bad[i] = fmt.Sprintf("after packet %d: %s", step+1, what)
		}
	}
	slack := func() time.Duration { return r.slowest + time.Since(start) + r.clock.behind() }
	whole, err := r.Kernel.Flows(func(f *flow.Flow) error {
		k := keyOf(f)
		mine, ok := ours[k]
		seen[k] = true // not deleted: a torn dump is repeated
		differs(f, compareFlow(ok, &mine, f, slack()))
		return nil
	}, func() { clear(seen) })
	if err != nil || !whole { // the machine's table was resized by somebody else: the next step compares again
		r.Torn++
		return err
	}
	for k, f := range ours {
		if !seen[k] && f.Timeout > uint32(slack()/time.Second)+1 {
			differs(&f, fmt.Sprintf("the kernel has no flow %v, the model %s %d", f.Orig, f.State, f.Timeout))
		}
	}
	return nil
}

// compareFlow says how the model's flow differs from the kernel's. Timers may differ by what passed between the
// packet and the two looks at the tables, and by the second that the kernel rounds away.
func compareFlow(ok bool, got, want *flow.Flow, slack time.Duration) string {
	late := int(slack/time.Second) + 1
	if !ok {
		if int(want.Timeout) <= late {
			return ""
		}
		return fmt.Sprintf("no flow, kernel %v %s %d %v", want.Orig, want.State, want.Timeout, want.Status.Names())
	}
	const parts = flow.HasCounters | flow.HasTimestamp
	d := int(got.Timeout) - int(want.Timeout)
	if got.State != want.State || got.Status != want.Status || d > late || d < -late || got.OrigCount != want.OrigCount || got.Reply != want.Reply ||
		got.ReplyCount != want.ReplyCount || got.TCP != want.TCP || got.SCTP != want.SCTP || got.Present&parts != want.Present&parts {
		return fmt.Sprintf("%s, kernel %s", describe(got), describe(want))
	}
	return ""
}

func describe(f *flow.Flow) string {
	s := fmt.Sprintf("%s %d %v %v %v", f.State, f.Timeout, f.Status.Names(), f.OrigCount, f.ReplyCount)
	switch f.Orig.Proto {
	case flow.TCP:
		s += fmt.Sprintf(" %+v", f.TCP)
	case flow.SCTP:
		s += fmt.Sprintf(" %+v", f.SCTP)
	}
	if f.Has(flow.HasTimestamp) {
		s += " timestamp"
	}
	if f.Has(flow.HasCounters) {
		s += " counted"
	}
	return s + fmt.Sprintf(" reply %v", f.Reply)
}

// compareCounters holds the statistics against each other.
func (b *Bench) compareCounters() (string, error) {
	kernel, err := b.Kernel.Counters()
	if err != nil {
		return "", err
	}
	c := b.Model.Counters()
	for _, n := range []struct {
		name string
		ours uint64
	}{{"found", c.Found}, {"invalid", c.Invalid}, {"insert", c.Insert}, {"insert_failed", c.InsertFailed}, {"drop", c.Drop},
		{"early_drop", c.EarlyDrop}, {"icmp_error", c.ICMPError}, {"search_restart", c.SearchRestart}, {"clash_resolve", c.ClashResolve},
		{"chain_toolong", c.ChainTooLong}, {"expect_new", c.ExpectNew}, {"expect_create", c.ExpectCreate}, {"expect_delete", c.ExpectDelete}} {
		if got := kernel[n.name] - b.before[n.name]; got != n.ours {
			return fmt.Sprintf("counter %s is %d, kernel %d", n.name, n.ours, got), nil
		}
	}
	return "", nil
}
