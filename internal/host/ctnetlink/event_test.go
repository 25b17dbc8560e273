package ctnetlink_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

func follow(t *testing.T, ns *lab.Namespace, o ctnetlink.FollowOptions) *ctnetlink.Follower {
	t.Helper()
	var f *ctnetlink.Follower
	err := ns.Run(func() (err error) {
		f, err = ctnetlink.Follow(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestEventsOfALife(t *testing.T) {
	w, ns := lab.Tracked(t)
	f := follow(t, ns, ctnetlink.FollowOptions{})
	src, dst := netip.MustParseAddrPort("198.51.100.1:1000"), netip.MustParseAddrPort("10.9.0.2:80")
	if _, err := w.Send(lab.TCP(src, dst, lab.Segment{Flags: lab.SYN, Seq: 5})); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var kinds []ctnetlink.EventKind
	c := dial(t, ns)
	done := errors.New("done")
	err := f.Run(ctx, func(k ctnetlink.EventKind, fl *flow.Flow) error {
		if fl.Proto() != flow.TCP || fl.Orig.DstPort != 80 {
			t.Errorf("%+v", fl)
		}
		kinds = append(kinds, k)
		switch k {
		case ctnetlink.EventNew:
			marked := fl.Clone()
			marked.Mark, marked.Present = 7, marked.Present|flow.HasMark
			if _, err := c.Update(ctx, one(&marked), ctnetlink.ChangeOptions{Fields: flow.HasMark}); err != nil {
				return err
			}
		case ctnetlink.EventUpdate:
			gone := fl.Clone()
			if res, err := c.Delete(ctx, one(&gone), ctnetlink.ChangeOptions{}); err != nil || res.Done != 1 {
				t.Errorf("%+v, %v", res, err)
			}
		case ctnetlink.EventDestroy:
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || len(kinds) != 3 || f.Seen() != 3 || f.Lost() != 0 {
		t.Errorf("%v, %v, seen %d, lost %d", err, kinds, f.Seen(), f.Lost())
	}
}

func one(fl *flow.Flow) func(func(*flow.Flow) bool) {
	return func(yield func(*flow.Flow) bool) { yield(fl) }
}

// TestLossIsCountedExactly lets the kernel's buffer overflow: what is seen and what is lost must add up
// to what was sent, and a dump afterwards holds all of it.
func TestLossIsCountedExactly(t *testing.T) {
	w, ns := lab.Tracked(t)
	lab.Share(t)
	const n = 20000
	for _, buffer := range []int{0, 64 << 20} {
		f := follow(t, ns, ctnetlink.FollowOptions{Kinds: ctnetlink.EventNew, Buffer: buffer})
		c := dial(t, ns)
		if sent, err := w.Send(lab.Datagrams(0, n)...); sent != n || err != nil {
			t.Fatal(sent, err)
		}
		waitCount(t, c, n)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := f.Run(ctx, func(ctnetlink.EventKind, *flow.Flow) error { return nil })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if f.Seen()+f.Lost() != n || (f.Lost() == 0) != (buffer > 0) {
			t.Errorf("buffer %d: seen %d + lost %d, sent %d", buffer, f.Seen(), f.Lost(), n)
		}
		if res := dump(t, c, ctnetlink.DumpOptions{}, nil); res.Flows != n {
			t.Errorf("the dump after it has %d flows", res.Flows)
		}
		var gone []flow.Flow
		dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error { gone = append(gone, fl.Clone()); return nil })
		res, err := c.Delete(t.Context(), func(yield func(*flow.Flow) bool) {
			for i := range gone {
				if !yield(&gone[i]) {
					return
				}
			}
		}, ctnetlink.ChangeOptions{})
		if err != nil || res.Done != n {
			t.Fatalf("%+v, %v", res, err)
		}
	}
}

func waitCount(t *testing.T, c *ctnetlink.Conn, n uint64) {
	t.Helper()
	for range 500 {
		if st, err := c.Stats(t.Context()); err == nil && *st.Count >= n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the table does not come to %d flows", n)
}
