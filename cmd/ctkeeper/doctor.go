package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/surface/wording"
)

const doctorLong = `Say whether conntrack is the problem: a verdict, how sure it is, the evidence with its
source, the cause, and the cure as commands of ctkeeper and as plain sysctl lines.

Exit code: 0 all well, 1 warning, 2 critical, 3 unknown or error.`

func newDoctor(a *app) *cobra.Command {
	return checking(&cobra.Command{
		Use:   "doctor",
		Short: "Is conntrack the problem? Verdict, evidence, cause, cure",
		Long:  doctorLong,
		Example: `  ctkeeper doctor
  ctkeeper doctor --netns all --format json
  ctkeeper doctor --from ./bundle`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.format != "text" && a.format != "json" {
				return usageError{fmt.Errorf("doctor --format %s: text or json", a.format)}
			}
			s, err := a.snapshot(cmd.Context(), collect.Options{Tracking: true})
			if err != nil {
				return err
			}
			if a.netns != "" && a.netns != "all" {
				s.Log.Groups = logOf(s)
			}
			return a.doctor(s)
		},
	})
}

// logOf leaves out the messages about other namespaces than those that were asked for.
func logOf(s snapshot.Snapshot) []snapshot.LogGroup {
	return slices.DeleteFunc(slices.Clone(s.Log.Groups), func(g snapshot.LogGroup) bool {
		return g.NetnsInode != 0 && !slices.ContainsFunc(s.Namespaces, func(n snapshot.Namespace) bool {
			return n.Inode == g.NetnsInode
		})
	})
}

// doctor judges a snapshot, prints the report, and answers with its severity.
func (a *app) doctor(s snapshot.Snapshot) error {
	report := diagnose.Diagnose(s)
	var err error
	if a.format == "json" {
		err = a.doctorJSON(report)
	} else {
		err = a.doctorText(report)
	}
	if err != nil {
		return err
	}
	if code := report.Severity.ExitCode(); code != 0 {
		return statusError(code)
	}
	return nil
}

// doctorDocument is the JSON form, schema ctkeeper.doctor/1.
type doctorDocument struct {
	Schema     string               `json:"schema"`
	Verdict    string               `json:"verdict"`
	Text       string               `json:"text"`
	Severity   diagnose.Severity    `json:"severity"`
	Confidence float64              `json:"confidence"`
	Namespaces []diagnose.Namespace `json:"namespaces"`
	Findings   []findingDocument    `json:"findings"`
	Missing    []missingDocument    `json:"missing"`
}

type findingDocument struct {
	Code       string             `json:"code"`
	Severity   diagnose.Severity  `json:"severity"`
	Confidence float64            `json:"confidence"`
	Namespace  string             `json:"namespace,omitempty"`
	Text       string             `json:"text"`
	Evidence   []evidenceDocument `json:"evidence"`
	Cause      string             `json:"cause"`
	CauseCode  string             `json:"cause_code"`
	CauseWith  message.Params     `json:"cause_params,omitempty"`
	Cure       []cureDocument     `json:"cure"`
}

type evidenceDocument struct {
	Source string         `json:"source"`
	Code   string         `json:"code"`
	Params message.Params `json:"params,omitempty"`
	Text   string         `json:"text"`
	Value  any            `json:"value"`
}

type cureDocument struct {
	Code    string         `json:"code"`
	Params  message.Params `json:"params,omitempty"`
	Text    string         `json:"text"`
	Command string         `json:"command,omitempty"`
	Sysctl  []string       `json:"sysctl"`
}

type missingDocument struct {
	Source string `json:"source"`
	Why    string `json:"why"`
	Hint   string `json:"hint,omitempty"`
}

func (a *app) doctorJSON(r diagnose.Report) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doctorDocumentOf(a.jsonLanguage(), r))
}

func doctorDocumentOf(lang wording.Lang, r diagnose.Report) doctorDocument {
	doc := doctorDocument{
		Schema: "ctkeeper.doctor/1", Verdict: r.Verdict, Text: wording.Say(lang, r.Text),
		Severity: r.Severity, Confidence: r.Confidence, Namespaces: r.Namespaces,
		Findings: []findingDocument{}, Missing: []missingDocument{},
	}
	if doc.Namespaces == nil {
		doc.Namespaces = []diagnose.Namespace{}
	}
	for _, f := range r.Findings {
		doc.Findings = append(doc.Findings, documentOf(lang, f))
	}
	for _, m := range r.Missing {
		doc.Missing = append(doc.Missing, missingDocument{m.Source, m.Why, missingHint(lang, m)})
	}
	return doc
}

func documentOf(lang wording.Lang, f diagnose.Finding) findingDocument {
	d := findingDocument{
		Code: f.Code, Severity: f.Severity, Confidence: f.Confidence, Namespace: f.Namespace,
		Text: wording.Say(lang, message.New("finding_"+f.Code)), Evidence: []evidenceDocument{},
		Cause: wording.Say(lang, f.Cause), CauseCode: f.Cause.Code, CauseWith: f.Cause.Params, Cure: []cureDocument{},
	}
	for _, e := range f.Evidence {
		d.Evidence = append(d.Evidence, evidenceDocument{
			e.Source, e.Message.Code, e.Message.Params, wording.Say(lang, e.Message), e.Value,
		})
	}
	for _, c := range f.Cure {
		sysctl := c.Sysctl
		if sysctl == nil {
			sysctl = []string{}
		}
		d.Cure = append(d.Cure, cureDocument{c.Text.Code, c.Text.Params, wording.Say(lang, c.Text), c.Command, sysctl})
	}
	return d
}

// missingHint is what would make a missing source readable, in words.
func missingHint(lang wording.Lang, m snapshot.Missing) string {
	if m.Code != "" && wording.Has(m.Code) {
		return wording.Say(lang, message.New(m.Code))
	}
	return m.Hint
}
