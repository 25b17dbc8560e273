package collect

import (
	"context"
	"errors"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
)

// netlinkTime bounds one question to the kernel.
const netlinkTime = 2 * time.Second

// netlinkCounters asks ctnetlink for the counters of the namespace that the thread stands in.
func (c *collector) netlinkCounters(r *snapshot.Reading) (err error) {
	conn, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), netlinkTime)
	defer cancel()
	cpus, err := conn.CPUStats(ctx)
	if err != nil {
		return err
	}
	for _, cpu := range cpus {
		r.PerCPU = append(r.PerCPU, cpu.Counters)
	}
	r.Counters, r.Source = ctnetlink.Sum(cpus), "ctnetlink"
	if r.Count != nil {
		return nil
	}
	st, err := conn.Stats(ctx)
	if err == nil && st.Count != nil {
		n := int64(*st.Count)
		r.Count = &n
	}
	return err
}

func netlinkCode(err error) string {
	if errors.Is(err, ctnetlink.ErrPermission) {
		return "needs_net_admin"
	}
	return ""
}
