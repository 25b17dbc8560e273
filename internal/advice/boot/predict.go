package boot

import (
	"errors"
	"strings"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/sysctlconf"
)

// Source is what decides a value at boot.
type Source string

// Sources of values.
const (
	SourceDefault   Source = "default"          // compiled in
	SourceHashsize  Source = "hashsize"         // follows from hashsize= at load
	SourceParameter Source = "module_parameter" // a module parameter at load
	SourceCmdline   Source = "cmdline"          // sysctl.KEY=VALUE on the kernel's command line
	SourceFile      Source = "file"
)

// Seen is a line that names the setting and does not decide.
type Seen struct {
	At    Ref    `json:"at"`
	Key   string `json:"key"`
	Value string `json:"text,omitempty"`
	Fate  Fate   `json:"fate"`
}

// Outcome is what one loader makes of one setting.
type Outcome struct {
	// Value is absent when it is not known: the default of max needs the machine's memory.
	Value  *int64 `json:"value,omitempty"`
	Source Source `json:"source"`
	At     *Ref   `json:"at,omitempty"`
	Key    string `json:"key,omitempty"`  // as the deciding line names it
	Text   string `json:"text,omitempty"` // as the line has it
	Seen   []Seen `json:"seen,omitempty"`
}

// Forecast is one setting after the next boot.
type Forecast struct {
	Name    string  `json:"name"`
	Key     string  `json:"key"`
	Running *int64  `json:"running,omitempty"`
	Systemd Outcome `json:"systemd"`
	Procps  Outcome `json:"procps"`
	// Writers are other programs that set it later.
	Writers []Overwrite `json:"overwritten_by,omitempty"`
}

// Outcome returns the forecast under one loader.
func (f Forecast) Outcome(l Loader) Outcome {
	if l == Procps {
		return f.Procps
	}
	return f.Systemd
}

// Differ reports whether the two loaders come to different values.
func (f Forecast) Differ() bool {
	a, b := f.Systemd.Value, f.Procps.Value
	return (a == nil) != (b == nil) || a != nil && *a != *b
}

// Prediction is the next boot.
type Prediction struct {
	Module   ModuleLoad  `json:"module"`
	Settings []Forecast  `json:"settings"`
	Writers  []Overwrite `json:"writers,omitempty"`
}

// Setting returns the forecast of one setting by its logical name.
func (p Prediction) Setting(name string) (Forecast, bool) {
	for _, f := range p.Settings {
		if f.Name == name {
			return f, true
		}
	}
	return Forecast{}, false
}

// Predict foretells each setting that this kernel has.
func Predict(in Input) Prediction {
	p := Prediction{Module: Module(in), Writers: Writers(in)}
	systemd, procps := Simulate(in, Systemd), Simulate(in, Procps)
	for _, s := range settings.All() {
		keys := in.keysOf(s)
		if s.ReadOnly || s.Other || len(keys) == 0 {
			continue
		}
		f := Forecast{Name: s.Name, Key: keys[0].Name, Systemd: p.outcome(in, s, Systemd, systemd, procps), Procps: p.outcome(in, s, Procps, procps, systemd)}
		if v, ok := in.Running[s.Name]; ok {
			f.Running = v.Int
		}
		for _, w := range p.Writers {
			if w.Setting == s.Name {
				f.Writers = append(f.Writers, w)
			}
		}
		p.Settings = append(p.Settings, f)
	}
	return p
}

// outcome runs one loader's writes over what the module came up with.
func (p Prediction) outcome(in Input, s settings.Setting, loader Loader, own, other Load) Outcome {
	o := p.start(in, s)
	if p.Module.When == WhenLate {
		return p.lateOutcome(in, s, loader, o, own, other)
	}
	o.apply(in, s, own, nil)
	return o
}

// lateOutcome: the loader finds no keys; a udev rule may run a loader again once they are there.
func (p Prediction) lateOutcome(in Input, s settings.Setting, loader Loader, o Outcome, own, other Load) Outcome {
	if p.Module.Udev == nil {
		late := Outcome{}
		late.apply(in, s, own, nil)
		if late.At != nil {
			o.Seen = append(o.Seen, Seen{At: *late.At, Key: lineKey(s), Value: late.Text, Fate: FateTooEarly})
		}
		o.Seen = append(o.Seen, late.Seen...)
		return o
	}
	if p.Module.udevLoader != loader {
		own = other
	}
	o.apply(in, s, own, p.Module.prefixes)
	return o
}

func lineKey(s settings.Setting) string {
	k, _ := s.Sysctl()
	return k.Name
}

// start is the value that the module comes up with.
func (p Prediction) start(in Input, s settings.Setting) Outcome {
	if o, ok := p.fromHashsize(in, s); ok {
		return o
	}
	o := Outcome{Source: SourceDefault}
	if v, ok := s.Default(in.Kernel, in.Memory); ok {
		o.Value = &v
	}
	for _, k := range s.Keys {
		option, given := p.Module.Option(k.Name)
		if k.Family != settings.Parameter || !given || s.Unit != settings.Bool {
			continue
		}
		if v, ok := flag(option.Value); ok {
			o = Outcome{Value: &v, Source: SourceParameter, At: &option.At, Key: option.Name, Text: option.Value}
		}
	}
	if p.Module.When == WhenBuiltIn {
		o.fromCmdline(in, s)
	}
	return o
}

func flag(text string) (int64, bool) {
	switch strings.ToLower(text) {
	case "", "1", "y", "yes", "on":
		return 1, true
	case "0", "n", "no", "off":
		return 0, true
	}
	return 0, false
}

// fromHashsize: a hash size given at load fixes buckets, and makes max eight times that.
func (p Prediction) fromHashsize(in Input, s settings.Setting) (Outcome, bool) {
	name := "hashsize"
	if s.Name == "expect_max" {
		name = "expect_hashsize"
	}
	option, given := p.Module.Option(name)
	n, ok := integer(option.Value)
	if !given || !ok || n <= 0 {
		return Outcome{}, false
	}
	o := Outcome{Source: SourceHashsize, At: &option.At, Key: option.Name, Text: option.Value}
	var v int64
	switch s.Name {
	case "max":
		v = in.Kernel.MaxOfHashsize(n)
	case "buckets":
		v = in.Kernel.RoundBuckets(n)
		o.Source = SourceParameter
	case "expect_max":
		v = 4 * n
	default:
		return Outcome{}, false
	}
	o.Value = &v
	return o, true
}

// fromCmdline applies sysctl.KEY=VALUE, which reaches built-in keys only (from 5.8).
func (o *Outcome) fromCmdline(in Input, s settings.Setting) {
	for _, word := range cmdline(in) {
		name, text, _ := strings.Cut(word, "=")
		key, ok := strings.CutPrefix(name, "sysctl.")
		if !ok {
			key, ok = strings.CutPrefix(name, "sysctl/")
		}
		if !ok || !hasPath(in.keysOf(s), sysctlconf.Path(Systemd, key)) {
			continue
		}
		if v, err := s.Accept(in.Kernel, text); err == nil {
			o.Value, o.Source, o.At, o.Key, o.Text = &v, SourceCmdline, &Ref{File: "/proc/cmdline"}, key, text
		}
	}
}

func hasPath(keys []settings.Key, p string) bool {
	for _, k := range keys {
		if k.Path() == "/proc/sys/"+p {
			return true
		}
	}
	return false
}

// apply runs a loader's writes to any of the setting's keys, in order.
func (o *Outcome) apply(in Input, s settings.Setting, l Load, prefixes []string) {
	here := in.keysOf(s)
	for _, w := range l.Writes {
		p, ok := sysctlconf.Real(w.Path)
		if !ok || !allowed(p, prefixes) {
			continue
		}
		if !hasPath(here, p) {
			if hasPath(s.Keys, p) {
				o.Seen = append(o.Seen, Seen{w.At, sysctlconf.Key(p), w.Value, FateNoKey})
			}
			continue
		}
		o.take(in, s, w, p)
	}
	for _, lost := range l.Lost {
		p, ok := sysctlconf.Real(lost.Entry.Path)
		if ok && lost.Why != FateInvalid && lost.Why != FateSame && hasPath(s.Keys, p) {
			o.Seen = append(o.Seen, Seen{lost.At, sysctlconf.Key(p), lost.Entry.Value, lost.Why})
		}
	}
	o.unread(in, s, l)
}

// take is one write to a key that exists.
func (o *Outcome) take(in Input, s settings.Setting, w Write, p string) {
	seen := Seen{w.At, sysctlconf.Key(p), w.Value, FateEmpty}
	if strings.TrimSpace(w.Value) == "" {
		o.Seen = append(o.Seen, seen)
		return
	}
	if s.Name == "buckets" && bucketsReadOnly(in.Kernel) {
		seen.Fate = FateReadOnly
		o.Seen = append(o.Seen, seen)
		return
	}
	v, err := s.Accept(in.Kernel, w.Value)
	if err != nil {
		seen.Fate = FateRefused
		var refused *settings.RefusedError
		if errors.As(err, &refused) && refused.Errno == "EACCES" {
			seen.Fate = FateReadOnly
		}
		o.Seen = append(o.Seen, seen)
		return
	}
	if o.At != nil {
		fate := FateOverridden
		if o.Value != nil && *o.Value == v {
			fate = FateSame
		}
		o.Seen = append(o.Seen, Seen{*o.At, o.Key, o.Text, fate})
	}
	at := w.At
	o.Value, o.Source, o.At, o.Key, o.Text = &v, SourceFile, &at, sysctlconf.Key(p), w.Value
}

func allowed(p string, prefixes []string) bool {
	if len(prefixes) == 0 {
		return true
	}
	for _, prefix := range prefixes {
		if p == prefix || strings.HasPrefix(p, prefix+"/") {
			return true
		}
	}
	return false
}

// unread adds the lines of files that the loader never opens: hidden by another of the same name, or
// /etc/sysctl.conf under systemd.
func (o *Outcome) unread(in Input, s settings.Setting, l Load) {
	read := map[string]bool{}
	for _, u := range l.Files {
		if u.Read {
			read[u.Path], read[u.Real] = true, true
		}
	}
	for _, u := range l.Files {
		if u.Read || read[u.Path] || u.Real != "" && read[u.Real] {
			continue
		}
		f, _ := in.file(u.Path)
		for _, e := range sysctlconf.Read(Procps, f.Content) {
			if p, ok := sysctlconf.Real(e.Path); ok && e.Kind == sysctlconf.Assign && hasPath(s.Keys, p) {
				o.Seen = append(o.Seen, Seen{Ref{File: u.Path, Line: e.Line, Col: e.Col}, e.Key, e.Value, FateUnread})
			}
		}
	}
}
