package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

const settingsBootLong = `Foretell each setting after the next boot, under systemd-sysctl and under procps
(sysctl --system): the value, and the file and line that decides. When the module is loaded
counts too. Then, which other programs set it later, and where to change it there.

Settings that stay at their default now and then are left out, unless --all.`

func newSettingsBoot(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "boot",
		Short: "Foretell each setting after the next boot, and what decides it",
		Long:  settingsBootLong,
		Example: `  ctkeeper settings boot
  ctkeeper settings boot --all --format json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.snapshot(cmd.Context(), quick())
			if err != nil {
				return err
			}
			p := boot.Predict(boot.FromSnapshot(s))
			if a.format == "json" || a.format == "jsonl" {
				return a.bootJSON(p)
			}
			return a.bootText(p, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show settings that stay at their default too")
	return cmd
}

// bootDocument is the JSON form, schema ctkeeper.boot/1.
type bootDocument struct {
	Schema string `json:"schema"`
	boot.Prediction
}

func (a *app) bootJSON(p boot.Prediction) error {
	enc := json.NewEncoder(a.out)
	if a.format == "jsonl" {
		for _, f := range p.Settings {
			if err := enc.Encode(f); err != nil {
				return err
			}
		}
		return nil
	}
	enc.SetIndent("", "  ")
	return enc.Encode(bootDocument{"ctkeeper.boot/1", p})
}

func (a *app) bootText(p boot.Prediction, all bool) error {
	lang := a.language()
	say := func(code string, pairs ...any) string { return wording.Say(lang, message.New(code, pairs...)) }
	by := ""
	if p.Module.By != nil {
		by = boot.Place(*p.Module.By)
	}
	fmt.Fprintln(a.out, say("boot_module_"+string(p.Module.When), "by", by))
	if p.Module.Udev != nil {
		fmt.Fprintln(a.out, say("boot_module_udev", "rule", boot.Place(*p.Module.Udev)))
	}
	fmt.Fprintln(a.out)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\tsystemd-sysctl\tsysctl --system\t%s\n", say("boot_head_setting"), say("boot_head_running"), say("boot_head_decides"))
	for _, f := range p.Settings {
		if all || interesting(f) {
			bootRow(w, say, f)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return a.bootNotes(p, say)
}

// interesting leaves out what is at its default now and then.
func interesting(f boot.Forecast) bool {
	return f.Systemd.Source != boot.SourceDefault || f.Procps.Source != boot.SourceDefault || len(f.Systemd.Seen)+len(f.Procps.Seen)+len(f.Writers) > 0 ||
		f.Running != nil && f.Systemd.Value != nil && *f.Running != *f.Systemd.Value || f.Name == "max" || f.Name == "buckets"
}

func bootRow(w io.Writer, say func(string, ...any) string, f boot.Forecast) {
	decides := decidedBy(say, f.Systemd)
	if p := decidedBy(say, f.Procps); p != decides {
		decides = fmt.Sprintf("systemd-sysctl: %s; procps: %s", decides, p)
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.Name, figure(f.Running), figure(f.Systemd.Value), figure(f.Procps.Value), decides)
}

func figure(v *int64) string {
	if v == nil {
		return "?"
	}
	return fmt.Sprint(*v)
}

func decidedBy(say func(string, ...any) string, o boot.Outcome) string {
	place := ""
	if o.At != nil {
		place = boot.Place(*o.At)
	}
	return say("boot_source_"+string(o.Source), "at", place)
}

// bootNotes lists the lines that come to nothing, and who sets a value later.
func (a *app) bootNotes(p boot.Prediction, say func(string, ...any) string) error {
	for _, f := range p.Settings {
		shown := map[string]bool{}
		for _, loader := range boot.Loaders() {
			for _, s := range f.Outcome(loader).Seen {
				line := say("boot_seen_"+string(s.Fate), "at", boot.Place(s.At), "key", s.Key, "value", s.Value, "loader", string(loader))
				if !shown[line] {
					fmt.Fprintln(a.out, line)
				}
				shown[line] = true
			}
		}
	}
	for _, o := range p.Writers {
		value, at := "?", ""
		if o.Value != nil {
			value = fmt.Sprint(*o.Value)
		}
		if o.At != nil {
			at = boot.Place(*o.At)
		}
		code := "boot_writer"
		switch {
		case o.Setting == "*":
			code = "boot_writer_all"
		case at != "":
			code = "boot_writer_at"
		}
		if _, err := fmt.Fprintln(a.out, say(code, "program", o.Program, "setting", o.Setting, "value", value, "at", at, "where", wording.Say(a.language(), o.Where))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.out, "\n%s\n", say("boot_scope"))
	return err
}
