// Command peers reads the calling namespace's table with another Go library and ranks its flows by source, as
// the bench beside it does with ours. It is a module of its own: ctkeeper depends on none of them.
//
//	peers ti-mo | vishvananda
package main

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/ti-mo/conntrack"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: peers ti-mo|vishvananda")
		os.Exit(2)
	}
	flows, err := rank(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, flows)
}

// rank counts flows by source and returns how many there were.
func rank(library string) (int, error) {
	by := map[netip.Addr]int{}
	switch library {
	case "ti-mo":
		c, err := conntrack.Dial(nil)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		flows, err := c.Dump(nil)
		if err != nil {
			return 0, err
		}
		for i := range flows {
			by[flows[i].TupleOrig.IP.SourceAddress]++
		}
		return len(flows), nil
	case "vishvananda":
		n := 0
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, family)
			if err != nil {
				return 0, err
			}
			for _, f := range flows {
				a, _ := netip.AddrFromSlice(f.Forward.SrcIP)
				by[a.Unmap()]++
			}
			n += len(flows)
		}
		return n, nil
	}
	return 0, fmt.Errorf("%q is not a library that is compared", library)
}
