package ctnetlink

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/flow"
)

// framed puts a body behind netlink's headers.
func framed(subsystem, what, flags uint16, origin uint32, body []byte) []byte {
	b := make([]byte, bodyStart, bodyStart+len(body))
	native.PutUint16(b[4:], subsystem|what)
	native.PutUint16(b[6:], flags)
	native.PutUint32(b[12:], origin)
	b[headerLen] = unix.AF_INET
	b = append(b, body...)
	native.PutUint32(b, uint32(len(b)))
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func TestEventsInOneMessageAreToldApart(t *testing.T) {
	body := seeds()[0]
	b := framed(subsysCT, msgNew, unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, body)
	b = append(b, framed(subsysCT, msgNew, 0, 7, body)...)
	b = append(b, framed(subsysCT, msgGetStats, 0, 0, nil)...) // no event
	b = append(b, framed(subsysCT, msgDelete, 0, 0, body)...)
	b = append(b, framed(subsysExp, msgNew, unix.NLM_F_CREATE, 0, nil)...)
	var kinds []EventKind
	var origins []uint32
	f := &Follower{dec: decoder{want: flow.AllFields}}
	f.o.Expect = func(k EventKind, _ *flow.Expectation) error {
		kinds = append(kinds, k|EventExpect)
		return nil
	}
	err := f.events(b, func(k EventKind, _ *flow.Flow) error {
		kinds, origins = append(kinds, k), append(origins, f.Origin())
		return nil
	})
	if err != nil || f.Seen() != 4 || len(kinds) != 4 || kinds[0] != EventNew || kinds[1] != EventUpdate || kinds[2] != EventDestroy ||
		kinds[3] != EventNew|EventExpect || origins[1] != 7 {
		t.Errorf("%v, %v, %v, seen %d", err, kinds, origins, f.Seen())
	}
}

func FuzzEvents(f *testing.F) {
	for _, s := range seeds() {
		f.Add(framed(subsysCT, msgNew, 0, 0, s))
		f.Add(framed(subsysExp, msgDelete, 0, 0, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		follower := &Follower{dec: decoder{want: flow.AllFields}}
		n := uint64(0)
		err := follower.events(b, func(EventKind, *flow.Flow) error { n++; return nil })
		var bad *DecodeError
		if err != nil && !errors.As(err, &bad) || n > follower.Seen() {
			t.Errorf("%v, %d of %d", err, n, follower.Seen())
		}
	})
}
