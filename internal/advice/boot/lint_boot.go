package boot

import (
	"path"
	"slices"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/sysctlconf"
)

// usage judges files as such: those that no loader reads, links to nowhere, sysctl.conf under systemd.
func (l *lint) usage() {
	if len(l.in.Alone) > 0 {
		return
	}
	for _, f := range l.in.Files {
		if f.Error != "" && f.Target == "" {
			l.add(at{file: f.Path}, Warning, nil, message.New("lint_unreadable", "why", f.Error))
		}
		if path.Base(path.Dir(f.Path)) != "sysctl.d" {
			continue
		}
		name := path.Base(f.Path)
		content, found := l.in.file(f.Path)
		switch {
		case f.Target != "" && !found && target(f) != "/dev/null":
			l.add(at{file: f.Path}, Warning, nil, message.New("lint_dangling_link", "target", f.Target))
		case !strings.HasSuffix(name, ".conf") && !strings.Contains(name, ".ctkeeper-") && l.setsConntrack(content.Content):
			l.add(at{file: f.Path}, Warning, nil, message.New("lint_file_suffix"))
		}
	}
	f, ok := l.in.file("/etc/sysctl.conf")
	if ok && l.setsConntrack(f.Content) && l.unread(Systemd, f.Path) {
		l.add(at{file: f.Path}, Warning, nil, message.New("lint_sysctl_conf", "link", "/etc/sysctl.d/99-sysctl.conf"))
	}
}

func (l *lint) setsConntrack(content []byte) bool {
	return slices.ContainsFunc(sysctlconf.Read(Procps, content), func(e sysctlconf.Entry) bool {
		_, ok := byPath(e.Path)
		return ok && e.Kind == sysctlconf.Assign
	})
}

// options judges the module's parameters.
func (l *lint) options() {
	if len(l.in.Alone) > 0 {
		return
	}
	for _, o := range l.boot.Module.Options {
		a := at{file: o.At.File, col: max(o.At.Col, 1), entry: sysctlconf.Entry{Line: o.At.Line, Value: o.Value}}
		n, isNumber := integer(o.Value)
		switch {
		case o.Name == "hashsize" && isNumber && n > 0:
			l.addOption(a, Warning, message.New("lint_hashsize", "hashsize", n, "max", l.in.Kernel.MaxOfHashsize(n)))
		case o.Name == "hashsize":
			l.addOption(a, Error, message.New("lint_not_number", "value", o.Value))
		case !isParameter(o.Name):
			l.addOption(a, Error, message.New("lint_no_parameter", "name", o.Name))
		}
	}
}

// addOption adds a problem of a line that no sysctl loader reads.
func (l *lint) addOption(a at, s Severity, m message.Message) {
	l.problems = append(l.problems, Problem{Ref: Ref{File: a.file, Line: a.entry.Line, Col: a.col}, Code: strings.TrimPrefix(m.Code, "lint_"), Severity: s, Message: m})
}

func isParameter(name string) bool {
	if name == "expect_hashsize" {
		return true
	}
	for _, s := range settings.All() {
		for _, k := range s.Keys {
			if k.Family == settings.Parameter && k.Name == name {
				return true
			}
		}
	}
	return false
}

// outcomes judges what comes out: lines that lose, loaders that differ, sizes that do not fit, running
// values that no file sets.
func (l *lint) outcomes() {
	for _, f := range l.boot.Settings {
		l.losers(f)
		if f.Differ() {
			o := f.Procps
			if o.At == nil {
				o = f.Systemd
			}
			if o.At != nil {
				l.add(l.spot(*o.At, f, o.Text), Warning, nil, message.New("lint_loaders_differ", "key", f.Key, "systemd", known(f.Systemd.Value), "procps", known(f.Procps.Value)))
			}
		}
		l.notPersisted(f)
	}
	l.sizes()
	l.reach()
}

func known(v *int64) any {
	if v == nil {
		return "?"
	}
	return *v
}

func (l *lint) spot(r Ref, f Forecast, text string) at {
	s, _ := settings.Lookup(f.Name)
	return at{file: r.File, setting: s, col: max(r.Col, 1), entry: sysctlconf.Entry{Line: r.Line, Value: text, Kind: sysctlconf.Assign}}
}

// reach tells once that other namespaces keep their own values of what a file sets.
func (l *lint) reach() {
	if len(l.in.Others) == 0 {
		return
	}
	for _, f := range l.boot.Settings {
		s, _ := settings.Lookup(f.Name)
		if o := f.Systemd; s.Scope == settings.Namespace && o.Source == SourceFile {
			l.add(l.spot(*o.At, f, o.Text), Info, nil, message.New("lint_first_namespace", "count", len(l.in.Others), "names", l.in.Others[:min(3, len(l.in.Others))]))
			return
		}
	}
}

// losers reports each line that another one overrides, once, naming who wins under each loader.
func (l *lint) losers(f Forecast) {
	done := map[Ref]bool{}
	for _, loader := range Loaders() {
		o := f.Outcome(loader)
		if o.At == nil {
			continue
		}
		for _, s := range o.Seen {
			if s.Fate != FateOverridden && s.Fate != FateExcluded || done[place(s.At)] || s.At.Line == 0 {
				continue
			}
			done[place(s.At)] = true
			l.add(l.spot(s.At, f, s.Value), Warning, nil, message.New("lint_set_twice", "key", s.Key, "systemd", winner(f.Systemd), "procps", winner(f.Procps)))
		}
	}
}

func winner(o Outcome) string {
	if o.At == nil {
		return string(o.Source)
	}
	return Place(*o.At)
}

// notPersisted reports a running value that the next boot does not bring back.
func (l *lint) notPersisted(f Forecast) {
	if f.Running == nil || len(l.in.Alone) > 0 || f.Systemd.Source == SourceFile || f.Procps.Source == SourceFile {
		return
	}
	v := f.Systemd.Value
	// expect_max follows from buckets at load: not known well enough to accuse anyone.
	if v == nil || *v == *f.Running || f.Name == "expect_max" {
		return
	}
	l.add(at{file: "/proc/sys/" + strings.ReplaceAll(f.Key, ".", "/"), setting: l.spot(Ref{}, f, "").setting}, Warning, nil,
		message.New("lint_not_persisted", "key", f.Key, "running", *f.Running, "boot", *v))
}

// sizes judges max against buckets and memory, where a file sets max.
func (l *lint) sizes() {
	f, _ := l.boot.Setting("max")
	b, _ := l.boot.Setting("buckets")
	for _, loader := range Loaders() {
		o, buckets := f.Outcome(loader), b.Outcome(loader).Value
		if o.Source != SourceFile || o.Value == nil || loader == Procps && f.Systemd.At != nil && *f.Systemd.At == *o.At {
			continue
		}
		a := l.spot(*o.At, f, o.Text)
		if buckets != nil && *buckets > 0 && *o.Value/8 > *buckets {
			l.add(a, Warning, nil, message.New("lint_buckets_few", "max", *o.Value, "buckets", *buckets, "wanted", l.in.Kernel.RoundBuckets(*o.Value/4)))
		}
		object := l.in.SlabObject
		if object == 0 {
			object = 320
		}
		// 128 bytes more is the extension block that counters, NAT and events need.
		if need := uint64(*o.Value) * (object + 128); l.in.Memory > 0 && need > l.in.Memory/settings.MemoryShare {
			l.add(a, Warning, nil, message.New("lint_max_memory", "max", *o.Value, "need", need, "memory", l.in.Memory, "share", 1.0/settings.MemoryShare))
		}
	}
}
