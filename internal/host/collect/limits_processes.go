package collect

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

// worstProcesses is how many processes and cgroups near a limit are kept.
const worstProcesses = 5

// nearShare of a limit from which a process is worth counting exactly.
const nearShare = 0.5

// processLimits reads every process once: open files against their limit, and each user's tasks against
// RLIMIT_NPROC; tasks in all against pid_max and threads-max.
func (c *collector) processLimits(ctx context.Context) {
	names, err := c.fs.List("/proc")
	if err != nil {
		return // said already
	}
	tasks := int64(0)
	users := map[string]int64{}
	var all []processInfo
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		p, ok := c.processInfo(pid)
		if !ok {
			continue
		}
		tasks += p.threads
		users[p.uid] += p.threads
		all = append(all, p)
	}
	c.taskUsage(tasks)
	l := &c.s.Limits
	for _, p := range all {
		if u, ok := c.openFiles(p); ok {
			l.FileLimits = append(l.FileLimits, u)
		}
		if p.maxProcs > 0 && p.uid != "0" {
			l.ProcessLimits = append(l.ProcessLimits, snapshot.ProcessUsage{PID: p.pid, Name: p.name, Used: users[p.uid], Max: p.maxProcs})
		}
	}
	l.FileLimits, l.ProcessLimits = worst(l.FileLimits), worst(l.ProcessLimits)
}

// processInfo is what of a process's limits is needed.
type processInfo struct {
	pid                int
	name, uid          string
	threads            int64
	maxFiles, maxProcs int64 // 0: no limit, or not known
}

func (c *collector) processInfo(pid int) (processInfo, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	status, ok := c.readable(dir + "/status")
	if !ok {
		return processInfo{}, false
	}
	p := processInfo{pid: pid}
	p.name, p.uid, p.threads = parseStatus(status)
	limits, ok := c.readable(dir + "/limits")
	if ok {
		p.maxFiles, p.maxProcs = parseLimits(limits)
	}
	return p, true
}

// parseStatus reads the name, the real user and the number of threads.
func parseStatus(text string) (name, uid string, threads int64) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		if len(f) == 0 {
			continue
		}
		switch key {
		case "Name":
			name = strings.TrimSpace(value)
		case "Uid":
			uid = f[0]
		case "Threads":
			threads, _ = strconv.ParseInt(f[0], 10, 64) // the kernel prints a number
		}
	}
	return name, uid, threads
}

// parseLimits reads the soft limits of open files and of processes.
func parseLimits(text string) (files, procs int64) {
	for line := range strings.Lines(text) {
		for name, into := range map[string]*int64{"Max open files": &files, "Max processes": &procs} {
			rest, ok := strings.CutPrefix(line, name)
			if f := strings.Fields(rest); ok && len(f) > 0 {
				*into, _ = strconv.ParseInt(f[0], 10, 64) // "unlimited" stays 0
			}
		}
	}
	return files, procs
}

// openFiles counts a process's descriptors, where they can be listed.
func (c *collector) openFiles(p processInfo) (snapshot.ProcessUsage, bool) {
	if p.maxFiles <= 0 {
		return snapshot.ProcessUsage{}, false
	}
	names, err := c.fs.List("/proc/" + strconv.Itoa(p.pid) + "/fd")
	if err != nil || len(names) == 0 {
		return snapshot.ProcessUsage{}, false
	}
	return snapshot.ProcessUsage{PID: p.pid, Name: p.name, Used: int64(len(names)), Max: p.maxFiles}, true
}

// worst keeps those nearest to their limit, worst first.
func worst(all []snapshot.ProcessUsage) []snapshot.ProcessUsage {
	share := func(u snapshot.ProcessUsage) float64 { return float64(u.Used) / float64(u.Max) }
	all = slices.DeleteFunc(all, func(u snapshot.ProcessUsage) bool { return u.Max <= 0 || share(u) < nearShare })
	slices.SortFunc(all, func(a, b snapshot.ProcessUsage) int {
		return cmp.Or(cmp.Compare(share(b), share(a)), cmp.Compare(a.PID, b.PID))
	})
	return all[:min(worstProcesses, len(all))]
}

// taskUsage compares all tasks with the smaller of the two limits on them.
func (c *collector) taskUsage(tasks int64) {
	limit := int64(0)
	for _, name := range []string{"pid_max", "threads-max"} {
		if n := c.number("/proc/sys/kernel/" + name); n != nil && (limit == 0 || *n < limit) {
			limit = *n
		}
	}
	if limit > 0 && tasks > 0 {
		c.s.Limits.Processes = &snapshot.Usage{Used: tasks, Max: limit}
	}
}

// mostCgroups bounds how many cgroups are looked at.
const mostCgroups = 20000

// cgroups finds those near pids.max, or that were refused a fork, in both hierarchies.
func (c *collector) cgroups(ctx context.Context) {
	var found []snapshot.CgroupPids
	seen := 0
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/pids"} {
		if root == "/sys/fs/cgroup" && c.exists("/sys/fs/cgroup/pids") {
			continue // the old layout: every controller has a hierarchy of its own
		}
		queue := []string{root}
		for len(queue) > 0 && seen < mostCgroups && ctx.Err() == nil {
			dir := queue[0]
			queue = queue[1:]
			seen++
			if g, ok := c.cgroup(dir, root); ok {
				found = append(found, g)
			}
			queue = append(queue, c.subdirs(dir)...)
		}
	}
	slices.SortFunc(found, func(a, b snapshot.CgroupPids) int {
		return cmp.Or(cmp.Compare(b.Refused, a.Refused), cmp.Compare(b.Current, a.Current), cmp.Compare(a.Path, b.Path))
	})
	c.s.Limits.Cgroups = found[:min(worstProcesses, len(found))]
}

func (c *collector) subdirs(dir string) []string {
	names, err := c.fs.List(dir)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, n := range names {
		p := path.Join(dir, n)
		if info, err := c.fs.Lstat(p); err == nil && info.IsDir() {
			dirs = append(dirs, p)
		}
	}
	return dirs
}

// cgroup reads one cgroup; it is of interest when it is near its limit or was refused a fork.
func (c *collector) cgroup(dir, root string) (snapshot.CgroupPids, bool) {
	current, ok := c.readable(dir + "/pids.current")
	if !ok {
		return snapshot.CgroupPids{}, false
	}
	g := snapshot.CgroupPids{Path: "/" + strings.TrimPrefix(strings.TrimPrefix(dir, root), "/"), Max: -1}
	var err error
	if g.Current, err = strconv.ParseInt(strings.TrimSpace(current), 10, 64); err != nil {
		return g, false
	}
	if limit, ok := c.readable(dir + "/pids.max"); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(limit), 10, 64); err == nil {
			g.Max = n
		}
	}
	if events, ok := c.readable(dir + "/pids.events"); ok {
		if f := strings.Fields(events); len(f) >= 2 && f[0] == "max" {
			g.Refused, _ = strconv.ParseUint(f[1], 10, 64) // the kernel prints a number
		}
	}
	return g, g.Refused > 0 || g.Max > 0 && float64(g.Current) >= nearShare*float64(g.Max)
}
