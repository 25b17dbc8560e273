package sample

import (
	"testing"
	"time"

	"ctkeeper/internal/host/ctnetlink"
)

func TestCountersWrap(t *testing.T) {
	at := time.Unix(1000, 0)
	cpu := func(n int, drop, failed, long uint64) ctnetlink.CPUStats {
		return ctnetlink.CPUStats{CPU: n, Counters: map[string]uint64{"drop": drop, "insert_failed": failed, "chain_toolong": long}}
	}
	before := reading{at: at, cpus: []ctnetlink.CPUStats{cpu(0, 1<<32-10, 5, 1), cpu(1, 7, 0, 0)}}
	after := reading{at: at.Add(2 * time.Second), cpus: []ctnetlink.CPUStats{cpu(0, 30, 9, 2), cpu(1, 17, 0, 0), cpu(2, 1000, 0, 0)}}
	r := before.rates(after)
	// 40 and 10 were dropped, of which 3 were clashes; the third CPU came meanwhile.
	if r.Refused == nil || r.Refused.PerSecond != 23.5 || r.EarlyDropped != nil || r.Arrivals != nil || r.Seconds != 2 {
		t.Errorf("%+v %+v", r, r.Refused)
	}
}
