package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// End is one side of a veth pair.
type End struct {
	NS    *Namespace
	Name  string
	Addrs []netip.Prefix
	// Index and MAC are filled in when the pair is made.
	Index int
	MAC   [6]byte
}

// Veth joins two namespaces for a test: see [Join].
func Veth(t TB, a, b *End) {
	t.Helper()
	if err := Join(a, b); err != nil {
		t.Fatal(err)
	}
}

// Join makes a veth pair between two namespaces, gives each end its addresses and brings it up. The
// reverse path filter is off on both ends, so that packets may claim any source. The pair goes with
// either namespace.
func Join(a, b *End) error {
	macs := [2][6]byte{{2, 0x63, 0x74, 0x6b, 0, 1}, {2, 0x63, 0x74, 0x6b, 0, 2}}
	if err := addVeth(a, b, macs); err != nil {
		return fmt.Errorf("make veth %s/%s: %w", a.Name, b.Name, err)
	}
	for i, e := range []*End{a, b} {
		e.MAC = macs[i]
		if err := e.configure(); err != nil {
			return fmt.Errorf("configure %s in %s: %w", e.Name, e.NS.Name, err)
		}
	}
	for _, e := range []*End{a, b} {
		if err := waitReady(e.NS, e.Name); err != nil {
			return err
		}
	}
	return nil
}

func (e *End) configure() error {
	index, err := linkIndex(e.NS, e.Name)
	if err != nil {
		return err
	}
	e.Index = index
	for _, key := range []string{"all", e.Name} {
		if err := e.NS.SetSysctl("net/ipv4/conf/"+key+"/rp_filter", "0"); err != nil {
			return err
		}
	}
	for _, p := range e.Addrs {
		if err := AddAddr(e.NS, e.Name, p); err != nil {
			return err
		}
	}
	return LinkUp(e.NS, e.Name)
}

// request sends one rtnetlink message in the namespace and returns the answers.
func request(ns *Namespace, kind, flags uint16, head []byte, fill func(*netlink.AttributeEncoder)) ([]netlink.Message, error) {
	c, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: ns.FD()})
	if err != nil {
		return nil, err
	}
	ae := netlink.NewAttributeEncoder()
	if fill != nil {
		fill(ae)
	}
	attrs, err := ae.Encode()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	msgs, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request | netlink.Acknowledge | netlink.HeaderFlags(flags)},
		Data:   append(head, attrs...),
	})
	return msgs, errors.Join(err, c.Close())
}

// ifinfo is an ifinfomsg: family, type, index, flags, change.
func ifinfo(index int, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	native.PutUint32(b[4:], uint32(index))
	native.PutUint32(b[8:], flags)
	native.PutUint32(b[12:], change)
	return b
}

func addVeth(a, b *End, macs [2][6]byte) error {
	const vethPeer = 1 // VETH_INFO_PEER
	_, err := request(a.NS, unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, ifinfo(0, 0, 0), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, a.Name)
		ae.Bytes(unix.IFLA_ADDRESS, macs[0][:])
		ae.Nested(unix.IFLA_LINKINFO, func(info *netlink.AttributeEncoder) error {
			info.String(unix.IFLA_INFO_KIND, "veth")
			info.Nested(unix.IFLA_INFO_DATA, func(data *netlink.AttributeEncoder) error {
				peer := netlink.NewAttributeEncoder()
				peer.String(unix.IFLA_IFNAME, b.Name)
				peer.Bytes(unix.IFLA_ADDRESS, macs[1][:])
				peer.Uint32(unix.IFLA_NET_NS_FD, uint32(b.NS.FD()))
				attrs, err := peer.Encode()
				data.Bytes(vethPeer, append(ifinfo(0, 0, 0), attrs...))
				return err
			})
			return nil
		})
	})
	return err
}

// link asks for an interface by name.
func link(ns *Namespace, name string) (index int, attrs []byte, err error) {
	msgs, err := request(ns, unix.RTM_GETLINK, 0, ifinfo(0, 0, 0), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.IFLA_IFNAME, name)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("find link %s: %w", name, err)
	}
	for _, m := range msgs {
		if len(m.Data) >= unix.SizeofIfInfomsg {
			return int(native.Uint32(m.Data[4:])), m.Data[unix.SizeofIfInfomsg:], nil
		}
	}
	return 0, nil, fmt.Errorf("find link %s: no answer", name)
}

func linkIndex(ns *Namespace, name string) (int, error) {
	index, _, err := link(ns, name)
	return index, err
}

// waitReady waits until the kernel, which finishes bringing an interface up a little later, has given it
// a queue: until then it drops what is sent.
func waitReady(ns *Namespace, name string) error {
	for range 2000 {
		_, attrs, err := link(ns, name)
		if err != nil {
			return err
		}
		ad, err := netlink.NewAttributeDecoder(attrs)
		if err != nil {
			return err
		}
		for ad.Next() {
			if ad.Type() == unix.IFLA_QDISC && ad.String() != "noop" {
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("link %s in %s does not come up", name, ns.Name)
}

// LinkUp brings an interface up.
func LinkUp(ns *Namespace, name string) error {
	index, err := linkIndex(ns, name)
	if err != nil {
		return err
	}
	_, err = request(ns, unix.RTM_NEWLINK, 0, ifinfo(index, unix.IFF_UP, unix.IFF_UP), nil)
	return err
}

// AddAddr gives an interface an address; IPv6 addresses are usable at once.
func AddAddr(ns *Namespace, name string, p netip.Prefix) error {
	index, err := linkIndex(ns, name)
	if err != nil {
		return err
	}
	head := make([]byte, unix.SizeofIfAddrmsg)
	head[0], head[1] = family(p.Addr()), byte(p.Bits())
	if p.Addr().Is6() {
		head[2] = unix.IFA_F_NODAD
	}
	native.PutUint32(head[4:], uint32(index))
	_, err = request(ns, unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, head, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
		ae.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	})
	return err
}

// AddRoute sends packets for dst through the neighbour via.
func AddRoute(ns *Namespace, dst netip.Prefix, via netip.Addr) error {
	head := make([]byte, unix.SizeofRtMsg)
	head[0], head[1] = family(via), byte(dst.Bits())
	head[4], head[5], head[7] = unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RTN_UNICAST
	_, err := request(ns, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, head, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.RTA_DST, dst.Addr().AsSlice())
		ae.Bytes(unix.RTA_GATEWAY, via.AsSlice())
	})
	if err != nil {
		return fmt.Errorf("route %s via %s: %w", dst, via, err)
	}
	return nil
}

// AddNeighbour tells an end the hardware address of a neighbour, so that none has to be asked for.
func AddNeighbour(e *End, addr netip.Addr, mac [6]byte) error {
	head := make([]byte, unix.SizeofNdMsg)
	head[0] = family(addr)
	native.PutUint32(head[4:], uint32(e.Index))
	native.PutUint16(head[8:], unix.NUD_PERMANENT)
	_, err := request(e.NS, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, head, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.NDA_DST, addr.AsSlice())
		ae.Bytes(unix.NDA_LLADDR, mac[:])
	})
	return err
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
