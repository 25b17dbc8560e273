package ctnetlink_test

import (
	"context"
	"errors"
	"testing"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// TestEachProvenFlush: what the running kernel proves takes exactly what the filter selects, from a table
// of which the proof knows nothing.
func TestEachProvenFlush(t *testing.T) {
	lab.Need(t)
	for _, text := range []string{
		"mark 3", "mark 2/3", "zone 2", "zone 0", "assured", "not assured", "unreplied", "ipv6", "ipv4", "ipv4 and tcp", "ipv6 and udp",
		"tcp", "udp", "mark 1 and zone 1", "zone 1 and assured and ipv6", "tcp and mark 0 and not assured", "icmp and zone 0",
	} {
		f := mustParse(t, text)
		proof, err := ctnetlink.ProveFlush(t.Context(), f)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		ns := lab.NewNamespace(t)
		c := dial(t, ns)
		for zone := range uint16(3) {
			for mark := range uint32(4) {
				lab.Fill(t, ns, 100, lab.Mix{Established: 40, SynSent: 20, IPv6: 40, Zone: zone, Mark: mark, Timeout: 5000, First: 1000 * int(mark)})
			}
		}
		var want uint64
		dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
			if !f.Match(fl, nil) {
				want++
			}
			return nil
		})
		if err := c.Flush(t.Context(), proof); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		res := dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
			if f.Match(fl, nil) {
				t.Errorf("%q left %+v", text, fl.Orig)
			}
			return nil
		})
		if res.Flows != want {
			t.Errorf("%q: %d flows left, want %d", text, res.Flows, want)
		}
	}
}

func TestWhatIsNotFlushed(t *testing.T) {
	for _, text := range []string{
		"", "src 10.0.0.1", "dst 2001:db8::1", "tcp and dport 80", "mark 1 or mark 2", "not mark 1", "assured and idle > 1h", "mark 0/0",
		"snat", "offload", "src 10.0.0.0/8 and mark 1", "state ESTABLISHED", "zone 1 and zone 2", "helper ftp",
	} {
		f := mustParse(t, text)
		if _, err := ctnetlink.ProveFlush(t.Context(), f); ctnetlink.Flushable(f) || !errors.Is(err, ctnetlink.ErrNotProven) {
			t.Errorf("%q: %v, %v", text, ctnetlink.Flushable(f), err)
		}
	}
}

func TestFlushNeedsAProof(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 100, lab.DefaultMix)
	c := dial(t, ns)
	if err := c.Flush(t.Context(), ctnetlink.Proof{}); !errors.Is(err, ctnetlink.ErrNotProven) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ctnetlink.ProveFlush(ctx, mustParse(t, "mark 1")); !errors.Is(err, ctnetlink.ErrNotProven) {
		t.Error(err)
	}
	if res := dump(t, c, ctnetlink.DumpOptions{}, nil); res.Flows != 100 {
		t.Errorf("%d flows left", res.Flows)
	}
}

func mustParse(t *testing.T, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
