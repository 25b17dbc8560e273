package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/surface/wording"
)

const settingsLintLong = `Check sysctl files: values that the kernel refuses, keys that do not exist here, lines that
override each other, settings that come before their module. Without FILE, every file that
the boot reads. A FILE that no boot reads is judged as if a loader were given it by name.

--fix rewrites only what is certain, and keeps the old file beside it as FILE.ctkeeper-backup.

Exit code: 0 ok, 1 warning, 2 error, 3 unknown or internal error.`

func newSettingsLint(a *app) *cobra.Command {
	var fix bool
	cmd := checking(&cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Check sysctl files for what does not do what it says",
		Long:  settingsLintLong,
		Example: `  ctkeeper settings lint
  ctkeeper settings lint /etc/sysctl.conf --fix
  ctkeeper settings lint ./90-conntrack.conf --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.settingsLint(cmd, args, fix)
		},
	})
	cmd.Flags().BoolVar(&fix, "fix", false, "rewrite what is certain, with a backup")
	return cmd
}

// quick reads what the boot needs and no more.
func quick() collect.Options {
	return collect.Options{NoFlows: true, NoLog: true, NoLimits: true, Interval: -1}
}

func (a *app) settingsLint(cmd *cobra.Command, args []string, fix bool) error {
	s, err := a.snapshot(cmd.Context(), quick())
	if err != nil {
		return err
	}
	in := boot.FromSnapshot(s)
	only, err := lintFiles(&in, args)
	if err != nil {
		return err
	}
	if fix {
		if err := a.lintFix(&in, only); err != nil {
			return err
		}
	}
	problems := boot.Lint(in)
	if len(only) > 0 {
		problems = slices.DeleteFunc(problems, func(p boot.Problem) bool { return !slices.Contains(only, p.File) })
	}
	if err := a.printLint(problems); err != nil {
		return err
	}
	switch boot.Worst(problems) {
	case boot.Error:
		return statusError(2)
	case boot.Warning:
		return statusError(1)
	}
	return nil
}

// lintFiles reads the named files: those that the boot reads are judged among the others, else all are
// judged as given to a loader by name. It returns their names in the input.
func lintFiles(in *boot.Input, args []string) ([]string, error) {
	var only []string
	known := true
	for _, name := range args {
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		only = append(only, abs)
		known = known && slices.ContainsFunc(in.Files, func(f snapshot.File) bool { return f.Path == abs })
	}
	if known {
		return only, nil
	}
	in.Files, in.Alone = nil, args
	for _, name := range args {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read file to check: %w", err)
		}
		in.Files = append(in.Files, snapshot.File{Path: name, Content: append([]byte{}, content...)})
	}
	return args, nil
}

// lintFix rewrites the files that have a certain fix: each is backed up, then replaced whole.
func (a *app) lintFix(in *boot.Input, only []string) error {
	if a.from != "" && len(in.Alone) == 0 {
		return usageError{errors.New("--fix changes this host's files: not with --from")}
	}
	fixable := map[string]bool{}
	for _, p := range boot.Lint(*in) {
		fixable[p.File] = fixable[p.File] || p.Fix != nil
	}
	for i, f := range in.Files {
		if !fixable[f.Path] || f.Target != "" || len(only) > 0 && !slices.Contains(only, f.Path) {
			continue
		}
		fixed, n := boot.FixFile(*in, f.Path)
		if n == 0 || bytes.Equal(fixed, f.Content) {
			continue
		}
		backup, err := replaceFile(f.Path, f.Content, fixed)
		if err != nil {
			return err
		}
		in.Files[i].Content = fixed
		m := message.New("lint_fixed", "file", f.Path, "count", n, "backup", backup)
		fmt.Fprintln(a.err, wording.Say(a.language(), m))
	}
	return nil
}

// replaceFile writes a backup, then the file, each whole; it refuses when the file is no longer what was
// judged. Mode and owner stay.
func replaceFile(name string, old, fixed []byte) (backup string, err error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	var host hostfs.FS
	info, err := host.Stat(path)
	if err != nil {
		return "", err
	}
	now, err := host.ReadFile(path, 0)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(now, old) {
		return "", fmt.Errorf("fix %s: the file has changed meanwhile", path)
	}
	backup = path + ".ctkeeper-backup"
	for i := 2; ; i++ {
		if _, err := host.Lstat(backup); errors.Is(err, fs.ErrNotExist) {
			break
		}
		backup = fmt.Sprintf("%s.ctkeeper-backup-%d", path, i)
	}
	if err := host.WriteFile(backup, old, info.Mode().Perm()); err != nil {
		return "", err
	}
	return backup, host.WriteFile(path, fixed, info.Mode().Perm())
}

// lintDocument is the JSON form, schema ctkeeper.lint/1.
type lintDocument struct {
	Schema   string        `json:"schema"`
	Severity string        `json:"severity"`
	Problems []lintProblem `json:"problems"`
}

type lintProblem struct {
	boot.Problem
	Text    string     `json:"text"`
	Loaders lintLoader `json:"loaders,omitzero"`
}

type lintLoader struct {
	Systemd string `json:"systemd_sysctl,omitempty"`
	Procps  string `json:"procps,omitempty"`
}

func (a *app) printLint(problems []boot.Problem) error {
	lang := a.language()
	if a.format == "json" || a.format == "jsonl" {
		return a.printLintJSON(problems)
	}
	for _, p := range problems {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(p.Col, 1))
		}
		if _, err := fmt.Fprintf(a.out, "%s: %s: %s\n", place, p.Code, wording.Say(lang, p.Message)); err != nil {
			return err
		}
		if p.Severity == boot.Info || p.Systemd.IsZero() {
			continue
		}
		if _, err := fmt.Fprintf(a.out, "    systemd-sysctl: %s\n    procps: %s\n", wording.Say(lang, p.Systemd), wording.Say(lang, p.Procps)); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return nil
	}
	_, err := fmt.Fprintln(a.out, wording.Say(lang, message.New("lint_clean")))
	return err
}

func (a *app) printLintJSON(problems []boot.Problem) error {
	lang := a.jsonLanguage()
	doc := lintDocument{Schema: "ctkeeper.lint/1", Severity: "ok", Problems: []lintProblem{}}
	if w := boot.Worst(problems); w != "" {
		doc.Severity = string(w)
	}
	enc := json.NewEncoder(a.out)
	for _, p := range problems {
		lp := lintProblem{Problem: p, Text: wording.Say(lang, p.Message)}
		if !p.Systemd.IsZero() {
			lp.Loaders = lintLoader{wording.Say(lang, p.Systemd), wording.Say(lang, p.Procps)}
		}
		if a.format == "jsonl" {
			if err := enc.Encode(lp); err != nil {
				return err
			}
			continue
		}
		doc.Problems = append(doc.Problems, lp)
	}
	if a.format == "jsonl" {
		return nil
	}
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}
