package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/netns"
)

// maxPlan bounds a plan file.
const maxPlan = 4 << 20

const applyLong = `Carry out a plan as one transaction: the one in FILE, the one that ` + "`ctkeeper plan`" + ` would make
now, or with --set your own values alone. Running values are set in an order that is never worse
half-way and read back; a drop-in is written that wins at boot under systemd-sysctl and under procps;
lines elsewhere that say otherwise are commented out; then the next boot is simulated and must come
to the same values. A failure puts everything back. Nothing restarts the network.

With --confirm-within the files wait: unless ` + "`ctkeeper apply --confirm`" + ` comes in time, everything is
put back, even if the terminal dies or this process is killed: a second one watches over it.`

// applyFlags are those of apply beside the plan's.
type applyFlags struct {
	planFlags
	yes, confirm, keepConflicts, runningOnly bool
	watching                                 bool
	within                                   time.Duration
	stateDir                                 string
}

const defaultStateDir = "/var/lib/ctkeeper"

func newApply(a *app) *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [PLAN.json]",
		Short: "Do it: running values and the next boot, verified and undoable",
		Long:  applyLong,
		Example: `  ctkeeper apply
  ctkeeper apply plan.json --yes
  ctkeeper apply --set max=524288 --set buckets=524288
  ctkeeper apply --confirm-within 60s      # and from another terminal: ctkeeper apply --confirm`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.from != "" {
				return usageError{errors.New("apply changes this host: it takes no --from")}
			}
			if cmd.Flags().Changed("confirm-within") && f.within <= 0 {
				return usageError{fmt.Errorf("--confirm-within %s: the time must be more than none", f.within)}
			}
			if f.watching {
				return a.watchOver(cmd.Context(), &f)
			}
			if f.confirm {
				return a.confirm(cmd.Context(), &f)
			}
			return a.apply(cmd.Context(), &f, args)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&f.confirm, "confirm", false, "keep what an apply with --confirm-within has set")
	cmd.Flags().DurationVar(&f.within, "confirm-within", 0, "put everything back unless --confirm comes within this `TIME`")
	cmd.Flags().BoolVar(&f.keepConflicts, "keep-conflicts", false, "leave lines elsewhere that say otherwise, and report them")
	cmd.Flags().BoolVar(&f.runningOnly, "running-only", false, "set the running values and write no file")
	cmd.Flags().StringVar(&f.stateDir, "state-dir", defaultStateDir, "where the journal is kept")
	cmd.Flags().BoolVar(&f.watching, watchFlag, false, "put back what nobody confirms: the second process of --confirm-within")
	_ = cmd.Flags().MarkHidden(watchFlag) // fails for an unknown flag only
	return cmd
}

// runner makes the transaction's hands.
func (a *app) runner(stateDir string) (*apply.Runner, error) {
	dir, err := filepath.Abs(stateDir)
	if err != nil {
		return nil, err
	}
	bootID, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // "" is the same boot all the same
	return &apply.Runner{
		FS: hostfs.FS{}, Netns: elsewhere{}, StateDir: dir, LockPath: filepath.Join(dir, "lock"), Now: time.Now,
		BootID: strings.TrimSpace(string(bootID)), Who: who(), Command: strings.Join(os.Args, " "),
		Boot: apply.InputFrom(func(ctx context.Context) (snapshot.Snapshot, error) { return collect.Live(ctx, quick()) }),
	}, nil
}

// who is the user behind the command, sudo's caller included.
func who() string {
	name := fmt.Sprint("uid ", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if s := os.Getenv("SUDO_USER"); s != "" {
		name += " (sudo by " + s + ")"
	}
	return name
}

// elsewhere reaches the machine's network namespaces.
type elsewhere struct{}

func (elsewhere) Settings(path string) apply.Settings { return namespace{path} }

func (elsewhere) Inode(path string) (uint64, error) {
	if path == "" {
		path = "/proc/self/ns/net"
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("look at %s: no inode", path)
	}
	return st.Ino, nil
}

// namespace reads and writes settings in the network namespace at path.
type namespace struct{ path string }

func (e namespace) ReadFile(name string, limit int64) (data []byte, err error) {
	err = netns.Do(e.path, func() error {
		data, err = hostfs.FS{}.ReadFile(name, limit)
		return err
	})
	return data, err
}

func (e namespace) WriteSysctl(name, value string) error {
	return netns.Do(e.path, func() error { return hostfs.FS{}.WriteSysctl(name, value) })
}

func (a *app) apply(ctx context.Context, f *applyFlags, args []string) error {
	r, err := a.runner(f.stateDir)
	if err != nil {
		return err
	}
	p, err := a.planToApply(ctx, r, f, args)
	if err != nil {
		return err
	}
	return a.applyPlan(ctx, r, p, f)
}

// planToApply is the plan in a file, the user's values alone, or the plan of this moment: of the host as it
// is once an unfinished run is put back.
func (a *app) planToApply(ctx context.Context, r *apply.Runner, f *applyFlags, args []string) (plan.Plan, error) {
	if len(args) == 1 {
		if len(f.set) > 0 {
			return plan.Plan{}, usageError{errors.New("a plan file and --set do not go together: make the plan with --set")}
		}
		data, err := hostfs.FS{}.ReadFile(absolute(args[0]), maxPlan)
		if err != nil {
			return plan.Plan{}, err
		}
		p, err := plan.Decode(data)
		if err != nil {
			return p, fmt.Errorf("%s: %w", args[0], err)
		}
		return p, a.recover(ctx, r)
	}
	o, err := f.options(len(f.set) > 0)
	if err != nil {
		return plan.Plan{}, err
	}
	if err := a.recover(ctx, r); err != nil {
		return plan.Plan{}, err
	}
	s, err := a.snapshot(ctx, collect.Options{NoLog: o.Only})
	if err != nil {
		return plan.Plan{}, err
	}
	if !o.Only {
		a.recall(ctx, &s, f.stateDir, &o)
	}
	return a.makePlan(s, o)
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

// applyPlan shows the plan, asks, and carries it out.
func (a *app) applyPlan(ctx context.Context, r *apply.Runner, p plan.Plan, f *applyFlags) error {
	if len(p.Steps) == 0 {
		return a.nothing(p)
	}
	if a.format == "text" {
		if err := a.showPlan(p); err != nil {
			return err
		}
	}
	if ok, err := a.agreed(f.yes, "apply_ask"); !ok || err != nil {
		if a.format == "json" {
			err = errors.Join(a.writeJSON(p), err)
		}
		return err
	}
	if f.within > 0 {
		// Neither a dead terminal nor a closed pipe may leave values that nobody confirmed.
		signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	}
	release, err := f.watch()
	if err != nil {
		return err
	}
	e, err := r.Apply(ctx, p, apply.Options{RunningOnly: f.runningOnly, KeepConflicts: f.keepConflicts, ConfirmWithin: f.within, Force: f.force})
	if err := errors.Join(err, release()); err != nil {
		return a.applyError(err)
	}
	if e.State == apply.Waiting {
		return a.await(ctx, r, e, f)
	}
	return a.applied(e, f)
}

// nothing answers a plan without steps.
func (a *app) nothing(p plan.Plan) error {
	if a.format == "json" {
		return a.writeJSON(p)
	}
	return a.sayln("apply_nothing")
}

func (a *app) showPlan(p plan.Plan) error {
	page := &page{lang: a.language()}
	page.plan(p)
	_, err := fmt.Fprintln(a.out, page.String())
	return err
}

// recover puts back what an earlier run left half done, and says so.
func (a *app) recover(ctx context.Context, r *apply.Runner) error {
	closed, err := r.Recover(ctx)
	for _, e := range closed {
		if len(e.Unreached) == 0 {
			fmt.Fprintln(a.err, a.hint("apply_recovered", "id", e.ID))
		}
		a.sayLeft(e)
	}
	return a.applyError(err)
}

// agreed asks on a terminal; without one and without --yes nothing happens, and the exit code says so.
func (a *app) agreed(yes bool, question string) (bool, error) {
	if yes {
		return true, nil
	}
	if !isTerminal(a.in) || !isTerminal(a.out) {
		fmt.Fprintln(a.err, a.hint("apply_needs_yes"))
		return false, statusError(1)
	}
	ask := a.out
	if a.format == "json" {
		ask = a.err // standard output is one document
	}
	fmt.Fprint(ask, a.hint(question))
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && answer == "" {
		return false, statusError(1)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "o", "oui":
		return true, nil
	}
	fmt.Fprintln(a.err, a.hint("apply_declined"))
	return false, statusError(1)
}

// isTerminal reports whether a stream is a character device.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// await waits for the confirmation; who kills this process leaves it to the next run.
func (a *app) await(ctx context.Context, r *apply.Runner, e apply.Entry, f *applyFlags) error {
	// On standard error, and unchecked: whoever read this may be gone, and the wait goes on all the same.
	fmt.Fprintln(a.err, a.hint("apply_waiting", "command", f.confirmCommand(), "seconds", int64(f.within.Seconds())))
	e, err := r.Await(ctx, e.ID, 200*time.Millisecond)
	if err != nil {
		return a.applyError(err)
	}
	if a.format == "json" {
		err = a.writeJSON(e)
	}
	if e.State == apply.Done {
		if a.format == "text" {
			err = a.sayln("apply_confirmed")
		}
		return err
	}
	if len(e.Unreached) == 0 {
		fmt.Fprintln(a.err, a.hint("apply_expired"))
	}
	a.sayLeft(e)
	return statusError(1)
}

// sayLeft names what was not put back, and why.
func (a *app) sayLeft(e apply.Entry) {
	if len(e.Left) > 0 {
		fmt.Fprintln(a.err, a.hint("undo_left", "what", e.Left))
	}
	if len(e.Unreached) > 0 {
		fmt.Fprintln(a.err, a.hint("undo_unreached", "id", e.ID, "namespace", e.Namespace, "what", e.Unreached))
	}
}

// confirmCommand is what keeps an apply that waits.
func (f *applyFlags) confirmCommand() string {
	if f.stateDir != defaultStateDir {
		return "ctkeeper apply --confirm --state-dir " + f.stateDir
	}
	return "ctkeeper apply --confirm"
}

func (a *app) confirm(ctx context.Context, f *applyFlags) error {
	r, err := a.runner(f.stateDir)
	if err != nil {
		return err
	}
	e, err := r.Confirm(ctx)
	if err != nil {
		return a.applyError(err)
	}
	return a.applied(e, f)
}

// applied reports what was done.
func (a *app) applied(e apply.Entry, f *applyFlags) error {
	if a.format == "json" {
		return a.writeJSON(e)
	}
	p := &page{lang: a.language()}
	for _, c := range e.Settings {
		p.line("apply_set", "key", c.Key, "to", fmt.Sprint(c.To), "from", fmt.Sprint(c.From))
	}
	for _, c := range e.Files {
		p.line("apply_file", "file", c.Path)
	}
	switch {
	case len(e.Unmet) > 0:
		p.line("apply_unmet", "settings", e.Unmet)
	case e.Persisted:
		p.line("apply_boot")
	case e.Path != "":
		p.line("note_namespace", "namespace", e.Namespace)
	default:
		p.line("apply_running_only")
	}
	for _, w := range e.Overwriters {
		p.line("apply_overwriter", "program", w.Program, "setting", w.Setting, "where", p.text(w.Where))
	}
	command := "ctkeeper undo"
	if f.stateDir != defaultStateDir {
		command += " --state-dir " + f.stateDir
	}
	p.line("apply_undo", "command", command)
	_, err := fmt.Fprint(a.out, p.String())
	return err
}

// applyError adds what would help.
func (a *app) applyError(err error) error {
	var readOnly *apply.ReadOnlyError
	var changed *apply.ChangedError
	var waiting *apply.WaitingError
	var file *apply.FileChangedError
	switch {
	case errors.As(err, &file):
		return hintError{err, []string{a.hint("apply_replan")}}
	case errors.As(err, &changed):
		return hintError{err, []string{a.hint("apply_replan")}}
	case errors.As(err, &waiting):
		return hintError{err, []string{a.hint("apply_confirm_hint")}}
	case errors.Is(err, os.ErrPermission) && os.Geteuid() != 0:
		return hintError{err, []string{a.hint("apply_needs_root")}}
	case errors.As(err, &readOnly), errors.Is(err, syscall.EROFS):
		return hintError{err, []string{a.hint("apply_readonly")}}
	}
	return err
}
