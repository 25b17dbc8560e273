package collect

import (
	"context"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/netns"
)

// namespaces finds the namespaces asked for, and takes the first reading of each.
func (c *collector) namespaces(ctx context.Context) error {
	var all []netns.Namespace
	var missing []snapshot.Missing
	find := func() { all, missing = netns.Find(ctx, c.fs) }
	if c.o.Outside == nil {
		find()
	} else {
		c.o.Outside(find)
	}
	if c.s.Source.UID == 0 {
		for i := range missing {
			missing[i].Code = "" // root already: what it may not see, nobody may
		}
	}
	c.s.Missing = append(c.s.Missing, missing...)
	if len(all) == 0 {
		all = []netns.Namespace{{Name: "host", Kind: netns.KindHost, Present: true}}
	}
	if !c.fs.Live() {
		return c.copiedNamespaces(all)
	}
	chosen, err := netns.Select(all, c.o.Namespaces)
	if err != nil {
		return err
	}
	if c.o.Namespaces == "" && c.o.Tracking {
		chosen = all
	}
	if v, ok := c.current("max"); ok {
		initial := v.Mode&0o222 != 0
		c.s.Source.InitNetns = &initial
	}
	for _, ns := range chosen {
		c.liveNamespace(ns)
	}
	if c.o.Tracking && c.o.Namespaces == "" {
		c.keepTracking()
	}
	c.machine()
	return nil
}

// copiedNamespaces describes those of a root directory: only one has its settings and counters there.
func (c *collector) copiedNamespaces(all []netns.Namespace) error {
	main := 0
	for i, ns := range all {
		if ns.Kind == netns.KindHost {
			main = i
		}
	}
	all[0], all[main] = all[main], all[0]
	for i, ns := range all {
		n := describe(ns)
		if i == 0 {
			n.Present = true
			c.readNamespace(&n)
			c.s.Source.InitNetns = &n.Initial
		}
		c.s.Namespaces = append(c.s.Namespaces, n)
	}
	if c.o.Namespaces != "" && c.o.Namespaces != "all" {
		chosen, err := netns.Select(all, c.o.Namespaces)
		if err != nil {
			return err
		}
		if chosen[0].Inode != all[0].Inode {
			return errors.New("a root directory holds the settings and counters of its first namespace only")
		}
	}
	c.machine()
	return nil
}

func describe(ns netns.Namespace) snapshot.Namespace {
	return snapshot.Namespace{Inode: ns.Inode, Name: ns.Name, Kind: ns.Kind, Path: ns.Path, PIDs: ns.PIDs, Present: ns.Present}
}

// liveNamespace enters a namespace and reads it; one that is gone meanwhile is named as missing.
func (c *collector) liveNamespace(ns netns.Namespace) {
	n := describe(ns)
	if ns.Present || ns.Inode == 0 && ns.Path == "" {
		c.readNamespace(&n)
	} else if err := netns.DoFrom(c.o.Outside, ns.Path, func() error { c.readNamespace(&n); return nil }); err != nil {
		code := ""
		if errors.Is(err, fs.ErrPermission) {
			code = "needs_root"
		}
		c.miss("namespace "+ns.Name, err, code)
		return
	}
	c.s.Namespaces = append(c.s.Namespaces, n)
}

// keepTracking drops the namespaces that hold no flow and never counted anything, but the present one.
func (c *collector) keepTracking() {
	kept := c.s.Namespaces[:0]
	for _, n := range c.s.Namespaces {
		if n.Present || n.Tracking == nil || *n.Tracking {
			kept = append(kept, n)
		}
	}
	c.s.Namespaces = kept
}

// readNamespace reads the settings and the first counters of the namespace that the thread stands in.
func (c *collector) readNamespace(n *snapshot.Namespace) {
	n.Settings = map[string]snapshot.Value{}
	for _, s := range settings.All() {
		if v, ok := c.setting(s); ok {
			n.Settings[s.Name] = v
		}
	}
	if v, ok := n.Settings["max"]; ok {
		n.Initial = v.Mode&0o222 != 0
	}
	if n.Initial && c.fs.Live() {
		n.Name, n.Kind = "host", netns.KindHost // whatever process it was found by
	}
	n.Readings = []snapshot.Reading{c.reading(n, c.now().UTC())}
	n.Tracking = tracking(n, c.s.Module.State)
}

// tracking tells what the figures tell: flows or counts prove tracking; none of either says that nothing
// is tracked, where the counters could be read.
func tracking(n *snapshot.Namespace, m snapshot.ModuleState) *bool {
	yes, no := true, false
	if m == snapshot.ModuleAbsent {
		return &no
	}
	r := n.Readings[0]
	if r.Count != nil && *r.Count > 0 {
		return &yes
	}
	for _, v := range r.Counters {
		if v > 0 {
			return &yes
		}
	}
	if r.Count != nil && r.Counters != nil {
		return &no
	}
	return nil
}

// setting reads a setting by the first of its keys that exists here.
func (c *collector) setting(s settings.Setting) (snapshot.Value, bool) {
	for _, key := range s.Keys {
		path := key.Path()
		info, err := c.fs.Stat(path)
		if err != nil {
			continue
		}
		v := snapshot.Value{Key: key.Name, Mode: uint32(info.Mode().Perm())}
		data, err := c.fs.ReadFile(path, 4096)
		if err != nil {
			c.miss(path, err, "")
			continue
		}
		v.Text = strings.TrimSpace(string(data))
		v.Int = integer(v.Text)
		return v, true
	}
	return snapshot.Value{}, false
}

// integer reads a value as the kernel prints it; module parameters of type bool print Y and N.
func integer(text string) *int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text == "Y":
		n = 1
	case text == "N":
		n = 0
	case err != nil:
		return nil
	}
	return &n
}

// machine copies the figures that all namespaces share.
func (c *collector) machine() {
	for i := range c.s.Namespaces {
		n := &c.s.Namespaces[i]
		for name, into := range map[string]**int64{"max": &c.s.Machine.Max, "buckets": &c.s.Machine.Buckets, "expect_max": &c.s.Machine.ExpectMax} {
			if v, ok := n.Setting(name); ok && *into == nil {
				*into = &v
			}
		}
	}
}

// second waits for the interval's end and reads every namespace's counters again.
func (c *collector) second(ctx context.Context, started time.Time) error {
	if !c.fs.Live() {
		c.copiedSecond()
		return nil
	}
	if c.o.Interval < 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(c.o.interval() - time.Since(started)):
	}
	c.secondLimits(time.Since(started))
	for i := range c.s.Namespaces {
		n := &c.s.Namespaces[i]
		again := func() error {
			n.Readings = append(n.Readings, c.reading(n, time.Now().UTC()))
			return nil
		}
		if n.Present {
			_ = again() // it never fails
		} else if err := netns.DoFrom(c.o.Outside, n.Path, again); err != nil {
			c.miss("namespace "+n.Name, err, "") // it ended between the readings
		}
	}
	return nil
}

// copiedSecond reads the later copy of a root directory, where there is one.
func (c *collector) copiedSecond() {
	if !c.exists("/second/proc") || len(c.s.Namespaces) == 0 {
		return
	}
	after := int64(10)
	if n := c.number("/second/after"); n != nil && *n > 0 {
		after = *n
	}
	root, err := c.fs.Path("/second")
	if err != nil {
		return
	}
	later := &collector{o: c.o, s: snapshot.Snapshot{Source: c.s.Source}}
	later.fs.Root = root
	at := c.s.Taken.Add(time.Duration(after) * time.Second)
	n := &c.s.Namespaces[0]
	n.Readings = append(n.Readings, later.reading(n, at))
	c.s.Missing = append(c.s.Missing, later.s.Missing...)
	if !c.o.NoLimits && c.s.Limits.Net != nil {
		c.s.Limits.NetLast, c.s.Limits.NetSeconds = later.netCounters(), float64(after)
	}
}
