// Command ctkeeper keeps a Linux machine's connection-tracking table from filling up.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ctkeeper/internal/host/confine"
	"ctkeeper/internal/surface/wording"
)

func main() {
	_ = confine.GiveBack() // where it fails, more memory is resident
	os.Exit(run(os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// streams are the program's three files, so that tests can give their own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run executes one command line and returns the exit code.
func run(args []string, s streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{streams: s}
	root := newRoot(a)
	root.SetArgs(joinAddresses(args))
	cmd, err := root.ExecuteContextC(ctx)
	return exitCode(a, cmd, err)
}

// statusError is the answer of a command whose exit code says more than done or failed; it prints nothing.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// hintError carries what would help, printed as hint: lines below the error.
type hintError struct {
	err   error
	hints []string
}

func (e hintError) Error() string { return e.err.Error() }
func (e hintError) Unwrap() error { return e.err }

// exitCode prints the error, if any, and turns its class into the exit code of design.md's contract.
func exitCode(a *app, cmd *cobra.Command, err error) int {
	var status statusError
	if err == nil {
		return 0
	}
	if errors.As(err, &status) {
		return int(status)
	}
	fmt.Fprintln(a.err, "error:", err)
	var hint hintError
	if errors.As(err, &hint) {
		for _, h := range hint.hints {
			fmt.Fprintln(a.err, "hint:", h)
		}
	}
	var usage usageError
	switch {
	case isChecking(cmd):
		return 3
	case errors.As(err, &usage):
		fmt.Fprintf(a.err, "hint: %s --help\n", cmd.CommandPath())
		return 2
	}
	return 1
}

// isChecking reports whether a command's exit code is a verdict (0 ok, 1 warning, 2 critical, 3 unknown).
func isChecking(cmd *cobra.Command) bool {
	return cmd != nil && cmd.Annotations["exit"] == "verdict"
}

// checking marks a command as one whose exit code is a verdict.
func checking(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations["exit"] = "verdict"
	return cmd
}

// app is what all commands share: the streams and the global flags.
type app struct {
	streams
	format string // --format
	lang   string // --lang
	from   string // --from
	netns  string // --netns
}

// language is the one that people asked for: --lang, else the environment.
func (a *app) language() wording.Lang {
	for _, s := range []string{a.lang, os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")} {
		if s != "" {
			return wording.ParseLang(s)
		}
	}
	return wording.English
}

// jsonLanguage is the language of text inside JSON: English unless --lang says otherwise.
func (a *app) jsonLanguage() wording.Lang {
	if a.lang != "" {
		return wording.ParseLang(a.lang)
	}
	return wording.English
}
