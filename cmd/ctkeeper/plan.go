package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/surface/wording"
)

const planLong = `Propose what to set, from what this host shows: each step with its reason, the source
of the figure behind it, what it costs in memory, what it does to flows that exist, and what
it would break. What is left alone says why. Nothing is changed; ` + "`ctkeeper apply`" + ` does it.

What ctkeeper kept in --state-dir is used: the history of ctkeeper serve for how high the table stood
and whether it grows, and recordings (flow records below its record/) of this host, when they show its
peak. --state-dir '' looks at this moment alone.

With recordings (flow records of ctkeeper record, captures, described workloads) the plan is
measured: every way to give the traffic room (the least max, shorter timeouts, timeouts for one
service, one service untracked) is replayed on them, and what refuses nothing and breaks least
is proposed. The table shows them all. See docs/plan.md.`

// planFlags are what plan and apply share.
type planFlags struct {
	set    []string
	budget string
	force  bool
}

func (f *planFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.set, "set", nil, "`NAME=VALUE`: a value of your own; any sysctl spelling; can be repeated")
	cmd.Flags().StringVar(&f.budget, "memory-budget", "", "what a full table may take, `SIZE` like 512M or 2G (default: an eighth of memory)")
	cmd.Flags().BoolVar(&f.force, "force", false, "let a value stand that refuses new flows at once")
}

// options reads the flags; only says whether nothing but the wishes is planned.
func (f *planFlags) options(only bool) (plan.Options, error) {
	o := plan.Options{Only: only, Force: f.force}
	for _, s := range f.set {
		w, err := parseWish(s)
		if err != nil {
			return o, usageError{err}
		}
		o.Wishes = append(o.Wishes, w)
	}
	if f.budget != "" {
		n, err := parseSize(f.budget)
		if err != nil {
			return o, usageError{fmt.Errorf("--memory-budget: %w", err)}
		}
		o.Budget = n
	}
	return o, nil
}

// parseWish reads NAME=VALUE; durations and sizes as people write them are taken for what they mean.
func parseWish(text string) (plan.Wish, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return plan.Wish{}, fmt.Errorf("%q is not NAME=VALUE", text)
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	s, ok := settings.Lookup(name)
	if !ok {
		return plan.Wish{}, unknownSetting(name)
	}
	v, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		guess, ok := s.Guess(value)
		if ok {
			return plan.Wish{}, fmt.Errorf("%s: %q is no whole number; %d?", name, value, guess)
		}
		return plan.Wish{}, fmt.Errorf("%s: %q is no whole number", name, value)
	}
	return plan.Wish{Setting: s.Name, Value: v}, nil
}

func unknownSetting(name string) error {
	if near, ok := settings.Nearest(name); ok {
		return fmt.Errorf("no setting %q; nearest known: %s", name, near)
	}
	return fmt.Errorf("no setting %q", name)
}

// parseSize reads bytes with an optional binary K, M, G or T.
func parseSize(text string) (uint64, error) {
	t := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if i := strings.IndexByte("KMGT", last(t)); i >= 0 && t != "" {
		shift = 10 * (i + 1)
		t = t[:len(t)-1]
	}
	n, err := strconv.ParseUint(t, 10, 64)
	if err != nil || n == 0 || n > 1<<63>>shift {
		return 0, fmt.Errorf("%q is no size like 512M or 2G", text)
	}
	return n << shift, nil
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

func newPlan(a *app) *cobra.Command {
	var f planFlags
	var mf measureFlags
	var stateDir string
	cmd := &cobra.Command{
		Use:   "plan [RECORDING...]",
		Short: "What to set and why, and at what cost",
		Long:  planLong,
		Example: `  ctkeeper plan
  ctkeeper plan --memory-budget 1G --set tcp_timeout_established=43200
  ctkeeper plan --format json > plan.json
  ctkeeper plan --format sysctl
  ctkeeper plan /var/lib/ctkeeper/record --headroom 50%
  ctkeeper plan traffic.pcap --format json > plan.json`,
		RunE: func(cmd *cobra.Command, files []string) error {
			o, err := f.options(false)
			if err != nil {
				return err
			}
			if _, err := mf.share(); err != nil {
				return err
			}
			s, err := a.snapshot(cmd.Context(), collect.Options{})
			if err != nil {
				return err
			}
			var fault error
			a.recall(cmd.Context(), &s, stateDir, &o)
			if len(files)+len(mf.workloads) == 0 {
				a.recallRecordings(cmd, &s, stateDir, &mf, &o)
			} else {
				m, unread, err := a.measure(cmd, s, files, &mf, o)
				if err != nil {
					return err
				}
				o.Measured, fault = &m, unread
			}
			p, err := a.makePlan(s, o)
			if err != nil {
				return err
			}
			measured := mf.words(files)
			if p.Measured != nil && measured == nil { // by what was kept: apply would plan anew without it
				measured = []string{"--headroom", mf.headroom}
			}
			return errors.Join(a.printPlan(p, f.command(a.netns, measured...)), fault)
		},
	}
	f.add(cmd)
	mf.add(cmd)
	cmd.Flags().StringVar(&stateDir, "state-dir", defaultStateDir, "`DIR` with what the daemon and record kept; '' uses nothing of it")
	return cmd
}

// makePlan is plan.Make with errors that a user can act on.
func (a *app) makePlan(s snapshot.Snapshot, o plan.Options) (plan.Plan, error) {
	p, err := plan.Make(s, o)
	var wish *plan.WishError
	if errors.As(err, &wish) {
		if _, key, ok := settings.LookupKey(wish.Setting); ok {
			if twin, ok := settings.Twin(key.Name); ok && s.Namespaces[0].Settings[wish.Setting].Key == "" {
				return p, hintError{err, []string{a.hint("settings_twin", "key", key.Name, "twin", twin.Name)}}
			}
		}
	}
	return p, err
}

func (a *app) printPlan(p plan.Plan, command string) error {
	switch a.format {
	case "json":
		return a.writeJSON(p)
	case "sysctl":
		_, err := fmt.Fprint(a.out, p.Sysctl())
		return err
	}
	page := &page{lang: a.language()}
	page.plan(p)
	if len(p.Steps) > 0 {
		page.WriteString("\n")
		page.wrap("", "", wording.Say(page.lang, message.New("plan_apply", "command", command)))
	}
	_, err := fmt.Fprint(a.out, page.String())
	return err
}

// command is what carries out the plan that these flags make.
func (f *planFlags) command(namespace string, measured ...string) string {
	words := []string{"ctkeeper apply"}
	var where []string
	if namespace != "" {
		where = []string{"--netns", namespace}
		words = append(words, where...)
	}
	if len(f.set)+len(measured) > 0 {
		return "ctkeeper plan " + strings.Join(append(slices.Concat(where, f.words(), measured), "--format json > plan.json && "+strings.Join(append(words, "plan.json"), " ")), " ")
	}
	return strings.Join(append(words, f.words()...), " ")
}

// words are the flags as they were given.
func (f *planFlags) words() []string {
	var words []string
	for _, s := range f.set {
		words = append(words, "--set", s)
	}
	if f.budget != "" {
		words = append(words, "--memory-budget", f.budget)
	}
	if f.force {
		words = append(words, "--force")
	}
	return words
}

// plan writes a plan for people.
func (p *page) plan(pl plan.Plan) {
	host := pl.Host
	if host == "" {
		host, _ = os.Hostname() // a nicety
	}
	p.wrap("", "", wording.Say(p.lang, message.New("plan_title", "host", host, "namespace", pl.Namespace)))
	if pl.History != nil {
		p.past(pl.History)
	}
	if pl.Measured != nil {
		p.measured(pl.Measured)
	}
	for i, st := range pl.Steps {
		p.planStep(i+1, st)
	}
	p.manual(pl.Manual)
	if len(pl.Kept) > 0 {
		p.WriteString("\n" + p.say("plan_kept") + "\n")
	}
	for _, k := range pl.Kept {
		p.wrap("  - ", "    ", p.of("plan_kept_line", "setting", k.Setting, "why", wording.Say(p.lang, k.Why)))
	}
	if m := pl.Memory; m.After > 0 && len(pl.Steps) > 0 {
		p.WriteString("\n")
		p.wrap("", "", wording.Say(p.lang, message.New("plan_total", "before", m.Before, "after", m.After, "budget", m.Budget, "flow", m.Flow, "source", m.Source)))
	}
	for _, n := range pl.Notes {
		p.WriteString("\n")
		p.wrap(p.say("plan_notes")+" ", "  ", wording.Say(p.lang, n))
	}
}

func (p *page) planStep(n int, st plan.Step) {
	s, _ := settings.Lookup(st.Setting)
	from := p.say("plan_unknown_from")
	if st.From != nil {
		from = p.quantity(s, *st.From)
	}
	p.WriteString("\n")
	head := wording.Say(p.lang, message.New("plan_step", "setting", st.Key, "from", from, "to", p.quantity(s, st.To)))
	p.wrap(strconv.Itoa(n)+". ", "   ", head)
	p.labelled("plan_why", wording.Say(p.lang, st.Reason)+"  ["+st.Source+"]")
	p.labelled("plan_effect", wording.Say(p.lang, st.Effect))
	switch {
	case st.Memory > 0:
		p.labelled("plan_cost", wording.Say(p.lang, message.New("plan_memory", "bytes", st.Memory)))
	case st.Memory < 0:
		p.labelled("plan_cost", wording.Say(p.lang, message.New("plan_memory_less", "bytes", -st.Memory)))
	}
	for _, b := range st.Breaks {
		p.labelled("plan_breaks", wording.Say(p.lang, b))
	}
}

func (p *page) labelled(label, text string) { p.wrap("   "+p.say(label)+" ", "     ", text) }

// quantity writes a setting's value in its unit.
func (p *page) quantity(s settings.Setting, v int64) string {
	switch s.Unit {
	case settings.Seconds:
		return wording.Seconds(p.lang, v)
	case settings.Bytes:
		return wording.Bytes(p.lang, float64(v))
	case settings.Count:
		return wording.Count(p.lang, float64(v))
	}
	return strconv.FormatInt(v, 10)
}
