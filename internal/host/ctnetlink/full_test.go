package ctnetlink_test

import (
	"errors"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// TestFullTableRefuses fills a table to the machine's real max with flows that the kernel cannot take
// back: each new packet is refused, and the drop counter says so exactly.
func TestFullTableRefuses(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a table to the machine's max")
	}
	w, ns := lab.Tracked(t)
	lab.Share(t)
	made := lab.Fill(t, ns, 0, lab.Mix{Established: 100, Timeout: 86400})
	c := dial(t, ns)
	st, err := c.Stats(t.Context())
	if err != nil || *st.Count != *st.Max || int(*st.Max) != made {
		t.Fatalf("made %d: %+v, %v", made, st, err)
	}
	one := lab.Mix{Established: 100, First: 10_000_000}
	res, err := c.Create(t.Context(), lab.Flows(1, one), ctnetlink.ChangeOptions{OnError: func(_ uint64, _ *flow.Flow, err error) {
		if !errors.Is(err, ctnetlink.ErrFull) {
			t.Errorf("a create into a full table: %v", err)
		}
	}})
	if err != nil || res.Failed != 1 {
		t.Errorf("%+v, %v", res, err)
	}
	before := dropped(t, c)
	const n = 3000
	if sent, err := w.Send(lab.Datagrams(0, n)...); sent != n || err != nil {
		t.Fatal(sent, err)
	}
	for range 500 {
		if dropped(t, c)-before >= n {
			break
		}
	}
	if rise := dropped(t, c) - before; rise != n {
		t.Errorf("drop rose by %d of %d", rise, n)
	}
}

func dropped(t *testing.T, c *ctnetlink.Conn) uint64 {
	t.Helper()
	cpus, err := c.CPUStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ctnetlink.Sum(cpus)["drop"]
}
