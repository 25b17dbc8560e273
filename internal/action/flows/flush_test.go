package flows_test

import (
	"testing"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

func TestManyFlowsOfAMarkAreFlushed(t *testing.T) {
	for _, c := range []struct {
		name string
		o    flows.Options
		want flows.How
		left int
	}{
		{"plain", flows.Options{}, flows.Flush, 1000},
		{"nothing protected matches", flows.Options{Protect: []filter.Filter{parse(t, "addr 127.0.0.0/8")}}, flows.Flush, 1000},
		{"one protected", flows.Options{Protect: []filter.Filter{parse(t, "src 10.0.0.1")}}, flows.OneByOne, 1001},
		{"protection not known", flows.Options{Protect: []filter.Filter{parse(t, "idle < 1h")}}, flows.OneByOne, 7000},
		{"limited", flows.Options{Limit: 1e6}, flows.OneByOne, 1000},
		{"asked for", flows.Options{OneByOne: true}, flows.OneByOne, 1000},
	} {
		ns := lab.NewNamespace(t)
		lab.Fill(t, ns, 6000, lab.Mix{Established: 100, Mark: 7, Timeout: 5000})
		lab.Fill(t, ns, 1000, lab.Mix{Established: 100, Mark: 8, First: 10000, Timeout: 5000})
		c.o.Filter = parse(t, "mark 7")
		var did flows.Counts
		in(t, ns, func() (err error) {
			did, err = flows.Delete(t.Context(), c.o)
			return err
		})
		left := table(t, ns)
		if did.How != c.want || len(left) != c.left || int(did.Done) != 7000-c.left || did.Matched != 6000 || !did.Consistent {
			t.Errorf("%s: %d left, %+v", c.name, len(left), did)
		}
		for _, fl := range left {
			if fl.Mark == 7 && c.left == 1000 {
				t.Fatalf("%s: left %v", c.name, fl.Orig)
			}
		}
	}
}

// TestFewAreDeletedOneByOne: a flush would not be worth its less exact count.
func TestFewAreDeletedOneByOne(t *testing.T) {
	ns := lab.NewNamespace(t)
	lab.Fill(t, ns, 100, lab.Mix{Established: 100, Mark: 7})
	in(t, ns, func() error {
		did, err := flows.Delete(t.Context(), flows.Options{Filter: parse(t, "mark 7")})
		if did.How != flows.OneByOne || did.Done != 100 {
			t.Errorf("%+v", did)
		}
		return err
	})
}

// TestRefusalsAreCountedWithTheirReasons: errors stand in the middle of batches that ask for no answer.
func TestRefusalsAreCountedWithTheirReasons(t *testing.T) {
	ns := lab.NewNamespace(t)
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	n, fixed := 0, 0
	_, err = c.Create(t.Context(), func(yield func(*flow.Flow) bool) {
		for fl := range lab.Flows(3000, lab.Mix{Established: 100, Timeout: 5000}) {
			if n++; n%7 == 0 {
				fl.Status |= flow.FixedTimeout
				fixed++
			}
			if !yield(fl) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	thousand := uint32(1000)
	var did flows.Counts
	in(t, ns, func() (err error) {
		did, err = flows.Retime(t.Context(), flows.Options{Timeout: &thousand})
		return err
	})
	if int(did.Refused) != fixed || int(did.Done) != n-fixed || len(did.Reasons) != 1 {
		t.Errorf("%d of %d are fixed, counted %+v", fixed, n, did)
	}
	for _, fl := range table(t, ns) {
		if (fl.Timeout > 1000) != (fl.Status&flow.FixedTimeout != 0) {
			t.Errorf("%+v", fl)
		}
	}
}
