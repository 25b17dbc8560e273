package filter

import (
	"errors"
	"fmt"
	"strings"
)

// Options are the conntrack tool's selection options; an empty field is not asked for.
type Options struct {
	Family   string // -f
	Src      string // -s
	Dst      string // -d
	ReplySrc string // -r
	ReplyDst string // -q
	Proto    string // -p
	SPort    string // --sport
	DPort    string // --dport
	State    string // --state
	Status   string // -u
	Mark     string // -m
	Zone     string // -w
	// SrcNAT (-n), DstNAT (-g) and AnyNAT (-j) select translated flows: NAT for any, or the address
	// that was translated to.
	SrcNAT, DstNAT, AnyNAT string
}

// NAT is the value of a NAT option that was given without an address.
const NAT = "any"

// Filter returns the filter that the options ask for. An error names the option.
func (o Options) Filter() (Filter, error) {
	var all Filter
	for _, opt := range [...]struct{ name, value, term string }{
		{"-f", o.Family, "family"}, {"-s", o.Src, "src"}, {"-d", o.Dst, "dst"},
		{"-r", o.ReplySrc, "reply-src"}, {"-q", o.ReplyDst, "reply-dst"}, {"-p", o.Proto, "proto"},
		{"--sport", o.SPort, "sport"}, {"--dport", o.DPort, "dport"}, {"--state", o.State, "state"},
		{"-u", o.Status, "status"}, {"-m", o.Mark, "mark"}, {"-w", o.Zone, "zone"},
	} {
		if opt.value == "" {
			continue
		}
		if err := all.addOption(opt.name, opt.value, opt.term+" "+opt.value); err != nil {
			return Filter{}, err
		}
	}
	return o.nat(all)
}

// nat adds the NAT options: a source-translated flow's replies go to the new source, a
// destination-translated one's replies come from the new destination.
func (o Options) nat(all Filter) (Filter, error) {
	for _, opt := range [...]struct{ name, value, bare, addressed string }{
		{"-n", o.SrcNAT, "snat", "snat reply-dst %s"},
		{"-g", o.DstNAT, "dnat", "dnat reply-src %s"},
		{"-j", o.AnyNAT, "nat", "(snat reply-dst %[1]s) or (dnat reply-src %[1]s)"},
	} {
		text := opt.bare
		switch opt.value {
		case "":
			continue
		case NAT:
		default:
			text = fmt.Sprintf(opt.addressed, opt.value)
		}
		if err := all.addOption(opt.name, opt.value, text); err != nil {
			return Filter{}, err
		}
	}
	return all, nil
}

// addOption joins one option's condition to the filter; its value must be one word.
func (f *Filter) addOption(name, value, text string) error {
	if strings.ContainsAny(value, " \t\r\n()<>=!&|") {
		return fmt.Errorf("option %s: %q is not one value", name, value)
	}
	g, err := Parse(text)
	if err != nil {
		var syntax *SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("option %s: %s", name, syntax.What)
		}
		return fmt.Errorf("option %s: %w", name, err)
	}
	*f = f.And(g)
	return nil
}
