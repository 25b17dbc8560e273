package collect

import (
	"bufio"
	"context"
	"errors"
	"io/fs"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
)

// expectations counts the expected flows of the namespace that the thread stands in. A kernel without
// them leaves the figure unknown.
func (c *collector) expectations(ctx context.Context, n *snapshot.Namespace) {
	if c.fs.Live() {
		if count, err := countExpectations(ctx); err == nil {
			n.Expectations = &count
			return
		}
	}
	dir := "/proc/net/"
	if c.fs.Live() {
		dir = "/proc/thread-self/net/"
	}
	for _, name := range []string{"nf_conntrack_expect", "ip_conntrack_expect"} {
		f, err := c.fs.Open(dir + name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				c.miss(dir+name, err, "")
			}
			continue
		}
		var count int64
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			count++
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			c.miss(dir+name, err, "")
			return
		}
		n.Expectations = &count
		return
	}
}

func countExpectations(ctx context.Context) (count int64, err error) {
	conn, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = conn.Expectations(ctx, func(*flow.Expectation) error { count++; return nil })
	return count, err
}
