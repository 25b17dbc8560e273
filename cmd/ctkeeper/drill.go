package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/drill"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/surface/wording"
)

const drillLong = `Rehearse a full table: in two throwaway network namespaces, fill a table to this machine's real max, show
what fails and how, what the counters, the kernel log and the doctor say, apply a cure there, and show that
connections pass again. The host's own table, settings, rules and files stay as they are; the namespaces
end with the command, however it ends. Refused where the memory does not allow it.

Exit code 0 when everything went as told, 1 when not.`

func newDrill(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "drill",
		Short:   "Rehearse a full table and the cure, in throwaway namespaces",
		Long:    drillLong,
		Example: "  ctkeeper drill\n  ctkeeper drill --format json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.drill(cmd.Context()) },
	}
}

// drillDocument is the JSON form, schema ctkeeper.drill/1.
type drillDocument struct {
	Schema  string  `json:"schema"`
	AsTold  bool    `json:"as_told"`
	Seconds float64 `json:"seconds"`
	drill.Report
}

func (a *app) drill(ctx context.Context) error {
	if a.from != "" || a.netns != "" {
		return usageError{errors.New("drill makes its own namespaces: neither --from nor --netns")}
	}
	steps := a.err
	if a.format != "json" {
		steps = a.out
	}
	r, err := drill.Run(ctx, func(s drill.Step) {
		fmt.Fprintln(steps, wording.Say(a.language(), message.New("drill_step_"+string(s))))
	})
	var res *drill.ResourceError
	switch {
	case errors.As(err, &res):
		return hintError{err, []string{a.hint("drill_smaller")}}
	case errors.Is(err, fs.ErrPermission):
		return hintError{err, []string{a.hint("drill_root")}}
	case err != nil:
		return err
	}
	if a.format == "json" {
		err = a.writeJSON(drillDocument{"ctkeeper.drill/1", r.AsTold(), r.Took.Seconds(), r})
	} else {
		a.drillText(r)
	}
	if err == nil && !r.AsTold() {
		return statusError(1)
	}
	return err
}

// drillText tells what was seen, in the order in which it happened.
func (a *app) drillText(r drill.Report) {
	say := func(code string, pairs ...any) {
		fmt.Fprintln(a.out, wording.Say(a.language(), message.New(code, pairs...)))
	}
	fmt.Fprintln(a.out)
	say("drill_table", "max", r.Max, "bytes", r.Memory)
	say("drill_before", "passed", r.Before.Made-r.Before.Failed, "made", r.Before.Made)
	say("drill_full", "failed", r.Full.Failed, "made", r.Full.Made, "error", r.Full.Error)
	say("drill_counters", "drop", r.Drop)
	switch {
	case r.LogLines == nil:
		say("drill_log_unread")
	case *r.LogLines > 0:
		say("drill_log", "lines", *r.LogLines)
		fmt.Fprintln(a.out, "   ", r.LogLine)
	case r.LogUnnamed > 0:
		say("drill_log_unnamed", "lines", r.LogUnnamed)
	default:
		say("drill_log_silent")
	}
	say("drill_doctor", "verdict", r.Verdict, "findings", strings.Join(r.Findings, ", "))
	say("drill_cure", "deleted", r.Deleted)
	say("drill_after", "passed", r.After.Made-r.After.Failed, "made", r.After.Made, "count", r.Count, "verdict", r.Cured)
	if r.AsTold() {
		say("drill_as_told", "seconds", r.Took.Seconds())
	} else {
		say("drill_not_as_told")
	}
}
