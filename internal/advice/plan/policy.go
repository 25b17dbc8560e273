package plan

import (
	"fmt"
	"slices"
	"strings"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
)

// Policy treats one service otherwise than the settings do, by rules of nftables that ctkeeper shows and does
// not set: they belong to whoever owns the ruleset.
type Policy struct {
	Service demand.Service `json:"service"`
	// Set are its timeouts; what is not named stays as the settings were when the policy was made.
	Set map[string]int64 `json:"set,omitempty"`
	// Notrack lets its packets by without a flow.
	Notrack bool `json:"notrack,omitempty"`
}

// nftTable is the table that the shown commands make, apart from all others.
const nftTable = "ctkeeper_policy"

// NFT are the nft commands that put the policy in force, and the one that takes it away.
func (p *Policy) NFT() (do []string, undo string) {
	proto := p.Service.Proto.String()
	add := "nft add table inet " + nftTable
	undo = "nft delete table inet " + nftTable
	if p.Notrack {
		both := func(chain string) []string {
			return []string{fmt.Sprintf("nft add rule inet %s %s %s dport %d notrack", nftTable, chain, proto, p.Service.Port),
				fmt.Sprintf("nft add rule inet %s %s %s sport %d notrack", nftTable, chain, proto, p.Service.Port)}
		}
		out := []string{add, chainCommand("prerouting", "raw"), chainCommand("output", "raw")}
		return slices.Concat(out, both("prerouting"), both("output")), undo
	}
	name := fmt.Sprintf("%s_%d", proto, p.Service.Port)
	out := []string{add,
		fmt.Sprintf("nft 'add ct timeout inet %s %s { protocol %s; l3proto ip; policy = { %s }; }'", nftTable, name, proto, p.values()),
		chainCommand("prerouting", "filter"), chainCommand("output", "filter")}
	for _, chain := range []string{"prerouting", "output"} {
		out = append(out, fmt.Sprintf("nft 'add rule inet %s %s %s dport %d ct timeout set \"%s\"'", nftTable, chain, proto, p.Service.Port, name))
	}
	return out, undo
}

func chainCommand(hook, priority string) string {
	return fmt.Sprintf("nft 'add chain inet %s %s { type filter hook %s priority %s; }'", nftTable, hook, hook, priority)
}

// values are the timeouts in nft's words, in the registry's order.
func (p *Policy) values() string {
	var parts []string
	for _, name := range model.Names() {
		if v, ok := p.Set[name]; ok {
			parts = append(parts, fmt.Sprintf("%s : %d", p.state(name), v))
		}
	}
	return strings.Join(parts, ", ")
}

func (p *Policy) state(setting string) string {
	if p.Service.Proto == flow.UDP {
		return map[string]string{"udp_timeout": "unreplied", "udp_timeout_stream": "replied"}[setting]
	}
	return strings.TrimPrefix(setting, "tcp_timeout_")
}

// Changes are what an alternative sets, as NAME=VALUE in the registry's order.
func (a *Alternative) Changes() []string { return changes(a.Set) }

// Changes are what the policy sets.
func (p *Policy) Changes() []string { return changes(p.Set) }

func changes(set map[string]int64) []string {
	names := model.Names()
	var out []string
	for name, v := range set {
		out = append(out, fmt.Sprintf("%s=%d", name, v))
	}
	slices.SortFunc(out, func(a, b string) int {
		x, _, _ := strings.Cut(a, "=")
		y, _, _ := strings.Cut(b, "=")
		return slices.Index(names, x) - slices.Index(names, y)
	})
	return out
}
