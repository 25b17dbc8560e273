package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

func newUndo(a *app) *cobra.Command {
	var yes bool
	var stateDir string
	cmd := &cobra.Command{
		Use:   "undo [ID]",
		Short: "Take back the last apply, or the one named",
		Long: "Take back the last apply, or the one with the ID: running values, and the bytes and modes of every\n" +
			"file. What somebody else has changed since is left alone and named.",
		Example: "  ctkeeper undo\n  ctkeeper undo 20261123T211530Z --yes",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return a.undo(cmd.Context(), stateDir, id, yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&stateDir, "state-dir", defaultStateDir, "where the journal is kept")
	return cmd
}

func (a *app) undo(ctx context.Context, stateDir, id string, yes bool) error {
	r, err := a.runner(stateDir)
	if err != nil {
		return err
	}
	if err := a.recover(ctx, r); err != nil {
		return err
	}
	e, err := r.Peek(id)
	if err != nil {
		return err
	}
	if a.format == "text" {
		if err := a.showUndo(e); err != nil {
			return err
		}
	}
	if ok, err := a.agreed(yes, "undo_ask"); !ok || err != nil {
		return err
	}
	e, err = r.Undo(ctx, e.ID)
	if err != nil {
		return a.applyError(err)
	}
	if a.format == "json" {
		err := a.writeJSON(e)
		if len(e.Unreached) > 0 {
			err = errors.Join(err, statusError(1))
		}
		return err
	}
	if len(e.Left)+len(e.Unreached) > 0 {
		a.sayLeft(e)
		if len(e.Unreached) > 0 {
			return statusError(1)
		}
		return nil
	}
	return a.sayln("undo_done", "id", e.ID)
}

func (a *app) showUndo(e apply.Entry) error {
	p := &page{lang: a.language()}
	p.line("undo_title", "id", e.ID, "at", e.At.Format("2006-01-02 15:04:05 MST"), "who", e.Who)
	for _, c := range e.Settings {
		p.wrap("  ", "    ", wording.Say(p.lang, message.New("undo_set", "key", c.Key, "to", fmt.Sprint(c.To), "from", fmt.Sprint(c.From))))
	}
	for _, c := range e.Files {
		code := "undo_file"
		if c.Created {
			code = "undo_remove"
		}
		p.wrap("  ", "    ", wording.Say(p.lang, message.New(code, "file", c.Path)))
	}
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

// line writes one sentence as a paragraph of its own.
func (p *page) line(code string, pairs ...any) {
	p.wrap("", "  ", wording.Say(p.lang, message.New(code, pairs...)))
}

// text is a message in the page's language.
func (p *page) text(m message.Message) string { return wording.Say(p.lang, m) }
