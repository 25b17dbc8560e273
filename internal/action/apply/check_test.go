package apply_test

import (
	"context"
	"errors"
	"testing"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/advice/plan"
)

func TestMaxStaysAboveTheFlowsUnlessForced(t *testing.T) {
	r, _, _ := inWeb(t, host(t))
	from := int64(65536)
	p := plan.Plan{Schema: plan.Schema, Steps: []plan.Step{{
		Setting: "max", Key: "net.netfilter.nf_conntrack_max", Path: "/proc/sys/net/netfilter/nf_conntrack_max", From: &from, To: 1000,
	}}}
	var below *apply.BelowCountError
	if _, err := r.Apply(context.Background(), p, apply.Options{}); !errors.As(err, &below) || below.Count != 65000 {
		t.Errorf("error %v", err)
	}
	if e, err := r.Apply(context.Background(), p, apply.Options{RunningOnly: true, Force: true}); err != nil || e.State != apply.Done {
		t.Errorf("forced: %v, state %s", err, e.State)
	}
}
