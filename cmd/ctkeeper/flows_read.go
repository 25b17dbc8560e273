package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/confine"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/netns"
)

// tableFiles are where the kernel shows a table as text, by kernel generation.
var tableFiles = [...]string{"nf_conntrack", "ip_conntrack"}

// settingDirs are where the settings of a table are, with what their names begin with.
var settingDirs = [...][2]string{{"/proc/sys/net/netfilter", "nf_conntrack_"}, {"/proc/sys/net/ipv4/netfilter", "ip_conntrack_"}}

// flowsList prints flows. plan: counters would have been reset, but nobody confirmed it.
func (a *app) flowsList(ctx context.Context, o readOptions, plan bool, p *flowPrinter) error {
	err := p.begin()
	if err == nil {
		err = a.inTable(ctx, func(t *flowTable) error { return t.each(ctx, o, p.print) })
	}
	err = errors.Join(err, p.end(err == nil))
	if err == nil && plan {
		return hintError{errors.New("no counter was reset: not confirmed"), []string{"--yes"}}
	}
	return err
}

// flowTable is one table that flows are read from, by the thread that stands in its namespace.
type flowTable struct {
	a  *app
	fs hostfs.FS
	// warned takes warnings; nil: they are printed.
	warned func(message.Message)

	// source and whole are known when the flows were read: from where, and whether none of them can be
	// missing or doubled.
	source string
	whole  bool
}

// readOptions say what to read of a table.
type readOptions struct {
	filter filter.Filter
	fields flow.Fields // 0: all
	zero   bool        // reset the counters
	// restart forgets what was read, to read the table again when it changed under the reading.
	restart func()
}

func (t *flowTable) warn(code string, pairs ...any) {
	if t.warned == nil {
		t.a.warn(code, pairs...)
		return
	}
	t.warned(message.New(code, pairs...))
}

// inTable calls fn where the chosen table can be read.
func (a *app) inTable(ctx context.Context, fn func(*flowTable) error) error {
	switch {
	case a.from != "":
		return a.inCopy(fn)
	case a.netns == "":
		return fn(&flowTable{a: a})
	}
	ns, err := a.oneNamespace(ctx)
	if err != nil {
		return err
	}
	return netns.Do(ns.Path, func() error { return fn(&flowTable{a: a}) })
}

// oneNamespace is the one that --netns chose.
func (a *app) oneNamespace(ctx context.Context) (netns.Namespace, error) {
	all, _ := netns.Find(ctx, hostfs.FS{})
	chosen, err := netns.Select(all, a.netns)
	if err != nil {
		return netns.Namespace{}, usageError{err}
	}
	if len(chosen) != 1 {
		return netns.Namespace{}, usageError{fmt.Errorf("--netns %s: %d namespaces; flows are read from one at a time", a.netns, len(chosen))}
	}
	return chosen[0], nil
}

func (a *app) inCopy(fn func(*flowTable) error) error {
	info, err := os.Stat(a.from)
	if err != nil {
		return usageError{fmt.Errorf("--from: %w", err)}
	}
	switch {
	case !info.IsDir():
		return usageError{errors.New("--from: a snapshot file holds no flows; give a directory with a copy of /proc/net/nf_conntrack")}
	case a.netns != "":
		return usageError{errors.New("--netns: a copied directory holds one table")}
	}
	return fn(&flowTable{a: a, fs: hostfs.FS{Root: a.from}})
}

// each gives the flows: over netlink, else as text.
func (t *flowTable) each(ctx context.Context, o readOptions, fn func(*flow.Flow) error) error {
	if !t.fs.Live() {
		return t.text(ctx, o, fn)
	}
	received, err := t.netlink(ctx, o, fn)
	if received > 0 || o.zero || !errors.Is(err, ctnetlink.ErrPermission) && !errors.Is(err, ctnetlink.ErrUnsupported) {
		return err
	}
	if textErr := t.text(ctx, o, fn); textErr != nil {
		return errors.Join(err, textErr)
	}
	t.warn("flows_text_source", "path", t.source, "why", err.Error())
	return nil
}

// netlink reads the table from the kernel, and says how many flows that sent.
func (t *flowTable) netlink(ctx context.Context, o readOptions, fn func(*flow.Flow) error) (received uint64, err error) {
	_ = confine.GiveBack() // what came to understand the command line
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return 0, err
	}
	res, err := c.Dump(ctx, ctnetlink.DumpOptions{Filter: o.filter, Idle: t.timeouts().Idle, Fields: o.fields, Restart: o.restart, Zero: o.zero}, fn)
	if err = errors.Join(err, c.Close()); err != nil {
		return res.Received, err
	}
	t.source, t.whole = "ctnetlink", res.Consistent
	if !res.Consistent {
		t.warn("flows_" + string(res.Why))
	}
	return res.Received, nil
}

func (t *flowTable) text(ctx context.Context, o readOptions, fn func(*flow.Flow) error) error {
	file, err := t.open()
	if err != nil {
		return err
	}
	idle := t.timeouts().Idle
	res, err := flow.ReadText(file, t.source, func(fl *flow.Flow) error {
		if err := ctx.Err(); err != nil || !o.filter.Match(fl, idle) {
			return err
		}
		return fn(fl)
	})
	if res.Bad > 0 {
		t.warn("flows_bad_lines", "lines", res.Bad, "first", res.First.Error())
	}
	t.whole = res.Bad == 0 && !t.fs.Live() // a copy is whole; whether a live text was is not known
	return errors.Join(err, file.Close())
}

// open opens the text form. /proc/net is the main thread's namespace, so a live host is read through the
// calling thread.
func (t *flowTable) open() (*os.File, error) {
	dir := "/proc/net/"
	if t.fs.Live() {
		dir = "/proc/thread-self/net/"
	}
	var first error
	for _, name := range tableFiles {
		t.source = "/proc/net/" + name
		file, err := t.fs.Open(dir + name)
		if err == nil {
			return file, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// timeouts are the table's own, which tell idle times; what cannot be read is not known.
func (t *flowTable) timeouts() *rank.Timeouts {
	values := map[string]int64{}
	for _, place := range settingDirs {
		names, _ := t.fs.List(place[0])
		for _, name := range names {
			logical, ok := strings.CutPrefix(name, place[1])
			if !ok || !strings.Contains(logical, "timeout") {
				continue
			}
			if v, ok := t.number(place[0] + "/" + name); ok {
				values[logical] = v
			}
		}
	}
	return rank.NewTimeouts(values)
}

// setting is one of the table's figures ("count", "max").
func (t *flowTable) setting(name string) (uint64, bool) {
	for _, place := range settingDirs {
		if v, ok := t.number(place[0] + "/" + place[1] + name); ok && v >= 0 {
			return uint64(v), true
		}
	}
	v, ok := t.number("/proc/sys/net/nf_conntrack_" + name)
	return uint64(max(v, 0)), ok && v >= 0
}

func (t *flowTable) number(path string) (int64, bool) {
	data, err := t.fs.ReadFile(path, 64)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return v, err == nil
}

// warn says on standard error what a reader of standard output should know.
func (a *app) warn(code string, pairs ...any) {
	fmt.Fprintln(a.err, "warning:", a.hint(code, pairs...))
}
