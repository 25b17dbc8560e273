package main

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/surface/wording"
)

// historyFlags are the command's flags.
type historyFlags struct {
	stateDir, since string
	incidents       bool
	limit           int
}

func newHistory(a *app) *cobra.Command {
	var o historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "What the daemon kept: samples and incidents",
		Example: `  ctkeeper history --since 24h
  ctkeeper history --incidents --since 30d --format json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.history(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.stateDir, "state-dir", defaultServeConfig().StateDir, "`DIR` of the history")
	f.StringVar(&o.since, "since", "1h", "how far back: a `DURATION` such as 90m, 24h or 30d")
	f.BoolVar(&o.incidents, "incidents", false, "incidents instead of samples")
	f.IntVar(&o.limit, "limit", 60, "`N` samples or incidents at most")
	return cmd
}

// historyDocument is the JSON form, schema ctkeeper.history/1.
type historyDocument struct {
	Schema    string              `json:"schema"`
	Namespace string              `json:"namespace,omitempty"`
	Step      float64             `json:"step,omitempty"`
	Samples   []snapshot.Sample   `json:"samples,omitempty"`
	Incidents []snapshot.Incident `json:"incidents,omitempty"`
}

func (a *app) history(cmd *cobra.Command, o historyFlags) error {
	since, err := parseSince(o.since)
	if err != nil {
		return usageError{fmt.Errorf("--since %w", err)}
	}
	path := filepath.Join(o.stateDir, "history.db")
	db, _, err := history.Open(path, history.Options{ReadOnly: true})
	if err != nil {
		return hintError{err, []string{a.hint("history_none")}}
	}
	defer func() { _ = db.Close() }() // it was only read
	doc := historyDocument{Schema: "ctkeeper.history/1"}
	now := time.Now()
	if o.incidents {
		doc.Incidents, err = db.Incidents(cmd.Context(), now.Add(-since), now, max(o.limit, 1))
	} else {
		doc.Namespace = a.netns
		if doc.Namespace == "" {
			doc.Namespace = "host"
		}
		doc.Samples, err = db.Samples(cmd.Context(), doc.Namespace, now.Add(-since), now, max(o.limit, 1))
	}
	if err != nil {
		return err
	}
	if len(doc.Samples) > 0 {
		doc.Step = doc.Samples[0].Step.Seconds()
	}
	if a.format == "json" {
		return a.writeJSON(doc)
	}
	return a.historyText(doc, o.incidents)
}

func (a *app) historyText(doc historyDocument, incidents bool) error {
	say := func(code string, pairs ...any) string { return wording.Say(a.language(), message.New(code, pairs...)) }
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if incidents {
		if len(doc.Incidents) == 0 {
			fmt.Fprintln(w, say("history_no_incidents"))
		}
		for _, i := range doc.Incidents {
			lasted := say("history_ongoing")
			if !i.Ended.IsZero() {
				lasted = wording.Duration(a.language(), int64(i.Ended.Sub(i.Began).Seconds()))
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", i.Began.Local().Format(time.DateTime), i.Namespace, lasted,
				say("history_incident", "refused", i.Refused, "evicted", i.EarlyDrops, "peak", i.Peak, "max", i.Max))
			for _, c := range i.Changes {
				fmt.Fprintf(w, "\t\t\t%s\n", say(changeCode(c), "at", c.At.Local().Format(time.TimeOnly), "setting", c.Setting, "from", c.From, "value", c.To, "by", c.By))
			}
		}
		return w.Flush()
	}
	fmt.Fprintln(w, say("history_head"))
	for _, s := range doc.Samples {
		held := "–"
		if s.Held != nil {
			held = say("replay_count", "n", *s.Held)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.At.Local().Format(time.DateTime), say("replay_count", "n", s.Peak), held, say("replay_count", "n", s.Max),
			say("replay_count", "n", s.Rises.Refused), say("replay_count", "n", s.Rises.EarlyDrop))
	}
	return w.Flush()
}

// changeCode is the sentence for what was done to a setting during an incident.
func changeCode(c snapshot.Changed) string {
	if c.By == "" {
		return "ev_incident_change"
	}
	return "ev_incident_change_by"
}

// parseSince reads a duration, with d for days.
func parseSince(text string) (time.Duration, error) {
	if n := len(text); n > 1 && text[n-1] == 'd' {
		days, err := time.ParseDuration(text[:n-1] + "h")
		if err != nil || days < 0 {
			return 0, fmt.Errorf("%q: no duration", text)
		}
		return 24 * days, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: no duration", text)
	}
	return d, nil
}
