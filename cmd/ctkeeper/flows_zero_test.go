package main

import (
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/lab"
)

// packetsIn sums the packets of a list in text form, and counts its flows.
func packetsIn(t *testing.T, text string) (packets uint64, flows int) {
	t.Helper()
	res, err := flow.ReadText(strings.NewReader(text), "list", func(fl *flow.Flow) error {
		if !fl.Has(flow.HasCounters) {
			t.Errorf("no counters: %+v", fl.Orig)
		}
		packets += fl.OrigCount.Packets + fl.ReplyCount.Packets
		return nil
	})
	if err != nil || res.Bad > 0 {
		t.Fatalf("%+v, %v", res, err)
	}
	return packets, int(res.Flows)
}

func TestFlowsListResetsCounters(t *testing.T) {
	wire, ns := lab.Tracked(t)
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_acct", "1"); err != nil {
		t.Fatal(err)
	}
	const flows = 600
	for range 3 {
		if n, err := wire.Send(lab.Datagrams(0, flows)...); err != nil || n != flows {
			t.Fatal(n, err)
		}
	}
	list := func(args ...string) (string, string, int) {
		return command("", append([]string{"flows", "list", "--format", "conntrack", "--netns", ns.Path}, args...)...)
	}
	for _, c := range []struct {
		args []string
		code int
		want uint64
	}{{nil, 0, 3 * flows}, {[]string{"-z"}, 1, 3 * flows}, {[]string{"-z", "--yes"}, 0, 3 * flows}, {nil, 0, 0}} {
		out, errs, code := list(c.args...)
		got, n := packetsIn(t, out)
		if code != c.code || n != flows || got != c.want || c.code == 1 && !strings.Contains(errs, "not confirmed") {
			t.Errorf("%v: exit %d, %d packets of %d in %d flows, %s", c.args, code, got, c.want, n, errs)
		}
	}
}
