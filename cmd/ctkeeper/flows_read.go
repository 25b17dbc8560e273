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
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/netns"
)

// Where the kernel shows a table as text. /proc/net is the main thread's namespace, so a live host is
// read through the calling thread.
const (
	liveTable   = "/proc/thread-self/net/nf_conntrack"
	copiedTable = "/proc/net/nf_conntrack"
	sysctlDir   = "/proc/sys/net/netfilter"
)

func (a *app) flowsList(ctx context.Context, f filter.Filter, p *flowPrinter) error {
	err := p.begin()
	if err == nil {
		err = a.eachFlow(ctx, f, p.print)
	}
	return errors.Join(err, p.end(err == nil))
}

// eachFlow gives the flows of the chosen table that the filter selects.
func (a *app) eachFlow(ctx context.Context, f filter.Filter, fn func(*flow.Flow) error) error {
	if a.from != "" {
		return a.copiedFlows(ctx, f, fn)
	}
	if a.netns == "" {
		return a.presentFlows(ctx, f, fn)
	}
	all, _ := netns.Find(ctx, hostfs.FS{})
	chosen, err := netns.Select(all, a.netns)
	if err != nil {
		return usageError{err}
	}
	if len(chosen) != 1 {
		return usageError{fmt.Errorf("--netns %s: %d namespaces; flows are read from one at a time", a.netns, len(chosen))}
	}
	return netns.Do(chosen[0].Path, func() error { return a.presentFlows(ctx, f, fn) })
}

func (a *app) copiedFlows(ctx context.Context, f filter.Filter, fn func(*flow.Flow) error) error {
	info, err := os.Stat(a.from)
	if err != nil {
		return usageError{fmt.Errorf("--from: %w", err)}
	}
	switch {
	case !info.IsDir():
		return usageError{errors.New("--from: a snapshot file holds no flows; give a directory with a copy of " + copiedTable)}
	case a.netns != "":
		return usageError{errors.New("--netns: a copied directory holds one table")}
	}
	return a.textFlows(ctx, hostfs.FS{Root: a.from}, copiedTable, f, fn)
}

// presentFlows reads the calling thread's namespace: over netlink, else as text.
func (a *app) presentFlows(ctx context.Context, f filter.Filter, fn func(*flow.Flow) error) error {
	began := false
	err := a.netlinkFlows(ctx, f, func(fl *flow.Flow) error { began = true; return fn(fl) })
	if began || !errors.Is(err, ctnetlink.ErrPermission) && !errors.Is(err, ctnetlink.ErrUnsupported) {
		return err
	}
	if textErr := a.textFlows(ctx, hostfs.FS{}, liveTable, f, fn); textErr != nil {
		return errors.Join(err, textErr)
	}
	a.warn("flows_text_source", "path", copiedTable, "why", err.Error())
	return nil
}

func (a *app) netlinkFlows(ctx context.Context, f filter.Filter, fn func(*flow.Flow) error) error {
	c, err := ctnetlink.Dial(ctnetlink.Options{})
	if err != nil {
		return err
	}
	res, err := c.Dump(ctx, ctnetlink.DumpOptions{Filter: f, Idle: idleTimes(hostfs.FS{})}, fn)
	if err = errors.Join(err, c.Close()); err != nil {
		return err
	}
	if !res.Consistent {
		a.warn("flows_" + string(res.Why))
	}
	return nil
}

func (a *app) textFlows(ctx context.Context, fs hostfs.FS, name string, f filter.Filter, fn func(*flow.Flow) error) error {
	file, err := fs.Open(name)
	if err != nil {
		return err
	}
	idle := idleTimes(fs)
	res, err := flow.ReadText(file, name, func(fl *flow.Flow) error {
		if err := ctx.Err(); err != nil || !f.Match(fl, idle) {
			return err
		}
		return fn(fl)
	})
	if res.Bad > 0 {
		a.warn("flows_bad_lines", "lines", res.Bad, "first", res.First.Error())
	}
	return errors.Join(err, file.Close())
}

// idleTimes tells idle times by the configured timeouts; what cannot be read is not known.
func idleTimes(fs hostfs.FS) filter.Idle {
	names, err := fs.List(sysctlDir)
	if err != nil {
		return nil
	}
	values := map[string]int64{}
	for _, name := range names {
		logical, ok := strings.CutPrefix(name, "nf_conntrack_")
		if !ok || !strings.Contains(logical, "timeout") {
			continue
		}
		data, err := fs.ReadFile(sysctlDir+"/"+name, 64)
		if err != nil {
			continue
		}
		if v, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil {
			values[logical] = v
		}
	}
	return rank.NewTimeouts(values).Idle
}

// warn says on standard error what a reader of standard output should know.
func (a *app) warn(code string, pairs ...any) {
	fmt.Fprintln(a.err, "warning:", a.hint(code, pairs...))
}
