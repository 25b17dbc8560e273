package collect

import (
	"context"

	"ctkeeper/internal/host/kernlog"
)

// log sums the kernel's log.
func (c *collector) log(ctx context.Context) {
	if c.o.NoLog {
		return
	}
	if d := c.o.logTime(c.fs.Live()); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	o := kernlog.Options{Booted: c.s.Host.Booted, Now: c.s.Taken}
	if c.o.Progress != nil {
		o.Progress = func(p kernlog.Progress) { c.o.Progress(p.Source, p.Bytes, p.Size) }
	}
	log, missing := kernlog.Host(ctx, c.fs, o)
	c.s.Log = log
	c.s.Missing = append(c.s.Missing, missing...)
}
