package diagnose

import (
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// Processes and open files: the limits behind "Resource temporarily unavailable" and "Too many open
// files", which people take for a full table. A full table gives neither: it gives EPERM to sendto, and
// connections that time out.

// use is a limit's share in use and the severity of that.
func use(used, limit int64) (share float64, severity Severity) {
	if limit <= 0 {
		return 0, OK
	}
	share = float64(used) / float64(limit)
	switch {
	case share >= limitHit:
		return share, Critical
	case share >= limitNear:
		return share, Warning
	}
	return share, OK
}

// worse returns the worse of two severities.
func worse(a, b Severity) Severity {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// limitFinding is an empty finding of a limit; it is none as long as it stays at ok.
func limitFinding(code string) Finding {
	return Finding{Code: code, Severity: OK, Confidence: 0.9}
}

// near adds evidence when used is near its limit, and reports whether it is.
func (f *Finding) near(source, code string, used, limit int64, pairs ...any) bool {
	share, s := use(used, limit)
	if s == OK {
		return false
	}
	f.Severity = worse(f.Severity, s)
	f.Evidence = append(f.Evidence, evidence(source, code, share, append(pairs, "used", used, "max", limit)...))
	return true
}

// logged adds the log's evidence of a kind, where it is young enough.
func (f *Finding) logged(h *host, kind snapshot.LogKind) {
	if g, ok := h.recent(kind); ok {
		f.Severity = worse(f.Severity, Warning)
		f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
	}
}

// conclude gives the finding its cause and cures; at ok there is none.
func (f Finding) conclude(cause message.Message, cures ...Cure) []Finding {
	if f.Severity == OK {
		return nil
	}
	f.Cause, f.Cure = cause, cures
	return []Finding{f}
}

// processes adds those that are near their own limit, three at most.
func (f *Finding) processes(list []snapshot.ProcessUsage, what, code string) {
	for _, p := range list[:min(3, len(list))] {
		f.near(processSource(p.PID, what), code, p.Used, p.Max, "name", p.Name, "pid", p.PID)
	}
}

func fileLimits(h *host) []Finding {
	l := h.s.Limits
	f := limitFinding(LimitFiles)
	cures := []Cure{do("", "cure_limit_files")}
	if u := l.Files; u != nil && f.near("/proc/sys/fs/file-nr", "ev_files", u.Used, u.Max) {
		cures = append(cures, machineCure("cure_file_max", "fs.file-max", 2*u.Max))
	}
	f.processes(l.FileLimits, "fd", "ev_process_files")
	f.logged(h, snapshot.LogFiles)
	return f.conclude(message.New("cause_limit_files"), cures...)
}

func processLimits(h *host) []Finding {
	l := h.s.Limits
	f := limitFinding(LimitProcesses)
	cures := []Cure{do("", "cure_limit_processes")}
	if u := l.Processes; u != nil && f.near("/proc/loadavg", "ev_tasks", u.Used, u.Max) {
		cures = append(cures, machineCure("cure_threads_max", "kernel.threads-max", 2*u.Max),
			machineCure("cure_pid_max", "kernel.pid_max", 2*u.Max))
	}
	f.processes(l.ProcessLimits, "limits", "ev_process_tasks")
	for _, c := range l.Cgroups[:min(3, len(l.Cgroups))] {
		f.cgroup(c)
	}
	f.logged(h, snapshot.LogFork)
	return f.conclude(message.New("cause_limit_processes"), cures...)
}

// cgroup judges one cgroup's tasks. One that was refused forks counts from half of limitNear on: tasks
// come and go.
func (f *Finding) cgroup(c snapshot.CgroupPids) {
	dir := "/sys/fs/cgroup" + c.Path
	near := f.near(dir+"/pids.max", "ev_cgroup_tasks", c.Current, c.Max, "path", c.Path)
	share, _ := use(c.Current, c.Max)
	if c.Refused == 0 || !near && share < limitNear/2 {
		return
	}
	f.Severity = worse(f.Severity, Warning)
	f.Evidence = append(f.Evidence, evidence(dir+"/pids.events", "ev_cgroup_refused", c.Refused, "path", c.Path))
}
