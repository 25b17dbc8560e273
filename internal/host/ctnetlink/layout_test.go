package ctnetlink

import (
	"testing"

	"golang.org/x/sys/unix"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
)

// TestTheKernelsFlowsHaveLayouts: else every flow would be walked, and only the bench would tell.
func TestTheKernelsFlowsHaveLayouts(t *testing.T) {
	needRoot(t)
	taken := map[flow.Proto]int{}
	var fl flow.Flow
	take := func(_ header, msg []byte) error {
		b := msg[bodyStart:]
		d := decoder{want: flow.AllFields}
		agree(t, &d, b, msg[headerLen], &fl)
		if fl.Proto().HasPorts() && fl.Proto() != flow.SCTP && !d.layouts.of(len(b)).fits(b, d.want) {
			t.Errorf("%+v has no layout: %x", fl, b)
		}
		agree(t, &d, b, msg[headerLen], &fl)
		taken[fl.Proto()]++
		return nil
	}
	err := apart(func() error {
		c, err := Dial(Options{})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Create(t.Context(), samplesOf(filter.Exact{}), ChangeOptions{}); err != nil {
			return err
		}
		return c.ask(t.Context(), "dump", subsysCT|msgGet, unix.NLM_F_DUMP, 0, 0, nil, take)
	})
	if err != nil || taken[flow.TCP] == 0 || taken[flow.UDP] == 0 {
		t.Errorf("%v: %v", taken, err)
	}
}
