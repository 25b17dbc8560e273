package diagnose

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/message"
)

// sizeTolerance: the default of max and buckets follows from the memory that the kernel found at its
// start, which is a little more than what it shows later.
const sizeTolerance = 0.15

// bootFindings judges what the next boot sets, who overwrites it later, and the lines that do not work.
// Only the machine's first namespace has its settings from files.
func bootFindings(h *host) []Finding {
	if len(h.s.Files) == 0 || h.s.Source.InitNetns != nil && !*h.s.Source.InitNetns {
		return nil
	}
	in := boot.FromSnapshot(*h.s)
	p := boot.Predict(in)
	b := bootJudge{loader: loaderOf(h), ancient: h.s.Module.Legacy && !h.s.Module.Modern,
		persist: limitFinding(NotPersisted), override: limitFinding(OverriddenAtBoot)}
	for _, f := range p.Settings {
		b.judge(f)
	}
	all := b.persist.conclude(message.New("cause_not_persisted"), do("ctkeeper apply"+b.keep.String(), "cure_persist"))
	all = append(all, b.override.conclude(message.New("cause_overridden_at_boot"), do("ctkeeper settings boot", "cure_boot"))...)
	all = append(all, b.overwrites()...)
	return append(all, invalidLines(in)...)
}

// loaderOf is the loader that this host boots with: systemd's where it was seen.
func loaderOf(h *host) boot.Loader {
	for _, f := range h.s.Files {
		if strings.HasSuffix(f.Path, "/systemd-sysctl") || strings.HasSuffix(f.Path, "/systemd-sysctl.service") {
			return boot.Systemd
		}
	}
	return boot.Procps
}

// bootJudge compares each setting's running value with what the next boot makes of it.
type bootJudge struct {
	loader boot.Loader
	// ancient: only ip_conntrack, so before Linux 2.6.22, of which the registry's defaults do not speak.
	ancient           bool
	persist, override Finding
	keep              strings.Builder // --set options of what no file sets
	// writers are the settings that programs overwrite, by program.
	writers []boot.Overwrite
	files   map[string]boot.Outcome
}

func (b *bootJudge) judge(f boot.Forecast) {
	o := f.Outcome(b.loader)
	if b.written(f, o) || f.Running == nil || o.Value == nil || *f.Running == *o.Value {
		return
	}
	running, next := *f.Running, *o.Value
	late := slices.IndexFunc(o.Seen, func(s boot.Seen) bool { return s.Fate == boot.FateTooEarly })
	switch {
	case o.At != nil && o.Source != boot.SourceDefault:
		b.override.note(ref(*o.At), "ev_boot_other", next, "name", f.Name, "running", running)
	case late >= 0:
		b.override.note(ref(o.Seen[late].At), "ev_boot_early", next, "name", f.Name, "running", running)
	case len(o.Seen) > 0:
		b.override.note(ref(o.Seen[0].At), "ev_boot_lost", next, "name", f.Name, "running", running)
	case !b.ancient && !nearSize(f.Name, running, next):
		fmt.Fprintf(&b.keep, " --set %s=%d", f.Name, running)
		b.persist.note(f.Key, "ev_boot_none", next, "name", f.Name, "running", running)
	}
}

// written notes a setting that a program overwrites with another value than a file gives it. What a
// program sets and no file names is that program's to keep.
func (b *bootJudge) written(f boot.Forecast, o boot.Outcome) bool {
	by := slices.IndexFunc(f.Writers, func(w boot.Overwrite) bool { return w.Running || w.Value != nil })
	if by < 0 {
		return false
	}
	w := f.Writers[by]
	inFile := o.Source == boot.SourceFile && o.Value != nil
	if inFile && (w.Value == nil || *w.Value != *o.Value) {
		w.Setting = f.Name
		b.writers = append(b.writers, w)
		if b.files == nil {
			b.files = map[string]boot.Outcome{}
		}
		b.files[f.Name] = o
	}
	return true
}

// note adds a line of evidence and makes the finding a warning.
func (f *Finding) note(source, code string, value any, pairs ...any) {
	f.Severity = Warning
	f.Evidence = append(f.Evidence, evidence(source, code, value, pairs...))
}

// overwrites is one finding a program.
func (b *bootJudge) overwrites() []Finding {
	var all []Finding
	for _, w := range b.writers {
		i := slices.IndexFunc(all, func(f Finding) bool { return f.Cause.Params["program"] == w.Program })
		if i < 0 {
			f := limitFinding(OverwrittenBy)
			f.Cause = message.New("cause_overwritten_by", "program", w.Program)
			f.Cure = []Cure{{Text: w.Where}, do("ctkeeper settings boot", "cure_boot")}
			all, i = append(all, f), len(all)
		}
		o := b.files[w.Setting]
		if w.Value != nil {
			all[i].note(w.Program, "ev_overwritten", *w.Value, "name", w.Setting, "file", *o.Value, "at", refOf(o.At))
		} else {
			all[i].note(w.Program, "ev_overwritten_unknown", *o.Value, "name", w.Setting, "at", refOf(o.At))
		}
	}
	return all
}

// nearSize reports whether a size that no file sets is the kernel's own default, as near as that can be
// told.
func nearSize(name string, running, next int64) bool {
	if !machineWide(name) || next == 0 {
		return false
	}
	return math.Abs(float64(running)/float64(next)-1) <= sizeTolerance
}

func refOf(r *boot.Ref) string {
	if r == nil {
		return ""
	}
	return ref(*r)
}

func ref(r boot.Ref) string {
	if r.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// invalidLines are the lines of conntrack's that do nothing, or not what they say. What comes of the
// files as a whole has findings of its own.
func invalidLines(in boot.Input) []Finding {
	f := limitFinding(SettingInvalid)
	for _, p := range boot.Lint(in) {
		if p.Severity != boot.Error || !invalidCode(p.Code) || !aboutConntrack(p) {
			continue
		}
		f.Severity = Warning
		f.Evidence = append(f.Evidence, Evidence{Source: ref(p.Ref), Message: p.Message, Value: p.Code})
	}
	return f.conclude(message.New("cause_setting_invalid"), do("ctkeeper settings lint", "cure_lint"))
}

// invalidCode reports whether lint's code is of one line that does not work by itself.
func invalidCode(code string) bool {
	for _, part := range []string{"unknown_key", "not_assignment", "key_", "not_number", "value_", "no_parameter", "read_only"} {
		if strings.HasPrefix(code, part) {
			return true
		}
	}
	return false
}

// aboutConntrack leaves out faults in lines of other programs.
func aboutConntrack(p boot.Problem) bool {
	if p.Setting != "" {
		return true
	}
	for _, v := range p.Message.Params {
		if strings.Contains(fmt.Sprint(v), "conntrack") {
			return true
		}
	}
	return p.Code == "no_parameter"
}
