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

func fileLimits(h *host) []Finding {
	l := h.s.Limits
	f := Finding{Code: LimitFiles, Severity: OK, Confidence: 0.9}
	if u := l.Files; u != nil {
		if share, s := use(u.Used, u.Max); s != OK {
			f.Severity = worse(f.Severity, s)
			f.Evidence = append(f.Evidence, evidence("/proc/sys/fs/file-nr", "ev_files", share, "used", u.Used, "max", u.Max))
		}
	}
	f.take(l.FileLimits, "fd", "ev_process_files")
	if g, ok := h.recent(snapshot.LogFiles); ok {
		f.Severity = worse(f.Severity, Warning)
		f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
	}
	if f.Severity == OK {
		return nil
	}
	f.Cause = message.New("cause_limit_files")
	f.Cure = []Cure{do("", "cure_limit_files")}
	if u := l.Files; u != nil {
		if _, s := use(u.Used, u.Max); s != OK {
			f.Cure = append(f.Cure, machineCure("cure_file_max", "fs.file-max", 2*u.Max))
		}
	}
	return []Finding{f}
}

// take adds the processes that are near their own limit.
func (f *Finding) take(list []snapshot.ProcessUsage, what, code string) {
	for i, p := range list {
		share, s := use(p.Used, p.Max)
		if s == OK || i == 3 {
			return
		}
		f.Severity = worse(f.Severity, s)
		f.Evidence = append(f.Evidence, evidence(processSource(p.PID, what), code, share,
			"name", p.Name, "pid", p.PID, "used", p.Used, "max", p.Max))
	}
}

func processLimits(h *host) []Finding {
	l := h.s.Limits
	f := Finding{Code: LimitProcesses, Severity: OK, Confidence: 0.9}
	if u := l.Processes; u != nil {
		if share, s := use(u.Used, u.Max); s != OK {
			f.Severity = worse(f.Severity, s)
			f.Evidence = append(f.Evidence, evidence("/proc/loadavg", "ev_tasks", share, "used", u.Used, "max", u.Max))
		}
	}
	f.take(l.ProcessLimits, "limits", "ev_process_tasks")
	for i, c := range l.Cgroups {
		share, s := use(c.Current, c.Max)
		if c.Refused > 0 && c.Max > 0 && share >= limitNear/2 {
			s = worse(s, Warning)
		}
		if s == OK || i >= 3 {
			continue
		}
		f.Severity = worse(f.Severity, s)
		f.Evidence = append(f.Evidence, evidence("/sys/fs/cgroup"+c.Path+"/pids.max", "ev_cgroup_tasks", share,
			"path", c.Path, "used", c.Current, "max", c.Max))
		if c.Refused > 0 {
			f.Evidence = append(f.Evidence, evidence("/sys/fs/cgroup"+c.Path+"/pids.events", "ev_cgroup_refused",
				c.Refused, "path", c.Path))
		}
	}
	if g, ok := h.recent(snapshot.LogFork); ok {
		f.Severity = worse(f.Severity, Warning)
		f.Evidence = append(f.Evidence, h.groupEvidence(g)...)
	}
	if f.Severity == OK {
		return nil
	}
	f.Cause = message.New("cause_limit_processes")
	f.Cure = []Cure{do("", "cure_limit_processes")}
	if u := l.Processes; u != nil {
		if _, s := use(u.Used, u.Max); s != OK {
			f.Cure = append(f.Cure, machineCure("cure_threads_max", "kernel.threads-max", 2*u.Max),
				machineCure("cure_pid_max", "kernel.pid_max", 2*u.Max))
		}
	}
	return []Finding{f}
}
