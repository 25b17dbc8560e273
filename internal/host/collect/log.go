package collect

import (
	"context"

	"ctkeeper/internal/host/kernlog"
)

// log sums the kernel's log, for a bounded time.
func (c *collector) log(ctx context.Context) {
	if c.o.NoLog {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.logTime())
	defer cancel()
	log, missing := kernlog.Host(ctx, c.fs, kernlog.Options{Booted: c.s.Host.Booted, Now: c.s.Taken})
	c.s.Log = log
	c.s.Missing = append(c.s.Missing, missing...)
}
