package boot

import (
	"cmp"
	"slices"
	"strings"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/sysctlconf"
)

// Severity is how bad a problem is.
type Severity string

// Severities.
const (
	Info    Severity = "info"    // worth knowing: no fault
	Warning Severity = "warning" // it works, and not as it seems
	Error   Severity = "error"   // the line does not do what it says
)

// Problem is one thing that is wrong, and where.
type Problem struct {
	Ref
	Code     string          `json:"code"`
	Severity Severity        `json:"severity"`
	Message  message.Message `json:"message"`
	// Setting is the logical name of the setting concerned, where there is one.
	Setting string `json:"setting,omitempty"`
	// Systemd and Procps say what each loader does with the line.
	Systemd message.Message `json:"systemd,omitzero"`
	Procps  message.Message `json:"procps,omitzero"`
	// Fix is a certain remedy; nil when only a person can know.
	Fix *Edit `json:"fix,omitempty"`
}

// Edit is a change to one line.
type Edit struct {
	Line int `json:"line"`
	// Key and Value replace what the line has; empty leaves it.
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
	// Text replaces the whole line.
	Text *string `json:"text,omitempty"`
}

// lint gathers problems.
type lint struct {
	in       Input
	boot     Prediction
	fates    map[Loader]map[Ref]verdict
	problems []Problem
}

// verdict is what a loader does with one line.
type verdict struct {
	fate Fate
	by   *Ref
}

// Lint finds what is wrong in the files that decide the next boot, by place.
func Lint(in Input) []Problem {
	l := &lint{in: in, boot: Predict(in), fates: map[Loader]map[Ref]verdict{Systemd: {}, Procps: {}}}
	l.judge()
	seen := map[string]bool{}
	for _, u := range order(in, Procps) {
		f, ok := in.file(u.Path)
		if !ok || seen[f.Path] {
			continue
		}
		seen[f.Path] = true
		l.file(u, f.Path, f.Content)
	}
	l.usage()
	l.options()
	l.outcomes()
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return l.problems
}

// Worst is the worst severity among problems; "" when there are none.
func Worst(problems []Problem) Severity {
	worst := Severity("")
	rank := map[Severity]int{"": 0, Info: 1, Warning: 2, Error: 3}
	for _, p := range problems {
		if rank[p.Severity] > rank[worst] {
			worst = p.Severity
		}
	}
	return worst
}

// judge collects each line's fate under each loader. Columns are left out: the dialects may differ.
func (l *lint) judge() {
	for _, f := range l.boot.Settings {
		for _, loader := range Loaders() {
			o := f.Outcome(loader)
			if o.At != nil {
				l.fates[loader][place(*o.At)] = verdict{fate: FateDecides}
			}
			for _, s := range o.Seen {
				if _, decided := l.fates[loader][place(s.At)]; !decided {
					l.fates[loader][place(s.At)] = verdict{fate: s.Fate, by: o.At}
				}
			}
		}
	}
}

func place(r Ref) Ref { return Ref{File: r.File, Line: r.Line} }

// add records a problem at an entry, with what each loader does there.
func (l *lint) add(e at, severity Severity, fix *Edit, m message.Message) {
	p := Problem{Ref: Ref{File: e.file, Line: e.entry.Line, Col: e.col}, Code: strings.TrimPrefix(m.Code, "lint_"), Severity: severity, Message: m, Setting: e.setting.Name, Fix: fix}
	if e.entry.Line > 0 {
		p.Systemd, p.Procps = l.does(Systemd, e), l.does(Procps, e)
	}
	l.problems = append(l.problems, p)
}

// at is a line under judgement.
type at struct {
	file    string
	entry   sysctlconf.Entry
	setting settings.Setting
	col     int
}

// does is the sentence for what a loader does with a line.
func (l *lint) does(loader Loader, e at) message.Message {
	v, ok := l.fates[loader][Ref{File: e.file, Line: e.entry.Line}]
	if !ok {
		v.fate = FateNoKey
		switch {
		case l.unread(loader, e.file):
			v.fate = FateUnread
		case e.entry.Kind == sysctlconf.Invalid:
			v.fate = FateInvalid
		case e.setting.Name != "":
			v.fate = FateSame
		}
	}
	code := "loader_" + string(v.fate)
	if loader == Procps && (v.fate == FateNoKey || v.fate == FateInvalid || v.fate == FateRefused) {
		code += "_procps"
	}
	m := message.New(code, "value", e.entry.Value)
	if v.by != nil && v.fate == FateOverridden {
		m.Params["by"] = Place(*v.by)
	} else if v.fate == FateOverridden {
		m.Code = "loader_same"
	}
	return m
}

func (l *lint) unread(loader Loader, file string) bool {
	for _, u := range order(l.in, loader) {
		if u.Read && (u.Path == file || u.Real == file) {
			return false
		}
	}
	return true
}
