package lab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// TrackEverything makes a test's namespace track: see [Track].
func TrackEverything(t TB, ns *Namespace) {
	t.Helper()
	if err := Track(ns, TrackOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TrackOptions say how a namespace tracks. The zero value tracks and lets all pass.
type TrackOptions struct {
	// Silent drops what the namespace sends before it is tracked, so that it answers nothing and what
	// arrives stays as it came. Neighbours must be told by [AddNeighbour] for IPv6.
	Silent bool
}

// Track makes a namespace track both families: the kernel's tracking hooks are registered while a rule
// needs them, so this adds one that looks at the state of each packet.
func Track(ns *Namespace, o TrackOptions) error {
	c, err := nftables.New(nftables.WithNetNSFd(ns.FD()))
	if err != nil {
		return fmt.Errorf("open nftables in %s: %w", ns.Name, err)
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "ctk_lab"})
	chain := c.AddChain(&nftables.Chain{
		Table: table, Name: "track", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityFilter,
	})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Counter{},
	}})
	if o.Silent {
		policy := nftables.ChainPolicyDrop
		c.AddChain(&nftables.Chain{
			Table: table, Name: "silent", Type: nftables.ChainTypeFilter, Policy: &policy,
			Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRef(-500),
		})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add the tracking rule in %s: %w", ns.Name, err)
	}
	return nil
}
