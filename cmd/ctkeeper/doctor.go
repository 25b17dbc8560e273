package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/surface/wording"
)

const doctorLong = `Say whether conntrack is the problem: a verdict, how sure it is, the evidence with its
source, the cause, and the cure as commands of ctkeeper and as plain sysctl lines.

Exit code: 0 all well, 1 warning, 2 critical, 3 unknown or error.`

func newDoctor(a *app) *cobra.Command {
	var past pastFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Is conntrack the problem? Verdict, evidence, cause, cure",
		Long:  doctorLong,
		Example: `  ctkeeper doctor
  ctkeeper doctor --netns all --format json
  ctkeeper doctor --since 24h
  ctkeeper doctor --from ./bundle`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.format != "text" && a.format != "json" {
				return usageError{fmt.Errorf("doctor --format %s: text or json", a.format)}
			}
			since, err := past.check(a.from)
			if err != nil {
				return usageError{err}
			}
			s, err := a.snapshot(cmd.Context(), collect.Options{Tracking: true})
			if err != nil {
				return err
			}
			if a.netns != "" && a.netns != "all" {
				s.Log.Groups = logOf(s)
			}
			if since > 0 {
				a.recallIncidents(cmd.Context(), &s, filepath.Join(past.stateDir, "history.db"), since)
			}
			return a.doctor(s)
		},
	}
	cmd.Flags().StringVar(&past.since, "since", "", "tell of incidents that ctkeeper serve kept too, as far back as this `DURATION`: 90m, 24h, 30d")
	cmd.Flags().StringVar(&past.stateDir, "state-dir", defaultServeConfig().StateDir, "`DIR` of the history")
	return checking(cmd)
}

// pastFlags say how far back the doctor looks, and where.
type pastFlags struct{ since, stateDir string }

// check is the time that is asked for; 0 is none.
func (o pastFlags) check(from string) (time.Duration, error) {
	if o.since == "" {
		return 0, nil
	}
	if from != "" {
		return 0, errors.New("--since reads this host's history: not with --from")
	}
	since, err := parseSince(o.since)
	if err != nil {
		return 0, fmt.Errorf("--since %w", err)
	}
	return since, nil
}

// maxIncidents bounds how many the doctor reads.
const maxIncidents = 10000

// recallIncidents puts the daemon's incidents into the snapshot. A history that is not there is named as missing.
func (a *app) recallIncidents(ctx context.Context, s *snapshot.Snapshot, path string, since time.Duration) {
	all, err := incidentsOf(ctx, path, since)
	if err != nil {
		s.Missing = append(s.Missing, snapshot.Missing{Source: path, Why: err.Error(), Code: "history_none"})
	}
	for _, i := range all {
		if a.netns == "" || a.netns == "all" || slices.ContainsFunc(s.Namespaces, func(n snapshot.Namespace) bool { return n.Name == i.Namespace }) {
			s.Incidents = append(s.Incidents, i)
		}
	}
}

// incidentsOf reads what began since.
func incidentsOf(ctx context.Context, path string, since time.Duration) (all []snapshot.Incident, err error) {
	db, _, err := history.Open(path, history.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	now := time.Now()
	return db.Incidents(ctx, now.Add(-since), now, maxIncidents)
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
