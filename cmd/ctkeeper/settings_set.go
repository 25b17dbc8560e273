package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/settings"
)

func newSettingsSet(a *app) *cobra.Command {
	var f applyFlags
	var persist bool
	cmd := &cobra.Command{
		Use:   "set NAME=VALUE…",
		Short: "Set values, read back; with --persist for the next boot too",
		Long: "Set running values: a plan of one step each, through `ctkeeper apply`, so it is verified by reading\n" +
			"back and `ctkeeper undo` takes it back. NAME is the short name, any sysctl spelling, or a glob.",
		Example: "  ctkeeper settings set tcp_timeout_established=86400 --persist\n  ctkeeper settings set 'udp_timeout*=60'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.from != "" {
				return usageError{errors.New("set changes this host: it takes no --from")}
			}
			o := plan.Options{Only: true, Force: f.force}
			for _, arg := range args {
				wishes, err := globWishes(arg)
				if err != nil {
					return usageError{err}
				}
				o.Wishes = append(o.Wishes, wishes...)
			}
			r, err := a.runner(f.stateDir)
			if err != nil {
				return err
			}
			if err := a.recover(cmd.Context(), r); err != nil {
				return err
			}
			s, err := a.snapshot(cmd.Context(), quick())
			if err != nil {
				return err
			}
			o.Wishes = existing(o.Wishes, s.Namespaces[0].Settings, args)
			p, err := a.makePlan(s, o)
			if err != nil {
				return err
			}
			f.runningOnly = !persist
			return a.applyPlan(cmd.Context(), r, p, &f)
		},
	}
	cmd.Flags().BoolVar(&persist, "persist", false, "write it for the next boot too")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.force, "force", false, "let a value stand that refuses new flows at once")
	cmd.Flags().StringVar(&f.stateDir, "state-dir", defaultStateDir, "where the journal is kept")
	return cmd
}

// globWishes reads NAME=VALUE where NAME may be a glob over settings that can be written.
func globWishes(arg string) ([]plan.Wish, error) {
	name, value, ok := strings.Cut(arg, "=")
	if !ok || !strings.ContainsAny(name, "*?[") {
		w, err := parseWish(arg)
		return []plan.Wish{w}, err
	}
	var all []plan.Wish
	for _, s := range settings.Match(name) {
		if s.ReadOnly || s.Other {
			continue
		}
		w, err := parseWish(s.Name + "=" + value)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no setting matches %q", name)
	}
	return all, nil
}

// existing drops what a glob found and this kernel lacks; what was named stays, to be answered.
func existing[V any](wishes []plan.Wish, have map[string]V, args []string) []plan.Wish {
	globbed := false
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		globbed = globbed || strings.ContainsAny(name, "*?[")
	}
	if !globbed {
		return wishes
	}
	var kept []plan.Wish
	for _, w := range wishes {
		if _, ok := have[w.Setting]; ok {
			kept = append(kept, w)
		}
	}
	return kept
}
