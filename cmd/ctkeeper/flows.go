package main

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/conntrack/filter"
)

const flowsListLong = `Print the flows that FILTER selects, as they are read: memory does not grow with the table.
FILTER is an expression ("src 10.0.0.0/8 and dport 443 and not assured and idle > 1h"); the
conntrack tool's selection options mean the same as there and join it with "and".

-z --yes resets every flow's counters as it prints them: whoever accounts by them loses what was counted.
Without --yes nothing is reset.`

func newFlows(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "flows", Short: "The flows in the table"}
	cmd.AddCommand(newFlowsList(a), newFlowsTop(a), newFlowsWatch(a), newFlowsRetime(a), newFlowsDelete(a))
	return cmd
}

func newFlowsList(a *app) *cobra.Command {
	var s flowSelection
	var output []string
	var yes bool
	cmd := &cobra.Command{
		Use:     "list [FILTER…]",
		Short:   "Print flows",
		Long:    flowsListLong,
		Example: "  ctkeeper flows list src 10.0.0.0/8 and state SYN_SENT\n  ctkeeper flows list -p tcp --dport 443 --format jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			zero := s.zero
			s.zero = false
			f, err := s.filter(args)
			if err != nil {
				return err
			}
			if err := a.mayZero(zero, yes, f); err != nil {
				return usageError{err}
			}
			p, err := a.flowPrinter(output)
			if err != nil {
				return err
			}
			return a.flowsList(cmd.Context(), readOptions{filter: f, zero: zero && yes}, zero && !yes, p)
		},
	}
	s.flags(cmd)
	cmd.Flags().Lookup("zero").Usage = "reset every flow's counters as they are printed; needs --yes"
	cmd.Flags().BoolVar(&yes, "yes", false, "with -z: do it")
	cmd.Flags().StringSliceVarP(&output, "output", "o", nil, "with --format conntrack: extended, id, ktimestamp, xml; or save")
	return cmd
}

// mayZero refuses to reset counters where that makes no sense. The kernel resets what it gives, so that a
// filter would reset flows that are never printed.
func (a *app) mayZero(zero, yes bool, f filter.Filter) error {
	switch {
	case yes && !zero:
		return errors.New("--yes: only with -z")
	case zero && !f.All():
		return errors.New("-z: not with a filter")
	case zero && a.from != "":
		return errors.New("--from: a copied table cannot be changed")
	}
	return nil
}

// flowSelection is what the options and arguments of a command select.
type flowSelection struct {
	filter.Options
	zero bool
}

func (s *flowSelection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.Src, "src", "s", "", "source address or prefix")
	f.StringVarP(&s.Dst, "dst", "d", "", "destination address or prefix")
	f.StringVarP(&s.ReplySrc, "reply-src", "r", "", "source of the replies")
	f.StringVarP(&s.ReplyDst, "reply-dst", "q", "", "destination of the replies")
	f.StringVarP(&s.Proto, "proto", "p", "", "protocol, by name or number")
	f.StringVar(&s.SPort, "sport", "", "source port")
	f.StringVar(&s.DPort, "dport", "", "destination port")
	f.StringVar(&s.State, "state", "", "state")
	f.StringVarP(&s.Status, "status", "u", "", "status marks")
	f.StringVarP(&s.Mark, "mark", "m", "", "mark or MARK/MASK")
	f.StringVarP(&s.Zone, "zone", "w", "", "zone")
	f.StringVarP(&s.Family, "family", "f", "", "ipv4 or ipv6")
	f.StringVarP(&s.SrcNAT, "src-nat", "n", "", "source translated: any, or to ADDR")
	f.StringVarP(&s.DstNAT, "dst-nat", "g", "", "destination translated: any, or to ADDR")
	f.StringVarP(&s.AnyNAT, "any-nat", "j", "", "source or destination translated: any, or to ADDR")
	for name := range natFlags {
		f.Lookup(name).NoOptDefVal = filter.NAT
	}
	f.BoolVarP(&s.zero, "zero", "z", false, "refused: counters are never reset from here")
}

// natFlags are the options whose address may be left out, with their letters.
var natFlags = map[string]string{"src-nat": "n", "dst-nat": "g", "any-nat": "j"}

// joinAddresses joins each of these options with the address that follows it, as the conntrack tool reads them: an
// option whose value may be left out else takes none from the next argument.
func joinAddresses(args []string) []string {
	if len(args) == 0 || args[0] != "flows" {
		return args
	}
	var out []string
	for i := 0; i < len(args); i++ {
		word := args[i]
		for name, letter := range natFlags {
			if word != "--"+name && word != "-"+letter || i+1 == len(args) {
				continue
			}
			if _, err := netip.ParsePrefix(args[i+1]); err == nil || isAddress(args[i+1]) {
				i++
				word = "--" + name + "=" + args[i]
			}
			break
		}
		out = append(out, word)
	}
	return out
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// filter joins the options with the expression in the arguments.
func (s *flowSelection) filter(args []string) (filter.Filter, error) {
	if s.zero {
		return filter.Filter{}, usageError{errors.New("-z: resetting the counters would take them from whoever accounts by them; not done here")}
	}
	byOption, err := s.Filter()
	if err != nil {
		return filter.Filter{}, usageError{err}
	}
	f, err := filter.Parse(strings.Join(args, " "))
	if err != nil {
		return filter.Filter{}, usageError{err}
	}
	return byOption.And(f), nil
}
