package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man [COMMAND…]",
		Short: "Write a command's manual page, or all of them into a directory",
		Example: "  ctkeeper man doctor | man -l -\n" +
			"  ctkeeper man --dir /usr/local/share/man/man8",
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir != "" {
				return errors.Join(writeManPages(cmd.Root(), dir), writeReferencePages(dir))
			}
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("no command %q", strings.Join(args, " "))}
			}
			return manPage(a.out, target)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write a page for every command, and for configuration and metrics, into this directory")
	return cmd
}

// writeManPages writes ctkeeper.8 and a page for each subcommand.
func writeManPages(cmd *cobra.Command, dir string) error {
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".8"
	var page strings.Builder
	if err := manPage(&page, cmd); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(page.String()), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writeManPages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// manPage writes one command's page in man(7) macros.
func manPage(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 8 \"\" \"ctkeeper\" \"System Manager's Manual\"\n", strings.ToUpper(roff(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	if cmd.Long != "" {
		fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", paragraphs(cmd.Long))
	}
	manCommands(&b, cmd)
	manKeys(&b, cmd)
	manFlags(&b, "OPTIONS", cmd.NonInheritedFlags())
	manFlags(&b, "GLOBAL OPTIONS", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n%s\n", roff(exitStatus(cmd)))
	_, err := io.WriteString(w, b.String())
	return err
}

func manCommands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(sub.Use), roff(sub.Short))
		}
	}
}

// keysOf is the annotation that holds the keys of a command that has a view: a line a key, a tab before
// what it does.
const keysOf = "keys"

func manKeys(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Annotations[keysOf] == "" {
		return
	}
	b.WriteString(".SH KEYS\n")
	for line := range strings.Lines(cmd.Annotations[keysOf]) {
		key, does, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(key), roff(does))
	}
}

func manFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(short+"--"+f.Name+" "+value)), roff(usage))
	})
}

// exitStatus tells what a command's exit code means.
func exitStatus(cmd *cobra.Command) string {
	if isChecking(cmd) {
		return "0 ok, 1 warning, 2 critical, 3 unknown, usage or internal error."
	}
	return "0 done, 1 error, 2 usage."
}

// paragraphs turns blank lines into paragraph breaks.
func paragraphs(s string) string {
	return strings.ReplaceAll(roff(strings.TrimSpace(s)), "\n\n", "\n.PP\n")
}

// roff escapes what troff would take for a command.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
