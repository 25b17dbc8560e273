package boot

import (
	"path"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// When is when nf_conntrack comes up, seen from the loaders.
type When string

// Times of loading.
const (
	WhenBuiltIn When = "built_in"
	WhenEarly   When = "early"   // by modules-load.d, before sysctl files are read
	WhenLate    When = "late"    // by the first firewall rule or program that needs it, after them
	WhenUnknown When = "unknown" // the snapshot does not say how the module is present
)

// ModuleLoad is how nf_conntrack comes up at boot, and with what parameters.
type ModuleLoad struct {
	When When `json:"when"`
	// By is the line that loads it early.
	By *Ref `json:"by,omitempty"`
	// Udev is the rule that runs a loader when the module appears.
	Udev *Ref `json:"udev,omitempty"`
	// Options are its parameters, the last of one name in force.
	Options []Option `json:"options,omitempty"`

	udevLoader Loader
	prefixes   []string
}

// Option is one module parameter and who gives it.
type Option struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	At    Ref    `json:"at"`
}

// Option returns the parameter of that name, and whether it is given.
func (m ModuleLoad) Option(name string) (Option, bool) {
	for i := len(m.Options) - 1; i >= 0; i-- {
		if m.Options[i].Name == name {
			return m.Options[i], true
		}
	}
	return Option{}, false
}

// Module tells how nf_conntrack comes up at the next boot.
func Module(in Input) ModuleLoad {
	m := ModuleLoad{When: WhenLate, Options: cmdlineOptions(in)}
	switch in.Module.State {
	case snapshot.ModuleBuiltIn:
		m.When = WhenBuiltIn
		return m
	case snapshot.ModuleUnknown:
		m.When = WhenUnknown
	}
	m.Options = append(modprobeOptions(in), m.Options...)
	if by, ok := loadedEarly(in); ok {
		m.When, m.By = WhenEarly, &by
	}
	m.udev(in)
	return m
}

// joined is a line with what backslashes join to it; lines count from 1.
type joined struct {
	line int
	text string
}

func joinedLines(content []byte) []joined {
	var all []joined
	open := false
	for i, text := range strings.Split(string(content), "\n") {
		if open {
			all[len(all)-1].text += " " + text
		} else {
			all = append(all, joined{i + 1, text})
		}
		last := &all[len(all)-1]
		if open = strings.HasSuffix(last.text, "\\"); open {
			last.text = strings.TrimSuffix(last.text, "\\")
		}
	}
	return all
}

// isConntrack reports whether loading a module brings nf_conntrack up, by need or by name.
func isConntrack(module string) bool {
	m := strings.ReplaceAll(module, "-", "_")
	switch m {
	case "nf_conntrack", "ip_conntrack", "nf_nat", "xt_conntrack", "xt_MASQUERADE", "xt_CONNMARK", "xt_connmark", "xt_CT", "nft_ct", "nft_nat", "nft_masq",
		"iptable_nat", "ip6table_nat", "openvswitch", "act_ct", "nf_flow_table", "ip_vs":
		return true
	}
	return strings.HasPrefix(m, "nf_conntrack_") || strings.HasPrefix(m, "nf_nat_")
}

func readConf(in Input, kind string) []FileUse {
	var read []FileUse
	for _, u := range byName(in, kind, func(name string) bool { return strings.HasSuffix(name, ".conf") && !strings.HasPrefix(name, ".") }) {
		if u.Read {
			read = append(read, u)
		}
	}
	return read
}

// loadedEarly finds what loads the module before the sysctl files are read.
func loadedEarly(in Input) (Ref, bool) {
	uses := readConf(in, "modules-load.d")
	for _, name := range []string{"/etc/modules", "/etc/initramfs-tools/modules"} {
		if f, ok := in.file(name); ok {
			uses = append(uses, FileUse{Path: f.Path})
		}
	}
	for _, u := range uses {
		f, _ := in.file(u.Path)
		for i, line := range strings.Split(string(f.Content), "\n") {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if isConntrack(strings.Fields(line)[0]) {
				return Ref{File: u.Path, Line: i + 1}, true
			}
		}
	}
	for _, word := range cmdline(in) {
		name, value, _ := strings.Cut(word, "=")
		if n := strings.ReplaceAll(name, "-", "_"); n != "modules_load" && n != "rd.modules_load" {
			continue
		}
		for m := range strings.SplitSeq(value, ",") {
			if isConntrack(m) {
				return Ref{File: "/proc/cmdline"}, true
			}
		}
	}
	return Ref{}, false
}

func cmdline(in Input) []string {
	f, _ := in.file("/proc/cmdline")
	return strings.Fields(string(f.Content))
}

// cmdlineOptions are nf_conntrack.NAME=VALUE on the kernel's command line: for built-in and module alike.
func cmdlineOptions(in Input) []Option {
	var all []Option
	for _, word := range cmdline(in) {
		name, value, _ := strings.Cut(word, "=")
		if p, ok := strings.CutPrefix(strings.ReplaceAll(name, "-", "_"), "nf_conntrack."); ok {
			all = append(all, Option{p, value, Ref{File: "/proc/cmdline"}})
		}
	}
	return all
}

// modprobeOptions are the "options nf_conntrack" lines of modprobe.d.
func modprobeOptions(in Input) []Option {
	var all []Option
	for _, u := range readConf(in, "modprobe.d") {
		f, _ := in.file(u.Path)
		for _, l := range joinedLines(f.Content) {
			words := strings.Fields(l.text)
			if len(words) < 3 || words[0] != "options" || strings.ReplaceAll(words[1], "-", "_") != "nf_conntrack" {
				continue
			}
			for _, w := range words[2:] {
				name, value, _ := strings.Cut(w, "=")
				all = append(all, Option{name, value, Ref{File: u.Path, Line: l.line, Col: strings.Index(l.text, w) + 1}})
			}
		}
	}
	return all
}

// udev finds a rule that runs a loader when nf_conntrack appears.
func (m *ModuleLoad) udev(in Input) {
	for _, f := range in.Files {
		if path.Base(path.Dir(f.Path)) != "rules.d" || !strings.HasSuffix(f.Path, ".rules") {
			continue
		}
		for _, l := range joinedLines(f.Content) {
			rule := strings.TrimSpace(l.text)
			if strings.HasPrefix(rule, "#") || !strings.Contains(rule, "RUN") || !strings.Contains(rule, "sysctl") ||
				!strings.Contains(rule, `SUBSYSTEM=="module"`) || !strings.Contains(rule, "nf_conntrack") && !strings.Contains(rule, `KERNEL=="*"`) {
				continue
			}
			m.Udev, m.udevLoader, m.prefixes = &Ref{File: f.Path, Line: l.line}, Procps, nil
			if _, run, ok := strings.Cut(rule, "systemd-sysctl"); ok {
				m.udevLoader = Systemd
				m.prefixes = prefixes(run)
			}
		}
	}
}

// prefixes are systemd-sysctl's --prefix= arguments, as paths below /proc/sys.
func prefixes(command string) []string {
	var all []string
	for _, w := range strings.FieldsFunc(command, func(r rune) bool { return r == ' ' || r == '"' || r == '\t' }) {
		if p, ok := strings.CutPrefix(w, "--prefix="); ok {
			p = strings.TrimPrefix(p, "/proc/sys")
			all = append(all, strings.Trim(settings.Normalize(strings.TrimPrefix(p, "/")), "/"))
		}
	}
	for i, p := range all {
		all[i] = strings.ReplaceAll(p, ".", "/")
	}
	return all
}

// integer reads a module parameter as the kernel does.
func integer(text string) (int64, bool) {
	v, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
	return v, err == nil
}
