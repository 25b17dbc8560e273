package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/flows"
	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/surface/wording"
)

const flowsDeleteLong = `Delete the flows that FILTER selects. Without --yes nothing is deleted: the count and the sources of what
would be are shown. Loopback and the machine that your SSH session came from are never touched; --protect adds more.
Deleted flows cannot be brought back; connections that go on are tracked anew where the rules allow.`

const flowsRetimeLong = `Bring the flows that FILTER selects under the present timeouts, or under --timeout: a sysctl alone never
does that for flows that exist. It only shortens, unless --lengthen is given. Without --yes nothing is
changed: the count and the sources of what would be are shown. Loopback and what your SSH session came from stay.`

// flowChange is what both commands ask for.
type flowChange struct {
	selection flowSelection
	retime    bool
	yes, dry  bool
	all       bool
	lengthen  bool
	protect   []string
	limit     float64
	oneByOne  bool
	timeout   time.Duration
}

func newFlowsDelete(a *app) *cobra.Command {
	o := &flowChange{}
	cmd := &cobra.Command{
		Use: "delete FILTER…", Short: "Delete flows", Long: flowsDeleteLong,
		Example: "  ctkeeper flows delete src 198.51.100.0/24 and state SYN_SENT\n  ctkeeper flows delete --yes --limit 5000 idle '>' 1h and not assured",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.changeFlows(cmd.Context(), o, args) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "every flow: asked for without a FILTER")
	cmd.Flags().BoolVar(&o.oneByOne, "one-by-one", false, "never by the kernel's own flush")
	return cmd
}

func newFlowsRetime(a *app) *cobra.Command {
	o := &flowChange{retime: true}
	cmd := &cobra.Command{
		Use: "retime [FILTER…]", Short: "Bring existing flows under the present timeouts", Long: flowsRetimeLong,
		Example: "  ctkeeper flows retime state ESTABLISHED and idle '>' 1h --timeout 10m\n  ctkeeper flows retime --yes",
		RunE:    func(cmd *cobra.Command, args []string) error { return a.changeFlows(cmd.Context(), o, args) },
	}
	o.flags(cmd)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "the time to leave them (default: the present timeout of their state)")
	cmd.Flags().BoolVar(&o.lengthen, "lengthen", false, "give flows more time too")
	return cmd
}

func (o *flowChange) flags(cmd *cobra.Command) {
	o.selection.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.yes, "yes", false, "act")
	f.BoolVar(&o.dry, "dry-run", false, "only show what would be touched")
	f.StringArrayVar(&o.protect, "protect", nil, "`FILTER` of flows that are never touched; repeated")
	f.Float64Var(&o.limit, "limit", 0, "`N` flows a second at most (default: no limit)")
}

// flushProofs is gone after a boot, as what it says is.
const flushProofs = "/run/ctkeeper-flush/proofs.json"

// options checks the flags and parses the filters.
func (o *flowChange) options(args []string) (flows.Options, error) {
	out := flows.Options{Limit: o.limit, Lengthen: o.lengthen, OneByOne: o.oneByOne, Proofs: ctnetlink.KeepProofs(flushProofs)}
	safe, err := flows.Always(sshPeers(hostfs.FS{}))
	if err != nil {
		return out, err
	}
	out.Protect = safe
	if out.Filter, err = o.selection.filter(args); err != nil {
		return out, err
	}
	if err := o.check(out.Filter); err != nil {
		return out, usageError{err}
	}
	if o.timeout > 0 {
		sec := uint32(o.timeout / time.Second)
		out.Timeout = &sec
	}
	for _, text := range o.protect {
		f, err := filter.Parse(text)
		if err == nil && f.All() {
			err = errors.New("it is empty")
		}
		if err != nil {
			return out, usageError{fmt.Errorf("--protect %q: %w", text, err)}
		}
		out.Protect = append(out.Protect, f)
	}
	return out, nil
}

// check refuses flags that contradict each other, and a deletion of everything that was not asked for.
func (o *flowChange) check(f filter.Filter) error {
	switch {
	case o.yes && o.dry:
		return errors.New("--yes and --dry-run: one of them")
	case !o.retime && f.All() && !o.all:
		return errors.New("no FILTER: --all deletes every flow")
	case !o.retime && o.all && !f.All():
		return errors.New("--all and a FILTER: one of them")
	case o.limit < 0:
		return errors.New("--limit: not below 0")
	case o.timeout < 0 || o.timeout > 1<<31*time.Second || o.timeout != 0 && o.timeout < time.Second:
		return errors.New("--timeout: from 1s to 2^31 s")
	}
	return nil
}

// changeDocument is the JSON form, schemas ctkeeper.flows.delete/1 and ctkeeper.flows.retime/1.
type changeDocument struct {
	Schema string     `json:"schema"`
	DryRun bool       `json:"dry_run"`
	Filter string     `json:"filter,omitempty"`
	Top    []rank.Row `json:"top,omitempty"` // sources of the flows that are touched
	flows.Counts
}

func (a *app) changeFlows(ctx context.Context, o *flowChange, args []string) error {
	if a.from != "" {
		return usageError{errors.New("--from: a copied table cannot be changed")}
	}
	fo, err := o.options(args)
	if err != nil {
		return err
	}
	doc := changeDocument{Schema: "ctkeeper.flows.delete/1", DryRun: !o.yes, Filter: fo.Filter.String()}
	if o.retime {
		doc.Schema = "ctkeeper.flows.retime/1"
	}
	err = a.inTable(ctx, func(t *flowTable) (err error) {
		fo.Timeouts = t.timeouts()
		fo.Idle = fo.Timeouts.Idle
		top := rank.New(rank.Options{Keys: []rank.Key{rank.Src}, Top: 5, Limit: 4096})
		fo.Touch = func(fl *flow.Flow) { top.Add(fl) }
		var end func()
		fo.Progress, end = a.changeProgress()
		defer end()
		switch {
		case !o.yes:
			doc.Counts, err = flows.Preview(ctx, fo, o.retime)
		case o.retime:
			doc.Counts, err = flows.Retime(ctx, fo)
		default:
			doc.Counts, err = flows.Delete(ctx, fo)
		}
		doc.Top = top.Summary().Source
		return err
	})
	if printErr := a.changePrint(doc, o.retime); err != nil || printErr != nil {
		return errors.Join(err, printErr)
	}
	return o.outcome(a, doc)
}

// outcome is the exit code: not confirmed, or not everything done.
func (o *flowChange) outcome(a *app, doc changeDocument) error {
	switch {
	case doc.Refused > 0 || !doc.Consistent:
		return statusError(1)
	case o.yes || o.dry || isTerminal(a.err):
		return nil
	case doc.Planned() == 0:
		return nil
	}
	return hintError{errors.New("nothing was changed: not confirmed"), []string{"--yes"}}
}

// changeProgress shows the counts on a terminal while the work goes on.
func (a *app) changeProgress() (func(flows.Counts), func()) {
	if !isTerminal(a.err) {
		return nil, func() {}
	}
	last := time.Now()
	shown := false
	return func(c flows.Counts) {
			if time.Since(last) < 300*time.Millisecond {
				return
			}
			last, shown = time.Now(), true
			fmt.Fprintf(a.err, "\r%s\x1b[K", wording.Say(a.language(), message.New("change_progress", "done", c.Done, "matched", c.Matched)))
		}, func() {
			if shown {
				fmt.Fprint(a.err, "\r\x1b[K")
			}
		}
}

func (a *app) changePrint(doc changeDocument, retime bool) error {
	if a.format == "json" || a.format == "jsonl" {
		return a.writeJSON(doc)
	}
	say := func(code string, pairs ...any) {
		fmt.Fprintln(a.out, wording.Say(a.language(), message.New(code, pairs...)))
	}
	kind := "delete"
	if retime {
		kind = "retime"
	}
	c := doc.Counts
	if doc.DryRun {
		say("change_would_"+kind, "planned", c.Planned(), "matched", c.Matched)
	} else {
		say("change_did_"+kind, "done", c.Done, "gone", c.Gone, "refused", c.Refused)
	}
	if c.Protected > 0 {
		say("change_protected", "n", c.Protected)
	}
	if c.Kept > 0 {
		say("change_kept", "n", c.Kept)
	}
	if c.How == flows.Flush {
		say("change_flushed", "n", c.ByDifference)
	}
	for reason, n := range c.Reasons {
		say("change_reason", "reason", reason, "n", n)
	}
	if !c.Consistent {
		say("change_inconsistent")
	}
	if c.How == flows.Flush {
		say("change_top_first")
	}
	for _, r := range doc.Top {
		fmt.Fprintf(a.out, "  %12s  %s\n", wording.Say(a.language(), message.New("replay_count", "n", r.Count)), r.Key)
	}
	return nil
}
