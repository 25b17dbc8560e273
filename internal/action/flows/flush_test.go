package flows_test

import (
	"errors"
	"net"
	"net/netip"
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
		{"nothing protected can match", flows.Options{Protect: []filter.Filter{parse(t, "mark 8"), parse(t, "mark 4/6 and tcp")}}, flows.Flush, 1000},
		{"nothing protected matches, as far as one sees", flows.Options{Protect: []filter.Filter{parse(t, "src 203.0.113.1")}}, flows.OneByOne, 1000},
		{"loopback, and flows put in by hand", flows.Options{Protect: filter.Loopback()}, flows.OneByOne, 1000},
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
		if byFlush := did.How == flows.Flush; byFlush != (did.ByDifference > 0) || byFlush && did.ByDifference != did.Done-5000 {
			t.Errorf("%s: %+v", c.name, did)
		}
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

// TestLoopbackKeepsFromFlushing: where no flow of loopback can be, a flush needs no reading; as soon as there may be one,
// it is not lost.
func TestLoopbackKeepsFromFlushing(t *testing.T) {
	lab.Share(t)
	w, ns := open(t)
	next := 0
	for _, c := range []struct {
		name      string
		prepare   func()
		want      flows.How
		protected int
	}{
		{"never used", func() {}, flows.Flush, 0},
		{"another device may carry such addresses", func() { sysctl(t, ns, "net/ipv4/conf/v0/route_localnet", "1") }, flows.OneByOne, 0},
		{"not any more", func() { sysctl(t, ns, "net/ipv4/conf/v0/route_localnet", "0") }, flows.Flush, 0},
		{"a datagram to itself", func() { toItself(t, ns) }, flows.OneByOne, 1},
	} {
		c.prepare()
		if n, err := w.Send(lab.Datagrams(next, 6000)...); n != 6000 || err != nil {
			t.Fatal(n, err)
		}
		next += 6000
		safe, err := flows.Always(nil)
		if err != nil {
			t.Fatal(err)
		}
		var did flows.Counts
		in(t, ns, func() (err error) {
			did, err = flows.Delete(t.Context(), flows.Options{Filter: parse(t, "udp and ipv4"), Protect: safe})
			return err
		})
		left := table(t, ns)
		if did.How != c.want || did.Done != 6000 || int(did.Protected) != c.protected || len(left) != c.protected {
			t.Errorf("%s: %d left, %+v", c.name, len(left), did)
		}
	}
}

// open is a namespace that tracks and drops nothing, at the end of a wire.
func open(t *testing.T) (*lab.Wire, *lab.Namespace) {
	t.Helper()
	a := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}
	b := &lab.End{NS: lab.NewNamespace(t), Name: "v0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.9.0.2/24")}}
	lab.Veth(t, a, b)
	if err := lab.Track(b.NS, lab.TrackOptions{}); err != nil {
		t.Fatal(err)
	}
	return lab.NewWire(t, a, b), b.NS
}

func sysctl(t *testing.T, ns *lab.Namespace, key, value string) {
	t.Helper()
	if err := ns.SetSysctl(key, value); err != nil {
		t.Fatal(err)
	}
}

// toItself sends a datagram over the namespace's loopback device.
func toItself(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	if err := lab.LinkUp(ns, "lo"); err != nil {
		t.Fatal(err)
	}
	in(t, ns, func() (err error) {
		c, err := net.Dial("udp4", "127.0.0.1:9999")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		_, err = c.Write([]byte("q"))
		return err
	})
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
