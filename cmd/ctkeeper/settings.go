package main

import "github.com/spf13/cobra"

func newSettings(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Every conntrack setting: show, set, check the files, foretell the next boot",
	}
	cmd.AddCommand(newSettingsList(a), newSettingsGet(a), newSettingsSet(a), newSettingsLint(a), newSettingsBoot(a))
	return cmd
}
