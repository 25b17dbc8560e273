package lab

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
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
	// UDPZone is the zone that UDP flows are tracked in.
	UDPZone uint16
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
	if o.UDPZone != 0 {
		early := c.AddChain(&nftables.Chain{
			Table: table, Name: "zone", Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
		})
		c.AddRule(&nftables.Rule{Table: table, Chain: early, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_UDP}},
			&expr.Immediate{Register: 1, Data: native.AppendUint16(nil, o.UDPZone)},
			&expr.Ct{Register: 1, SourceRegister: true, Key: expr.CtKeyZONE},
		}})
	}
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
