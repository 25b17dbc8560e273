package collect

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/hostfs"
)

// reading takes one look at the figures of the namespace that the thread stands in.
func (c *collector) reading(n *snapshot.Namespace, at time.Time) snapshot.Reading {
	r := snapshot.Reading{At: at}
	if v, ok := c.current("count"); ok {
		r.Count = v.Int
	}
	if v, ok := c.current("max"); ok {
		r.Max = v.Int
	}
	if c.s.Module.State == snapshot.ModuleAbsent {
		return r
	}
	if c.fs.Live() {
		err := c.netlinkCounters(&r)
		if err == nil {
			return r
		}
		c.miss("ctnetlink counters of "+n.Name, err, netlinkCode(err))
	}
	c.procCounters(n, &r)
	return r
}

// procCounters is the second source.
func (c *collector) procCounters(n *snapshot.Namespace, r *snapshot.Reading) {
	perCPU, source, err := TextCounters(c.fs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.s.Missing = append(c.s.Missing, snapshot.Missing{
			Source: "/proc/net/stat/nf_conntrack of " + n.Name, Why: "no such file", Code: "no_procfs_counters"})
	case err != nil:
		c.miss(source, err, "")
	default:
		r.PerCPU, r.Source, r.Counters = perCPU, source, sum(perCPU)
	}
}

// TextCounters reads each CPU's counters from /proc/net/stat/nf_conntrack, by the names of its columns, in
// the namespace that the thread stands in. source is the file's name, also beside an error.
func TextCounters(host hostfs.FS) (perCPU []map[string]uint64, source string, err error) {
	dir := "/proc/net/stat/"
	if host.Live() {
		dir = "/proc/thread-self/net/stat/" // /proc/net is the first thread's namespace
	}
	for _, name := range []string{"nf_conntrack", "ip_conntrack"} {
		source = "/proc/net/stat/" + name
		var data []byte
		if data, err = host.ReadFile(dir+name, 1<<20); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			perCPU, err = parseProcStat(string(data))
		}
		return perCPU, source, err
	}
	return nil, source, err
}

// netlinkName is ctnetlink's name of a column.
func netlinkName(column string) string {
	switch column {
	case "clashres":
		return "clash_resolve"
	case "chainlength":
		return "chain_toolong"
	case "icmp_error":
		return "error"
	}
	return column
}

// parseProcStat reads one line a CPU of hexadecimal counters under a line of names. Columns were renamed
// and added over the years, so only their names count. "entries" is the table's size and no counter.
func parseProcStat(text string) ([]map[string]uint64, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	names := strings.Fields(lines[0])
	if len(names) == 0 || names[0] != "entries" {
		return nil, fmt.Errorf("line 1: %.40q is no header", lines[0])
	}
	var all []map[string]uint64
	for i, line := range lines[1:] {
		fields := strings.Fields(line)
		if len(fields) != len(names) {
			return nil, fmt.Errorf("line %d: %d columns under %d names", i+2, len(fields), len(names))
		}
		counters := map[string]uint64{}
		for j, f := range fields {
			v, err := strconv.ParseUint(f, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("line %d: %s: %q is no hexadecimal number", i+2, names[j], f)
			}
			if names[j] != "entries" {
				counters[netlinkName(names[j])] = v
			}
		}
		all = append(all, counters)
	}
	return all, nil
}

// sum adds the counters of all CPUs.
func sum(all []map[string]uint64) map[string]uint64 {
	total := map[string]uint64{}
	for _, counters := range all {
		for name, v := range counters {
			total[name] += v
		}
	}
	return total
}

// current reads a setting now.
func (c *collector) current(name string) (snapshot.Value, bool) {
	s, ok := settings.Lookup(name)
	if !ok {
		return snapshot.Value{}, false
	}
	return c.setting(s)
}
