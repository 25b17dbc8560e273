package ctnetlink_test

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

func TestResizeIsSeenAndReadAgain(t *testing.T) {
	m := lab.Lock(t)
	ns := lab.NewNamespace(t)
	const n = 50000
	lab.Fill(t, ns, n, lab.DefaultMix)
	c := dial(t, ns)
	for _, restart := range []bool{false, true} {
		got, resized := 0, false
		o := ctnetlink.DumpOptions{}
		if restart {
			o.Restart = func() { got = 0 }
		}
		res, err := c.Dump(t.Context(), o, func(*flow.Flow) error {
			if got++; got == 1000 && !resized {
				resized = true
				size := "300032"
				if restart {
					size = "262144"
				}
				return m.Set(lab.Buckets, size)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if restart && (!res.Consistent || got != n || res.Retried != 1) {
			t.Errorf("with restart: %d flows; %+v", got, res)
		}
		if !restart && (res.Consistent || res.Why != ctnetlink.Resized) {
			t.Errorf("without restart: %+v", res)
		}
	}
}

// TestBucketsThatLie stands for a table that is resized all the time, and for a machine that does not
// show its buckets.
func TestBucketsThatLie(t *testing.T) {
	ns := lab.NewNamespace(t)
	const n = 20000
	lab.Fill(t, ns, n, lab.DefaultMix)
	size := uint64(0)
	for _, c := range []struct {
		buckets func() (uint64, error)
		why     ctnetlink.Inconsistency
		retried int
	}{
		{func() (uint64, error) { size++; return size, nil }, ctnetlink.Resized, 2},
		{func() (uint64, error) { return 0, os.ErrPermission }, ctnetlink.BucketsUnknown, 0},
	} {
		var conn *ctnetlink.Conn
		if err := ns.Run(func() (err error) {
			conn, err = ctnetlink.Dial(ctnetlink.Options{Buckets: c.buckets})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		got := 0
		res := dump(t, conn, ctnetlink.DumpOptions{Retries: 2, Restart: func() { got = 0 }}, func(*flow.Flow) error { got++; return nil })
		if res.Consistent || res.Why != c.why || res.Retried != c.retried || got != n || res.Flows != n {
			t.Errorf("%d flows; %+v", got, res)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// awaySize is another number of buckets than the machine's.
const awaySize = "300032"

// onlyTheNumber reads the number of buckets, and leaves the watch for who writes it out.
func onlyTheNumber() (uint64, error) {
	text, err := os.ReadFile("/proc/sys/" + lab.Buckets)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

func dialWith(t *testing.T, ns *lab.Namespace, buckets func() (uint64, error)) *ctnetlink.Conn {
	t.Helper()
	var c *ctnetlink.Conn
	if err := ns.Run(func() (err error) {
		c, err = ctnetlink.Dial(ctnetlink.Options{Buckets: buckets})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestResizeAwayAndBackIsSeen resizes at one row and back at a later one: in another answer of the kernel,
// which the number tells, and in the same one, which only the watch tells.
func TestResizeAwayAndBackIsSeen(t *testing.T) {
	m := lab.Lock(t)
	ns := lab.NewNamespace(t)
	const n = 20000
	lab.Fill(t, ns, n, lab.DefaultMix)
	home, err := onlyTheNumber()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		buckets    func() (uint64, error)
		there, ago int // rows
		restart    bool
		why        ctnetlink.Inconsistency
	}{
		{"the number, two answers", onlyTheNumber, 1000, 2500, false, ctnetlink.Resized},
		{"the watch, two answers", nil, 1000, 2500, false, ctnetlink.Resized},
		{"the watch, one answer", nil, 1000, 1000, false, ctnetlink.BucketsWritten},
		{"the watch, first answer", nil, 1, 1, false, ctnetlink.BucketsWritten},
		{"the watch, last row", nil, 1000, n, false, ctnetlink.Resized},
		{"read again", nil, 1000, 1000, true, ""},
	} {
		conn := dialWith(t, ns, c.buckets)
		rows, done := 0, 0
		o := ctnetlink.DumpOptions{}
		if c.restart {
			o.Restart = func() { rows = 0 }
		}
		res, err := conn.Dump(t.Context(), o, func(*flow.Flow) error {
			rows++
			if done == 0 && rows >= c.there {
				done++
				if err := m.Set(lab.Buckets, awaySize); err != nil {
					return err
				}
			}
			if done == 1 && rows >= c.ago {
				done++
				return m.Set(lab.Buckets, strconv.FormatUint(home, 10))
			}
			return nil
		})
		if err := m.Set(lab.Buckets, strconv.FormatUint(home, 10)); err != nil {
			t.Fatal(err)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case res.Why != c.why || res.Consistent != (c.why == ""):
			t.Errorf("%s: %d rows, %+v", c.name, rows, res)
		case c.restart && (rows != n || res.Retried != 1):
			t.Errorf("%s: %d rows, %+v", c.name, rows, res)
		}
	}
}

// TestDumpWhileTheTableIsResizedToAndFro reads few flows among many, so that one answer of the kernel takes
// as long as a walk of the whole table, while somebody resizes it all the time: what is called consistent is exact.
func TestDumpWhileTheTableIsResizedToAndFro(t *testing.T) {
	m := lab.Lock(t)
	ns := lab.NewNamespace(t)
	const few = 300
	lab.Fill(t, ns, 60000, lab.DefaultMix)
	lab.Fill(t, ns, few, lab.Mix{Established: 100, Mark: 3, First: 200000})
	f, err := filter.Parse("mark 3")
	if err != nil {
		t.Fatal(err)
	}
	home, err := onlyTheNumber()
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, ns)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, size := range []string{awaySize, strconv.FormatUint(home, 10)} {
				if err := m.Set(lab.Buckets, size); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	torn, wrong := 0, 0
	for range 100 {
		res := dump(t, c, ctnetlink.DumpOptions{Filter: f}, nil)
		switch {
		case !res.Consistent:
			torn++
		case res.Flows != few:
			t.Errorf("called consistent: %+v", res)
		}
		if res.Flows != few {
			wrong++
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("of 100 dumps %d were called torn; %d did not have all flows", torn, wrong)
	if res := dump(t, c, ctnetlink.DumpOptions{Filter: f}, nil); !res.Consistent || res.Flows != few {
		t.Errorf("afterwards: %+v", res)
	}
}
