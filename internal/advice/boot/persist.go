package boot

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/sysctlconf"
)

// Names of the files that Persist writes.
const (
	DropInName  = "zz-ctkeeper.conf"
	DropIn      = "/etc/sysctl.d/" + DropInName
	ModulesLoad = "/etc/modules-load.d/ctkeeper.conf"
	Modprobe    = "/etc/modprobe.d/ctkeeper.conf"
)

// FileChange is one file to write whole.
type FileChange struct {
	Path string `json:"path"`
	// Old is what stands there; nil when there is no file.
	Old []byte `json:"old,omitempty"`
	New []byte `json:"new"`
	// Mode is the present file's mode, 0644 for a new one.
	Mode   uint32          `json:"mode"`
	Reason message.Message `json:"reason"`
}

// Conflict is a line elsewhere that names one of the settings.
type Conflict struct {
	Setting string `json:"setting"`
	At      Ref    `json:"at"`
	Text    string `json:"text"`
	// Decides tells that the line would win over the drop-in under one of the loaders.
	Decides bool `json:"decides"`
}

// Changes is what makes values last.
type Changes struct {
	Files     []FileChange `json:"files"`
	Conflicts []Conflict   `json:"conflicts,omitempty"`
	// Writers are other programs that will set one of the values later all the same.
	Writers []Overwrite `json:"writers,omitempty"`
	// After is the input as it will be once Files are written, and Unmet the settings that even then
	// do not come out as wanted under both loaders.
	After Input    `json:"-"`
	Unmet []string `json:"unmet,omitempty"`
}

// Persist returns the files that make the wanted values (by logical name) hold at the next boot under both
// loaders together: a drop-in whose name sorts behind every other, what loads the module before it is
// read, and every other line that names one of the settings commented out with a note. An earlier drop-in
// of ctkeeper's keeps its other settings.
func Persist(in Input, wanted map[string]int64) (Changes, error) {
	c := Changes{After: in}
	c.After.Files = slices.Clone(in.Files)
	sysctls := wanted
	if n, ok := wanted["buckets"]; ok && bucketsReadOnly(in.Kernel) {
		sysctls = maps.Clone(wanted)
		delete(sysctls, "buckets")
		c.write(Modprobe, fmt.Appendf(nil, "# Written by ctkeeper; an initramfs that loads the module must be made anew.\noptions nf_conntrack hashsize=%d\n", n),
			message.New("persist_modprobe", "file", Modprobe))
	}
	lines, err := dropIn(in, sysctls)
	if err != nil {
		return Changes{}, err
	}
	c.write(DropIn, lines, message.New("persist_drop_in", "file", DropIn))
	c.conflicts(in, wanted)
	if m := Module(in); m.When == WhenLate || m.When == WhenUnknown && in.Module.State != snapshot.ModuleBuiltIn && m.By == nil {
		c.write(ModulesLoad, []byte("# Loads conntrack before sysctl files are read; written by ctkeeper.\nnf_conntrack\n"), message.New("persist_modules_load", "file", ModulesLoad))
	}
	c.check(wanted)
	return c, nil
}

// check foretells the boot that the changes lead to, and keeps what does not come out as wanted.
func (c *Changes) check(wanted map[string]int64) {
	p := Predict(c.After)
	for _, name := range sorted(wanted) {
		f, _ := p.Setting(name)
		v := want(c.After, name, wanted[name])
		if f.Systemd.Value == nil || f.Procps.Value == nil || *f.Systemd.Value != v || *f.Procps.Value != v {
			c.Unmet = append(c.Unmet, name)
		}
	}
	for _, w := range p.Writers {
		if _, ok := wanted[w.Setting]; ok || w.Setting == "*" {
			c.Writers = append(c.Writers, w)
		}
	}
}

// want is the value that reads back: buckets are rounded up.
func want(in Input, name string, v int64) int64 {
	if s, ok := settings.Lookup(name); ok {
		if got, err := s.Accept(in.Kernel, fmt.Sprint(v)); err == nil {
			return got
		}
	}
	return v
}

func sorted(wanted map[string]int64) []string {
	names := make([]string, 0, len(wanted))
	for _, s := range settings.All() {
		if _, ok := wanted[s.Name]; ok {
			names = append(names, s.Name)
		}
	}
	return names
}

// dropIn is the new content of ctkeeper's own file.
func dropIn(in Input, wanted map[string]int64) ([]byte, error) {
	f := &sysctlconf.File{}
	old, exists := in.file(DropIn)
	if exists {
		f = sysctlconf.Parse(old.Content)
	} else {
		f.Append("# Written by ctkeeper; `ctkeeper undo` takes it back.")
	}
	if len(sorted(wanted)) != len(wanted) {
		return nil, fmt.Errorf("persist %v: not all are settings' logical names", wanted)
	}
	for _, name := range sorted(wanted) {
		s, _ := settings.Lookup(name)
		keys := in.keysOf(s)
		if len(keys) == 0 {
			return nil, fmt.Errorf("persist %s: this kernel has no such key", name)
		}
		text := fmt.Sprint(wanted[name])
		if _, err := s.Accept(in.Kernel, text); err != nil {
			return nil, fmt.Errorf("persist %s: %w", name, err)
		}
		if !setIn(f, s, keys[0], text) {
			f.Append(keys[0].Name + " = " + text)
		}
	}
	return f.Bytes(), nil
}

// setIn gives the file's own line for the setting the value; a second line for it would still win, so all
// of them get it.
func setIn(f *sysctlconf.File, s settings.Setting, key settings.Key, text string) bool {
	found := false
	for _, e := range sysctlconf.Read(Procps, f.Bytes()) {
		if e.Kind == sysctlconf.Assign && names(e, s) && !e.Glob {
			f.SetKey(e.Line, key.Name)
			found = f.SetValue(e.Line, text)
		}
	}
	return found
}

// names reports whether a line names a setting by any of its keys.
func names(e sysctlconf.Entry, s settings.Setting) bool {
	p, ok := sysctlconf.Real(e.Path)
	return ok && hasPath(s.Keys, p)
}

// write puts a file into After, and into Files when it differs from what stands there.
func (c *Changes) write(name string, content []byte, why message.Message) {
	change := FileChange{Path: name, New: content, Mode: 0o644, Reason: why}
	i := slices.IndexFunc(c.After.Files, func(f snapshot.File) bool { return f.Path == name })
	if i >= 0 {
		old := c.After.Files[i]
		if string(old.Content) == string(content) && old.Target == "" {
			return
		}
		change.Old = old.Content
		if change.Old == nil {
			change.Old = []byte{}
		}
		if old.Mode != 0 {
			change.Mode = old.Mode & 0o7777
		}
		c.After.Files = slices.Delete(c.After.Files, i, i+1)
	}
	c.After.Files = append(c.After.Files, snapshot.File{Path: name, Mode: change.Mode, Content: content})
	c.Files = append(c.Files, change)
}

// conflicts comments out every other line, in files that a loader may read, that names a wanted setting.
func (c *Changes) conflicts(in Input, wanted map[string]int64) {
	done := map[string]bool{DropIn: true}
	for _, u := range append(order(in, Procps), ufwFile(in)...) {
		f, ok := in.file(u.Path)
		if !ok || done[f.Path] || f.Content == nil {
			continue
		}
		done[f.Path] = true
		c.conflictsIn(f, wanted)
	}
}

func ufwFile(in Input) []FileUse {
	var uses []FileUse
	for _, w := range ufw(in) {
		uses = append(uses, FileUse{Path: w.At.File})
	}
	return uses
}

func (c *Changes) conflictsIn(f snapshot.File, wanted map[string]int64) {
	edited := sysctlconf.Parse(f.Content)
	entries := append(sysctlconf.Read(Systemd, f.Content), sysctlconf.Read(Procps, f.Content)...)
	// From the end, so that notes move no line that is still to come.
	slices.SortStableFunc(entries, func(a, b sysctlconf.Entry) int { return b.Line - a.Line })
	last := 0
	for _, e := range entries {
		name, ok := wantedBy(e, wanted)
		if !ok || e.Line == last {
			continue
		}
		last = e.Line
		decides := f.Path == "/etc/sysctl.conf" || path.Base(f.Path) > DropInName || e.Kind == sysctlconf.Exclude
		if !decides && !strings.HasPrefix(f.Path, "/etc/") {
			continue // a package's own file that loses anyway
		}
		l, _ := edited.Line(e.Line)
		c.Conflicts = append(c.Conflicts, Conflict{Setting: name, At: Ref{File: f.Path, Line: e.Line, Col: e.Col}, Text: l.Text, Decides: decides})
		edited.Comment(e.Line, "ctkeeper: set in "+DropIn)
	}
	if string(edited.Bytes()) != string(f.Content) {
		c.write(f.Path, edited.Bytes(), message.New("persist_conflict", "file", f.Path, "drop_in", DropIn))
	}
}

// wantedBy is the wanted setting that a line names; globs are left: an explicit line goes before them.
func wantedBy(e sysctlconf.Entry, wanted map[string]int64) (string, bool) {
	if e.Kind != sysctlconf.Assign && e.Kind != sysctlconf.Exclude || e.Glob {
		return "", false
	}
	for name := range wanted {
		if s, ok := settings.Lookup(name); ok && names(e, s) {
			return name, true
		}
	}
	return "", false
}

// bucketsReadOnly: before 4.9 the number of buckets is given at load, or through the module's parameter.
func bucketsReadOnly(k settings.Kernel) bool { return k.Known() && k.Version < settings.V(4, 9) }
