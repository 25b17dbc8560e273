package oracle

import (
	"fmt"
	"math"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"ctkeeper/internal/lab"
)

// Bits of nft's ct state, and its directions.
const (
	stateInvalid     = 1
	stateEstablished = 2
	stateRelated     = 4
	stateNew         = 8
	stateUntracked   = 64
	anyDirection     = 0xff
)

// prefixes are the log prefixes of the rules; their order is that of verdicts.
var verdicts = [...]struct {
	prefix    string
	state     uint32
	direction byte
	report    Report
}{
	{"inv", stateInvalid, anyDirection, Report{Result: Invalid}},
	{"unt", stateUntracked, anyDirection, Report{Result: Untracked}},
	{"new", stateNew, anyDirection, Report{Result: New}},
	{"eo", stateEstablished, 0, Report{Result: Established}},
	{"er", stateEstablished, 1, Report{Result: Established, Reply: true}},
	{"ro", stateRelated, 0, Report{Result: Related}},
	{"rr", stateRelated, 1, Report{Result: Related, Reply: true}},
}

// addRules makes the chains first and their rules after: the rules register conntrack's hooks, and its
// confirmation, which has the same priority as the logging chain, then goes before that chain.
func addRules(ns *lab.Namespace) error {
	c, err := nftables.New(nftables.WithNetNSFd(ns.FD()))
	if err != nil {
		return fmt.Errorf("open nftables in %s: %w", ns.Name, err)
	}
	drop := nftables.ChainPolicyDrop
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "ctk_oracle"})
	in := c.AddChain(&nftables.Chain{
		Table: table, Name: "in", Type: nftables.ChainTypeFilter, Policy: &drop,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityRef(math.MaxInt32),
	})
	c.AddChain(&nftables.Chain{
		Table: table, Name: "out", Type: nftables.ChainTypeFilter, Policy: &drop,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityRef(-500),
	})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add chains: %w", err)
	}
	for _, v := range verdicts {
		c.AddRule(&nftables.Rule{Table: table, Chain: in, Exprs: logRule(v.prefix, v.state, v.direction)})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("add rules: %w", err)
	}
	return nil
}

// Help attaches a helper to new TCP flows to a port, as "ct helper set" does.
func (k *Kernel) Help(helper string, port uint16) error {
	c, err := nftables.New(nftables.WithNetNSFd(k.ns.FD()))
	if err != nil {
		return fmt.Errorf("open nftables in %s: %w", k.ns.Name, err)
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "ctk_" + helper})
	chain := c.AddChain(&nftables.Chain{
		Table: table, Name: "pre", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-145),
	})
	families := []uint16{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6}
	if helper == "pptp" {
		families = families[:1] // it has no other
	}
	for _, family := range families {
		name := fmt.Sprintf("h%d", family)
		c.AddObj(&nftables.NamedObj{Table: table, Name: name, Type: nftables.ObjTypeCtHelper,
			Obj: &expr.CtHelper{Name: helper, L3Proto: family, L4Proto: unix.IPPROTO_TCP}})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(family)}},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(port >> 8), byte(port)}},
			&expr.Objref{Type: int(nftables.ObjTypeCtHelper), Name: name},
		}})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("attach the helper %s: %w", helper, err)
	}
	return nil
}

// Zone puts packets with this IPv4 type of service into a conntrack zone, as "ct zone set" does.
func (k *Kernel) Zone(tos byte, zone uint16) error {
	c, err := nftables.New(nftables.WithNetNSFd(k.ns.FD()))
	if err != nil {
		return fmt.Errorf("open nftables in %s: %w", k.ns.Name, err)
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "ctk_zone"})
	chain := c.AddChain(&nftables.Chain{
		Table: table, Name: "raw", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRaw,
	})
	number := make([]byte, 2)
	native.PutUint16(number, zone)
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 1, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{tos}},
		&expr.Immediate{Register: 1, Data: number},
		&expr.Ct{Register: 1, SourceRegister: true, Key: expr.CtKeyZONE},
	}})
	if err := c.Flush(); err != nil {
		return fmt.Errorf("set a zone: %w", err)
	}
	return nil
}

func logRule(prefix string, state uint32, direction byte) []expr.Any {
	mask := make([]byte, 4)
	native.PutUint32(mask, state)
	exprs := []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
	if direction != anyDirection {
		exprs = append(exprs,
			&expr.Ct{Register: 1, Key: expr.CtKeyDIRECTION},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{direction}})
	}
	return append(exprs, &expr.Log{
		Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_QTHRESHOLD,
		Group: verdictGroup, QThreshold: 1, Data: []byte(prefix),
	})
}
