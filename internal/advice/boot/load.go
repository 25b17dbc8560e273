package boot

import (
	"path"
	"slices"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/sysctlconf"
)

// Loader is a program that sets sysctl keys at boot.
type Loader = sysctlconf.Dialect

// The two loaders that boots use: systemd-sysctl.service, and `sysctl --system`.
const (
	Systemd = sysctlconf.Systemd
	Procps  = sysctlconf.Procps
)

// Loaders lists both.
func Loaders() []Loader { return []Loader{Systemd, Procps} }

// Ref is a place in a file.
type Ref struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
	// Link is the name under which the loader met the file, when that is a link to it.
	Link string `json:"link,omitempty"`
}

// Write is one value that a loader writes, in order.
type Write struct {
	Path          string // below /proc/sys
	Value         string
	At            Ref
	IgnoreFailure bool
	Glob          string // the glob that the path matched
}

// Lost is a line that a loader read and did not write.
type Lost struct {
	Entry sysctlconf.Entry
	At    Ref
	Why   Fate
	By    Ref // the line that displaced it
}

// Fate is what becomes of a line.
type Fate string

// Fates of lines.
const (
	FateDecides    Fate = "decides"
	FateOverridden Fate = "overridden"  // a later line sets the same setting
	FateSame       Fate = "same"        // repeats the value
	FateExcluded   Fate = "excluded"    // "-key" alone: the loader leaves the key alone
	FateInvalid    Fate = "invalid"     // no assignment
	FateNoKey      Fate = "no_such_key" // the key does not exist
	FateRefused    Fate = "refused"     // the kernel does not take the value
	FateEmpty      Fate = "empty"       // no value: changes nothing
	FateReadOnly   Fate = "read_only"
	FateTooEarly   Fate = "too_early" // the module is not loaded yet
	FateUnread     Fate = "unread"    // the loader does not read the file
)

// FileUse is a file and whether a loader reads it.
type FileUse struct {
	Path   string `json:"path"`
	Real   string `json:"real,omitempty"` // where a link leads
	Read   bool   `json:"read"`
	Hidden string `json:"hidden_by,omitempty"` // the file of the same name that replaces it
}

// Load is what a loader does with the files: the writes in order, and the lines that come to nothing.
type Load struct {
	Files  []FileUse
	Writes []Write
	Lost   []Lost
}

type option struct {
	entry sysctlconf.Entry
	at    Ref
	dead  bool
}

// Simulate reads the files as a loader does.
func Simulate(in Input, loader Loader) Load {
	l := Load{Files: order(in, loader)}
	var options []*option
	live := map[string]*option{}
	for _, use := range l.Files {
		if !use.Read {
			continue
		}
		f, _ := in.file(use.Path)
		for _, e := range sysctlconf.Read(loader, f.Content) {
			at := Ref{File: use.Path, Line: e.Line, Col: e.Col}
			if use.Real != "" {
				at.File, at.Link = use.Real, use.Path
			}
			if e.Kind == sysctlconf.Invalid {
				l.Lost = append(l.Lost, Lost{Entry: e, At: at, Why: FateInvalid})
				continue
			}
			o := &option{entry: e, at: at}
			if loader == Systemd && !l.replace(live, o) {
				continue
			}
			options = append(options, o)
		}
	}
	l.write(in, options)
	return l
}

// replace does what systemd does with a key that it has read already: the same value changes nothing, not
// even the order; another value moves the key to the end; "-key" alone takes it out.
func (l *Load) replace(live map[string]*option, o *option) bool {
	if old, ok := live[o.entry.Path]; ok {
		if old.entry.Kind == o.entry.Kind && old.entry.Value == o.entry.Value {
			l.Lost = append(l.Lost, Lost{Entry: o.entry, At: o.at, Why: FateSame, By: old.at})
			return false
		}
		why := FateOverridden
		if o.entry.Kind == sysctlconf.Exclude {
			why = FateExcluded
		}
		old.dead = true
		l.Lost = append(l.Lost, Lost{Entry: old.entry, At: old.at, Why: why, By: o.at})
	}
	live[o.entry.Path] = o
	return true
}

// write turns what was read into writes; an explicit line anywhere takes its key out of every glob.
func (l *Load) write(in Input, options []*option) {
	explicit := map[string]bool{}
	for _, o := range options {
		if !o.dead {
			explicit[o.entry.Path] = true
		}
	}
	keys := in.keys()
	for _, o := range options {
		if o.dead || o.entry.Kind == sysctlconf.Exclude {
			continue
		}
		w := Write{Path: o.entry.Path, Value: o.entry.Value, At: o.at, IgnoreFailure: o.entry.IgnoreFailure}
		if !o.entry.Glob {
			l.Writes = append(l.Writes, w)
			continue
		}
		w.Glob = o.entry.Path
		for _, k := range keys {
			if sysctlconf.Match(o.entry.Path, k) && !explicit[k] {
				w.Path = k
				l.Writes = append(l.Writes, w)
			}
		}
	}
}

// order lists the files of sysctl.d in the order in which a loader takes them: by name, whatever the
// directory; of one name the first directory's. procps reads /etc/sysctl.conf last, systemd never.
func order(in Input, loader Loader) []FileUse {
	if len(in.Alone) > 0 {
		var uses []FileUse
		for _, name := range in.Alone {
			uses = append(uses, FileUse{Path: name, Read: true})
		}
		return uses
	}
	uses := byName(in, "sysctl.d", func(name string) bool {
		return strings.HasSuffix(name, ".conf") && (loader == Procps || !strings.HasPrefix(name, "."))
	})
	if f, ok := in.lookup("/etc/sysctl.conf"); ok {
		uses = append(uses, use(in, f, loader == Procps))
	}
	return uses
}

// byName lists the files of one kind of configuration directory in the order of their names.
func byName(in Input, kind string, wanted func(name string) bool) []FileUse {
	first := map[string]string{}
	var uses []FileUse
	for _, dir := range configDirs() {
		for _, f := range in.Files {
			name := path.Base(f.Path)
			if path.Dir(f.Path) != dir+"/"+kind || !wanted(name) {
				continue
			}
			u := use(in, f, true)
			if by, hidden := first[name]; hidden {
				u.Read, u.Hidden = false, by
			} else {
				first[name] = f.Path
			}
			uses = append(uses, u)
		}
	}
	slices.SortStableFunc(uses, func(a, b FileUse) int { return strings.Compare(path.Base(a.Path), path.Base(b.Path)) })
	return uses
}

func use(in Input, f snapshot.File, read bool) FileUse {
	u := FileUse{Path: f.Path, Read: read}
	if f.Target != "" {
		u.Real = in.real(f)
	}
	return u
}

// Values are the texts that the keys hold after a loader has run, by path below /proc/sys; keys that no
// line sets, or that do not exist, are left out. The kernel's own judgement is not in it.
func Values(in Input, loader Loader) map[string]string {
	exists := map[string]bool{}
	for _, k := range in.keys() {
		exists[k] = true
	}
	values := map[string]string{}
	for _, w := range Simulate(in, loader).Writes {
		if p, ok := sysctlconf.Real(w.Path); ok && exists[p] {
			values[p] = w.Value
		}
	}
	return values
}
