package collect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/netns"
)

// tables reads every namespace's table once, ranked while it is read. Counts were taken before.
func (c *collector) tables(ctx context.Context) error {
	if c.o.NoFlows || c.s.Module.State == snapshot.ModuleAbsent {
		return nil
	}
	for i := range c.s.Namespaces {
		n := &c.s.Namespaces[i]
		if len(n.Readings) == 0 || n.Tracking != nil && !*n.Tracking {
			continue
		}
		read := func() error {
			c.expectations(ctx, n)
			return c.table(ctx, n)
		}
		var err error
		if n.Present || !c.fs.Live() {
			err = read()
		} else {
			err = netns.DoFrom(c.o.Outside, n.Path, read)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.miss("table of "+n.Name, err, netlinkCode(err))
		}
	}
	return nil
}

// table reads the table of the namespace that the thread stands in: over ctnetlink, else from /proc.
func (c *collector) table(ctx context.Context, n *snapshot.Namespace) error {
	r := rank.New(rank.Options{Timeouts: timeouts(n)})
	if c.fs.Live() {
		err := c.dump(ctx, n, r)
		if err == nil || ctx.Err() != nil || errors.As(err, new(callerError)) {
			return err
		}
		c.miss("ctnetlink table of "+n.Name, err, netlinkCode(err))
		r.Reset()
	}
	return c.procTable(n, r)
}

// callerError is an error of Options.Flow, which ends the collection.
type callerError struct{ error }

func (c *collector) dump(ctx context.Context, n *snapshot.Namespace, r *rank.Ranker) (err error) {
	conn, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	o := ctnetlink.DumpOptions{Restart: r.Reset, Fields: flow.HasStatus | flow.HasState | flow.HasTimeout | flow.HasZone}
	if c.o.Flow != nil {
		o.Fields, o.Restart = 0, nil // a caller that has seen a flow cannot forget it
	}
	result, err := conn.Dump(ctx, o, func(fl *flow.Flow) error { return c.take(n, r, fl) })
	if err != nil {
		return err
	}
	n.Flows = &snapshot.Flows{Source: "ctnetlink", Consistent: result.Consistent, Summary: r.Summary()}
	if !result.Consistent {
		c.s.Missing = append(c.s.Missing, snapshot.Missing{
			Source: "table of " + n.Name, Why: "not consistent: " + string(result.Why), Code: "table_inconsistent"})
	}
	return nil
}

func (c *collector) take(n *snapshot.Namespace, r *rank.Ranker, fl *flow.Flow) error {
	r.Add(fl)
	if c.o.Flow == nil {
		return nil
	}
	if err := c.o.Flow(n.Name, fl); err != nil {
		return callerError{err}
	}
	return nil
}

// procTable reads the table's text form, which every kernel had once and some have still.
func (c *collector) procTable(n *snapshot.Namespace, r *rank.Ranker) error {
	dir := "/proc/net/"
	if c.fs.Live() {
		dir = "/proc/thread-self/net/"
	}
	for _, name := range []string{"nf_conntrack", "ip_conntrack"} {
		f, err := c.fs.Open(dir + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		source := "/proc/net/" + name
		result, err := flow.ReadText(f, source, func(fl *flow.Flow) error { return c.take(n, r, fl) })
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		n.Flows = &snapshot.Flows{Source: source, Consistent: result.Bad == 0, Summary: r.Summary()}
		if result.Bad > 0 {
			c.s.Missing = append(c.s.Missing, snapshot.Missing{
				Source: source, Why: fmt.Sprintf("%d lines not understood, the first: %v", result.Bad, result.First)})
		}
		return nil
	}
	return fmt.Errorf("/proc/net/nf_conntrack: %w", fs.ErrNotExist)
}

// timeouts are the namespace's own, against which remaining time tells idle time.
func timeouts(n *snapshot.Namespace) *rank.Timeouts {
	byName := map[string]int64{}
	for name := range n.Settings {
		if v, ok := n.Setting(name); ok {
			byName[name] = v
		}
	}
	return rank.NewTimeouts(byName)
}
