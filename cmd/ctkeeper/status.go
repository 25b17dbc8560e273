package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/surface/wording"
)

const statusLong = `Keep the connection-tracking table from filling up.

Alone, ctkeeper shows the state of this host in one screen: how full each table is and how much of
that the kernel can reclaim, refused packets, who fills it, the settings that matter, and what to
type next.`

// showStatus makes a command, the root, show the state of the host when it is run alone.
func showStatus(a *app, cmd *cobra.Command) *cobra.Command {
	cmd.Long = statusLong
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		delete(cmd.Annotations, "exit") // a mistyped command has no verdict
		return a.unknownCommand(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.format != "text" && a.format != "json" {
			return usageError{fmt.Errorf("ctkeeper --format %s: text or json", a.format)}
		}
		return a.status(cmd.Context())
	}
	return checking(cmd)
}

func (a *app) unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	err := usageError{fmt.Errorf("unknown command %q", name)}
	var hints []string
	for _, s := range cmd.SuggestionsFor(name) {
		hints = append(hints, "ctkeeper "+s)
	}
	return hintError{err, hints}
}

// status takes a snapshot, prints it, and answers with its severity.
func (a *app) status(ctx context.Context) error {
	s, err := a.snapshot(ctx, collect.Options{Tracking: true})
	if err != nil {
		return err
	}
	if a.netns != "" && a.netns != "all" {
		s.Log.Groups = logOf(s)
	}
	report := diagnose.Diagnose(s)
	if a.format == "json" {
		err = a.writeJSON(a.statusDocument(s, report))
	} else {
		err = a.statusText(s, report)
	}
	if err != nil {
		return err
	}
	if code := report.Severity.ExitCode(); code != 0 {
		return statusError(code)
	}
	return nil
}

// topSources is how many sources are named for each table.
const topSources = 3

// statusDocument is the JSON form, schema ctkeeper.status/1.
type statusDocument struct {
	Schema     string               `json:"schema"`
	Verdict    string               `json:"verdict"`
	Text       string               `json:"text"`
	Severity   diagnose.Severity    `json:"severity"`
	Confidence float64              `json:"confidence"`
	Host       statusHost           `json:"host"`
	Module     snapshot.ModuleState `json:"module,omitempty"`
	Namespaces []statusTable        `json:"namespaces"`
	Findings   []statusFinding      `json:"findings"`
	Settings   []statusSetting      `json:"settings"`
	Next       []statusNext         `json:"next"`
	Missing    []missingDocument    `json:"missing"`
}

type statusHost struct {
	Name         string `json:"name,omitempty"`
	Kernel       string `json:"kernel,omitempty"`
	Uptime       int64  `json:"uptime,omitempty"`
	CPUs         int    `json:"cpus,omitempty"`
	MemTotal     uint64 `json:"mem_total,omitempty"`
	MemAvailable uint64 `json:"mem_available,omitempty"`
}

// statusTable is one table in figures, and who fills it.
type statusTable struct {
	diagnose.Namespace
	Flows   *uint64    `json:"flows,omitempty"` // as many as were read, of which the sources are shares
	Sources []rank.Row `json:"src,omitempty"`
}

// statusFinding is a finding above ok; doctor has its evidence.
type statusFinding struct {
	Code      string            `json:"code"`
	Severity  diagnose.Severity `json:"severity"`
	Namespace string            `json:"namespace,omitempty"`
	Text      string            `json:"text"`
}

type statusSetting struct {
	Name    string `json:"name"`
	Value   int64  `json:"value"`
	Default *int64 `json:"default,omitempty"`
	Differs bool   `json:"differs"`
	Unit    string `json:"unit"`
	setting settings.Setting
}

type statusNext struct {
	Command string `json:"command"`
	Text    string `json:"text"`
	code    string
}

func (a *app) statusDocument(s snapshot.Snapshot, r diagnose.Report) statusDocument {
	lang := a.jsonLanguage()
	h := s.Host
	d := statusDocument{
		Schema: "ctkeeper.status/1", Verdict: r.Verdict, Text: wording.Say(lang, r.Text), Severity: r.Severity, Confidence: r.Confidence,
		Host:   statusHost{h.Name, h.Kernel, h.Uptime, h.CPUs, h.MemTotal, h.MemAvailable},
		Module: s.Module.State, Namespaces: statusTables(s, r), Findings: []statusFinding{},
		Settings: statusSettings(s), Next: a.next(lang, s, r), Missing: []missingDocument{},
	}
	for _, f := range r.Findings {
		if f.Severity != diagnose.OK {
			text := wording.Say(lang, message.New("finding_"+f.Code))
			d.Findings = append(d.Findings, statusFinding{f.Code, f.Severity, f.Namespace, text})
		}
	}
	for _, m := range r.Missing {
		d.Missing = append(d.Missing, missingDocument{m.Source, m.Why, missingHint(lang, m)})
	}
	return d
}

// statusTables joins each table's figures with its top sources, the fullest first.
func statusTables(s snapshot.Snapshot, r diagnose.Report) []statusTable {
	tables := []statusTable{}
	for i, n := range r.Namespaces {
		t := statusTable{Namespace: n}
		if i < len(s.Namespaces) && s.Namespaces[i].Flows != nil {
			f := s.Namespaces[i].Flows.Summary
			t.Flows = &f.Total
			t.Sources = f.Source[:min(topSources, len(f.Source))]
		}
		tables = append(tables, t)
	}
	slices.SortStableFunc(tables, func(a, b statusTable) int {
		return int(fullness(b)*1e6) - int(fullness(a)*1e6)
	})
	return tables
}

// fullness sorts tables; one whose occupancy is not known comes last.
func fullness(t statusTable) float64 {
	if t.Occupancy == nil {
		return -1
	}
	return *t.Occupancy
}

// statusSettings are the ones that decide whether a table fills up, where they are known.
func statusSettings(s snapshot.Snapshot) []statusSetting {
	list := []statusSetting{}
	if len(s.Namespaces) == 0 {
		return list
	}
	kernel := boot.FromSnapshot(s).Kernel
	for _, name := range []string{"max", "buckets", "tcp_timeout_established", "tcp_timeout_time_wait", "udp_timeout", "udp_timeout_stream"} {
		v, known := s.Namespaces[0].Setting(name)
		st, ok := settings.Lookup(name)
		if !known || !ok {
			continue
		}
		row := statusSetting{Name: name, Value: v, Unit: string(st.Unit), setting: st}
		if d, ok := st.Default(kernel, s.Host.MemTotal); ok {
			row.Default, row.Differs = &d, d != v
		}
		list = append(list, row)
	}
	return list
}

// next is what to type next: evidence first when something is wrong, rights when something is not known.
func (a *app) next(lang wording.Lang, s snapshot.Snapshot, r diagnose.Report) []statusNext {
	codes := []string{"doctor", "settings list", "settings boot"}
	switch r.Severity {
	case diagnose.Warning, diagnose.Critical:
		codes = []string{"doctor", "plan", "settings list"}
	case diagnose.Unknown:
		codes = []string{"doctor"}
	}
	var list []statusNext
	if s.Source.Live && s.Source.UID != 0 {
		list = append(list, statusNext{Command: "sudo ctkeeper" + a.where(), code: "status_next_root"})
	}
	for _, c := range codes {
		list = append(list, statusNext{Command: "ctkeeper " + c + a.where(), code: "status_next_" + strings.ReplaceAll(c, " ", "_")})
	}
	for i := range list {
		list[i].Text = wording.Say(lang, message.New(list[i].code))
	}
	return list
}

// where repeats the flags that chose what was looked at.
func (a *app) where() string {
	var flags string
	if a.from != "" {
		flags += " --from " + shellWord(a.from)
	}
	if a.netns != "" {
		flags += " --netns " + shellWord(a.netns)
	}
	return flags
}

// shellWord writes a word so that a shell reads it back as one.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:+@%,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
