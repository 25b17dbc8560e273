package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// doctorWidth is the width that text is wrapped at: a terminal's usual 80 columns.
const doctorWidth = 80

// doctorText prints the report for people: the verdict first, then the findings that matter, worst first,
// then in one line each what is only worth knowing and what could not be read.
func (a *app) doctorText(r diagnose.Report) error {
	p := &page{lang: a.language()}
	p.wrap("", "", wording.Say(p.lang, r.Text))
	if r.Severity != diagnose.Unknown {
		p.wrap("", "", wording.Say(p.lang, message.New("doctor_sure",
			"severity", p.severity(r.Severity), "confidence", r.Confidence)))
	}
	p.tables(r.Namespaces)
	var infos []diagnose.Finding
	for _, f := range r.Findings {
		if f.Severity == diagnose.OK {
			infos = append(infos, f)
			continue
		}
		p.finding(f)
	}
	p.infos(infos)
	p.missing(r.Missing)
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

// page collects lines of text in one language.
type page struct {
	strings.Builder
	lang  wording.Lang
	cures map[string]bool // printed already
}

func (p *page) say(code string) string { return wording.Say(p.lang, message.New(code)) }

func (p *page) severity(s diagnose.Severity) string { return p.say("severity_" + string(s)) }

func (p *page) finding(f diagnose.Finding) {
	title := p.say("finding_" + f.Code)
	head := wording.Say(p.lang, message.New("doctor_head",
		"severity", strings.ToUpper(p.severity(f.Severity)), "title", title, "code", f.Code))
	if f.Namespace != "" {
		head += " · " + f.Namespace
	}
	p.WriteString("\n")
	p.wrap("", "  ", head)
	p.section("doctor_evidence")
	for _, e := range f.Evidence {
		p.wrap("    - ", "      ", wording.Say(p.lang, e.Message)+"  ["+e.Source+"]")
	}
	p.section("doctor_cause")
	p.wrap("    ", "    ", wording.Say(p.lang, f.Cause))
	if len(f.Cure) == 0 {
		return
	}
	p.section("doctor_cure")
	above := false
	for _, c := range f.Cure {
		if p.printed(c) {
			above = true
			continue
		}
		p.cure(c)
	}
	if above {
		p.wrap("    - ", "      ", p.say("doctor_above"))
	}
}

// printed reports whether a cure stands on the page already, and remembers it.
func (p *page) printed(c diagnose.Cure) bool {
	key := c.Command + "\n" + strings.Join(c.Sysctl, "\n")
	if key == "\n" {
		return false
	}
	if p.cures[key] {
		return true
	}
	if p.cures == nil {
		p.cures = map[string]bool{}
	}
	p.cures[key] = true
	return false
}

func (p *page) cure(c diagnose.Cure) {
	p.wrap("    - ", "      ", wording.Say(p.lang, c.Text))
	if c.Command != "" {
		p.WriteString("        " + c.Command + "\n")
	}
	if c.Command != "" && len(c.Sysctl) > 0 {
		p.wrap("      ", "      ", p.say("doctor_or"))
	}
	for _, line := range c.Sysctl {
		p.WriteString("        " + line + "\n")
	}
}

// doctorTables is how many tables the text lists; the JSON has them all.
const doctorTables = 12

// tables prints one line a namespace whose count is known: how full it is, and how much of that sticks.
func (p *page) tables(list []diagnose.Namespace) {
	lines := 0
	for _, n := range list {
		if n.Count == nil || n.Max == nil {
			continue
		}
		if lines++; lines > doctorTables {
			continue
		}
		m := message.New("doctor_table", "name", n.Name, "count", *n.Count, "max", *n.Max)
		if n.Occupancy != nil {
			m = message.New("doctor_table_share", "name", n.Name, "count", *n.Count, "max", *n.Max, "occupancy", *n.Occupancy)
		}
		if n.Occupancy != nil && n.Pressure != nil {
			m.Code = "doctor_table_pressure"
			m.Params["pressure"] = *n.Pressure
		}
		p.wrap("  ", "    ", wording.Say(p.lang, m))
	}
	if lines > doctorTables {
		p.wrap("  ", "    ", wording.Say(p.lang, message.New("doctor_tables_more", "more", lines-doctorTables)))
	}
}

func (p *page) section(code string) { p.WriteString("  " + p.say(code) + "\n") }

// infos are findings at ok: worth knowing, nothing to do.
func (p *page) infos(list []diagnose.Finding) {
	if len(list) == 0 {
		return
	}
	p.WriteString("\n" + p.say("doctor_also") + "\n")
	for _, f := range list {
		text := p.say("finding_"+f.Code) + " (" + f.Code + ")"
		if f.Namespace != "" {
			text += " · " + f.Namespace
		}
		if len(f.Evidence) > 0 {
			text += " — " + wording.Say(p.lang, f.Evidence[0].Message)
		}
		p.wrap("  - ", "    ", text)
	}
}

func (p *page) missing(list []snapshot.Missing) {
	if len(list) == 0 {
		return
	}
	p.WriteString("\n" + p.say("doctor_missing") + "\n")
	for _, m := range list {
		text := m.Source + ": " + m.Why
		if strings.Contains(m.Why, m.Source) {
			text = m.Why
		}
		if hint := missingHint(p.lang, m); hint != "" {
			text += " → " + hint
		}
		p.wrap("  - ", "    ", text)
	}
}

// wrap writes text broken at blanks, the first line after first, the others after rest. A word longer
// than a line stands on its own.
func (p *page) wrap(first, rest, text string) {
	line, start := first, true
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if !start && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > doctorWidth {
			p.WriteString(line + "\n")
			line, start = rest, true
		}
		if !start {
			line += " "
		}
		line, start = line+word, false
	}
	p.WriteString(line + "\n")
}
