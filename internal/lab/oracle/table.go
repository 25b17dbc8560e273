package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
)

// Flows reads the table. fn gets each flow, which is only good until fn returns; again is called when the table was
// resized meanwhile and is read anew. whole is false when even then flows may be missing.
func (k *Kernel) Flows(fn func(*flow.Flow) error, again func()) (whole bool, err error) {
	res, err := k.conn.Dump(context.Background(), ctnetlink.DumpOptions{Restart: again}, fn)
	return res.Consistent, err
}

// Age takes time from what every flow has left, as if it had passed; what comes to nothing has ended. The kernel
// tells whole seconds, rounded down: they are rounded up again, so that a table aged within a second of its
// last packet loses exactly this time.
func (k *Kernel) Age(by time.Duration) error {
	var all []flow.Flow
	whole, err := k.Flows(func(f *flow.Flow) error {
		all = append(all, f.Clone())
		return nil
	}, func() { all = all[:0] })
	if err != nil {
		return err
	}
	if !whole {
		return errors.New("age a table that was resized meanwhile")
	}
	var failed error
	res, err := k.conn.Update(context.Background(), func(yield func(*flow.Flow) bool) {
		for i := range all {
			left := int64(all[i].Timeout) + 1 - int64(by/time.Second)
			all[i].Timeout = uint32(max(left, 0))
			if !yield(&all[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{Fields: flow.HasTimeout, OnError: func(_ uint64, f *flow.Flow, err error) {
		failed = fmt.Errorf("age %v: %w", f.Orig, err)
	}})
	if err == nil && res.Failed > 0 {
		err = failed
	}
	return err
}

// Counters are the namespace's counters of all processors, by the names of /proc/net/stat/nf_conntrack.
func (k *Kernel) Counters() (map[string]uint64, error) {
	flows, err := k.conn.CPUStats(context.Background())
	if err != nil {
		return nil, err
	}
	expected, err := k.conn.ExpectCPUStats(context.Background())
	if err != nil {
		return nil, err
	}
	sum := ctnetlink.Sum(flows)
	sum["icmp_error"] = sum["error"]
	delete(sum, "error")
	for name, n := range ctnetlink.Sum(expected) {
		sum["expect_"+name] = n
	}
	return sum, nil
}

// Count is the namespace's nf_conntrack_count.
func (k *Kernel) Count() (int, error) {
	st, err := k.conn.Stats(context.Background())
	if err != nil {
		return 0, err
	}
	if st.Count == nil {
		return 0, errors.New("the kernel does not tell its count")
	}
	return int(*st.Count), nil
}

// Load puts flows into the table.
func (k *Kernel) Load(flows []flow.Flow) error {
	var failed error
	res, err := k.conn.Create(context.Background(), func(yield func(*flow.Flow) bool) {
		for i := range flows {
			if !yield(&flows[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{OnError: func(_ uint64, f *flow.Flow, err error) { failed = fmt.Errorf("load %v: %w", f.Orig, err) }})
	if err == nil && res.Done != uint64(len(flows)) {
		err = failed
	}
	return err
}

// Clear empties the table.
func (k *Kernel) Clear() error {
	var all []flow.Flow
	if _, err := k.Flows(func(f *flow.Flow) error {
		all = append(all, f.Clone())
		return nil
	}, func() { all = all[:0] }); err != nil {
		return err
	}
	_, err := k.conn.Delete(context.Background(), func(yield func(*flow.Flow) bool) {
		for i := range slices.All(all) {
			if !yield(&all[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{})
	return err
}
