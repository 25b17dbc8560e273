package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// settingRow is one setting as it is listed, and its JSON form.
type settingRow struct {
	Name     string   `json:"name"`
	Key      string   `json:"key"`
	Keys     []string `json:"keys"` // every name that any kernel has for it
	Value    *int64   `json:"value,omitempty"`
	Text     string   `json:"text"`
	Unit     string   `json:"unit"`
	Default  *int64   `json:"default,omitempty"`
	Differs  bool     `json:"differs"`
	Scope    string   `json:"scope"`
	Writable bool     `json:"writable"`
	By       string   `json:"set_by"`
	File     string   `json:"file,omitempty"` // the file and line that decided it
	Effect   spoken   `json:"effect"`
	Advice   spoken   `json:"advice"`
	Boot     *atBoot  `json:"boot,omitempty"` // of the machine's first namespace
	setting  settings.Setting
}

// atBoot is a setting after the next boot, by loader.
type atBoot struct {
	Systemd bootValue `json:"systemd"`
	Procps  bootValue `json:"procps"`
	// Writers are programs that set it later.
	Writers []string `json:"overwritten_by,omitempty"`
}

// bootValue is what one loader makes of it, and the file and line that decides.
type bootValue struct {
	Value  *int64 `json:"value,omitempty"`
	Source string `json:"source"`
	File   string `json:"file,omitempty"`
}

func bootValueOf(o boot.Outcome) bootValue {
	v := bootValue{Value: o.Value, Source: string(o.Source)}
	if o.At != nil {
		v.File = fmt.Sprintf("%s:%d", o.At.File, o.At.Line)
	}
	return v
}

func newSettingsList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list [GLOB…]",
		Short: "Every setting: value, default on this kernel, unit, who set it",
		Example: "  ctkeeper settings list\n  ctkeeper settings list 'tcp_timeout_*' --netns web\n" +
			"  ctkeeper settings list --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, rows, err := a.settingRows(cmd, args)
			if err != nil {
				return err
			}
			if a.format == "json" || a.format == "jsonl" {
				return a.settingsJSON(s, rows)
			}
			return a.settingsText(s, rows)
		},
	}
}

func newSettingsGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME|GLOB…",
		Short: "The value of a setting, by any of its names",
		Example: "  ctkeeper settings get max\n  ctkeeper settings get net.ipv4.netfilter.ip_conntrack_max\n" +
			"  ctkeeper settings get 'udp_timeout*'",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, rows, err := a.settingRows(cmd, args)
			if err != nil {
				return err
			}
			if a.format == "json" || a.format == "jsonl" {
				return a.settingsJSON(s, rows)
			}
			if len(rows) == 1 && len(args) == 1 && rows[0].Name == args[0] {
				_, err = fmt.Fprintln(a.out, rows[0].Text)
				return err
			}
			for _, r := range rows {
				if _, err := fmt.Fprintf(a.out, "%s = %s\n", r.Key, r.Text); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// settingRows reads the namespace's settings that the arguments name, all without arguments.
func (a *app) settingRows(cmd *cobra.Command, args []string) (snapshot.Snapshot, []settingRow, error) {
	s, err := a.snapshot(cmd.Context(), quick())
	if err != nil {
		return s, nil, err
	}
	rows, err := a.rowsOf(s, args)
	return s, rows, err
}

// rowsOf are the rows of a snapshot's first namespace.
func (a *app) rowsOf(s snapshot.Snapshot, args []string) ([]settingRow, error) {
	if len(s.Namespaces) == 0 {
		return nil, fmt.Errorf("no network namespace could be read")
	}
	chosen, err := a.chosenSettings(s.Namespaces[0], args)
	if err != nil {
		return nil, err
	}
	in := boot.FromSnapshot(s)
	prediction := boot.Predict(in)
	var rows []settingRow
	for _, st := range chosen {
		rows = append(rows, a.settingRow(st, s, in, prediction))
	}
	return rows, nil
}

// chosenSettings are those that exist here; one that was named and does not is an error with its twin.
func (a *app) chosenSettings(n snapshot.Namespace, args []string) ([]settings.Setting, error) {
	var chosen []settings.Setting
	seen := map[string]bool{}
	add := func(s settings.Setting) {
		if _, ok := n.Settings[s.Name]; ok && !seen[s.Name] {
			seen[s.Name] = true
			chosen = append(chosen, s)
		}
	}
	for _, arg := range args {
		if s, key, ok := settings.LookupKey(arg); ok {
			if _, here := n.Settings[s.Name]; !here {
				return nil, a.absent(s, key)
			}
			add(s)
			continue
		}
		found := settings.Match(arg)
		if len(found) == 0 {
			return nil, unknownSetting(arg)
		}
		for _, s := range found {
			add(s)
		}
	}
	if len(args) == 0 {
		for _, s := range settings.All() {
			add(s)
		}
	}
	return chosen, nil
}

// absent is the answer for a setting that this kernel does not have.
func (a *app) absent(s settings.Setting, key settings.Key) error {
	err := fmt.Errorf("this kernel has no setting %s (%s)", s.Name, key.Name)
	if twin, ok := settings.Twin(key.Name); ok {
		return hintError{err, []string{a.hint("settings_twin", "key", key.Name, "twin", twin.Name)}}
	}
	return err
}

func (a *app) settingRow(st settings.Setting, s snapshot.Snapshot, in boot.Input, p boot.Prediction) settingRow {
	n := s.Namespaces[0]
	v := n.Settings[st.Name]
	lang := a.jsonLanguage()
	r := settingRow{
		Name: st.Name, Key: v.Key, Value: v.Int, Text: v.Text, Unit: string(st.Unit), Scope: string(st.Scope), setting: st,
		Writable: !st.ReadOnly && v.Mode&0o222 != 0, By: "default",
		Effect: speak(lang, message.New(string(st.Effect))), Advice: speak(lang, message.New(st.Advice)),
	}
	for _, k := range st.Keys {
		r.Keys = append(r.Keys, k.Name)
	}
	if d, ok := st.Default(in.Kernel, s.Host.MemTotal); ok {
		r.Default = &d
		r.Differs = v.Int != nil && *v.Int != d
	}
	if n.Initial || !n.Present && st.Scope == settings.Machine {
		r.setBy(p)
	} else if r.Differs {
		r.By = "run_time"
	}
	return r
}

// setBy tells who set a value: what decides at boot, if that is what runs; else somebody since.
func (r *settingRow) setBy(p boot.Prediction) {
	f, ok := p.Setting(r.Name)
	if !ok || r.Value == nil {
		return
	}
	r.Boot = &atBoot{Systemd: bootValueOf(f.Systemd), Procps: bootValueOf(f.Procps)}
	for _, w := range f.Writers {
		r.Boot.Writers = append(r.Boot.Writers, w.Program)
	}
	for _, o := range []boot.Outcome{f.Systemd, f.Procps} {
		if o.Value == nil || *o.Value != *r.Value {
			continue
		}
		r.By = string(o.Source)
		if o.At != nil {
			r.File = fmt.Sprintf("%s:%d", o.At.File, o.At.Line)
		}
		if o.Source != boot.SourceDefault {
			return
		}
	}
	if r.By == "default" && r.Differs {
		r.By = "run_time"
	}
}

// settingsDocument is the JSON form, schema ctkeeper.settings/1.
type settingsDocument struct {
	Schema    string       `json:"schema"`
	Kernel    string       `json:"kernel,omitempty"`
	Namespace string       `json:"namespace"`
	Settings  []settingRow `json:"settings"`
}

func (a *app) settingsJSON(s snapshot.Snapshot, rows []settingRow) error {
	if a.format == "json" {
		return a.writeJSON(settingsDocument{"ctkeeper.settings/1", s.Host.Kernel, s.Namespaces[0].Name, rows})
	}
	enc := json.NewEncoder(a.out)
	for _, r := range rows {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) settingsText(s snapshot.Snapshot, rows []settingRow) error {
	p := &page{lang: a.language()}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", p.say("settings_head_name"), p.say("settings_head_value"), p.say("settings_head_default"),
		p.say("settings_head_scope"), p.say("settings_head_by"))
	for _, r := range rows {
		mark := " "
		if r.Differs {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", mark, r.Name, r.shown(p, r.Value), r.shown(p, r.Default), p.say("settings_"+r.Scope), r.by(p))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	p.WriteString("\n")
	p.line("settings_differs")
	if n := s.Namespaces[0]; !n.Initial {
		p.line("settings_elsewhere", "namespace", n.Name)
	}
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

func (r settingRow) shown(p *page, v *int64) string {
	if v == nil {
		return "-"
	}
	return p.quantity(r.setting, *v)
}

func (r settingRow) by(p *page) string {
	switch {
	case r.setting.ReadOnly:
		return "-"
	case r.File != "":
		return r.File
	case r.By == string(boot.SourceParameter):
		return p.say("settings_by_parameter")
	}
	return wording.Say(p.lang, message.New("settings_by_"+r.By))
}
