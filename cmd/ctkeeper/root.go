package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// newRoot builds the command tree: one file per command.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "ctkeeper",
		Short:         "Keep the connection-tracking table from filling up",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.checkFormat()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&a.format, "format", "text", "text, json, jsonl or conntrack, where it applies")
	f.StringVar(&a.lang, "lang", "", "en or fr (default: LANG)")
	f.StringVar(&a.from, "from", "", "read a snapshot file or a directory with a host's proc, sys, etc and logs instead of this host")
	f.StringVar(&a.netns, "netns", "", "network namespace: name, path, pid, inode number or all")
	root.AddCommand(newDoctor(a), newExplain(a), newSettings(a), newPlan(a), newApply(a), newUndo(a), newSnapshot(a), newReplay(a), newFlows(a), newServe(a), newRecord(a), newDrill(a), newHistory(a), newVersion(a), newMan(a))
	return showStatus(a, root)
}

func (a *app) checkFormat() error {
	formats := []string{"text", "json", "jsonl", "conntrack", "sysctl"}
	if !slices.Contains(formats, a.format) {
		return usageError{fmt.Errorf("--format %s: not one of %v", a.format, formats)}
	}
	return nil
}

// noArgs refuses arguments as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}
