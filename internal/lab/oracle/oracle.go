// Package oracle asks the running kernel what nf_conntrack does with a packet.
//
// A [Kernel] is a namespace of its own with one TUN interface, where every address is local. Each packet
// written there passes defragmentation and conntrack, is confirmed, is reported through NFLOG after that,
// and is dropped, so that nothing ever answers. Many sequences run side by side: [Kernel.Feed] takes one
// packet of each, which must belong to different flows, and reports what conntrack made of each.
//
// A packet carries its number in the IPv4 identification or the IPv6 flow label ([Stamp]), which is how a
// report finds it. [Tracker] is all that a comparison needs, so that another kernel, in a virtual machine,
// can stand in. Package differ makes the comparison.
package oracle

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// Result is what conntrack made of a packet.
type Result uint8

// Results. Lost is a packet that no report came for: conntrack or the IP layer dropped it.
const (
	Lost Result = iota
	Invalid
	Untracked
	New
	Established
	Related
)

// String is the result as the samples write it.
func (r Result) String() string {
	return [...]string{"lost", "invalid", "untracked", "new", "established", "related"}[r]
}

// Report is the kernel's answer to one packet.
type Report struct {
	Result Result
	Reply  bool   // the packet went in the flow's reply direction
	Reason string // log_invalid's sentence, when there was one
}

// Tracker is a kernel that packets can be fed to: all that a comparison with the model needs of one.
type Tracker interface {
	// Feed gives the kernel one packet each of many flows and fills in a report for each.
	Feed(packets [][]byte, reports []Report) error
	// Set writes a setting, by its name below net/netfilter/nf_conntrack_.
	Set(name, value string) error
	// Help attaches a helper ("ftp") to new TCP flows to a port.
	Help(helper string, port uint16) error
	// Flows reads the table; Age lets time pass for it; Load puts flows in; Clear empties it.
	Flows(fn func(*flow.Flow) error, again func()) (whole bool, err error)
	Age(by time.Duration) error
	Load(flows []flow.Flow) error
	Clear() error
	// Count is nf_conntrack_count, Counters are the statistics.
	Count() (int, error)
	Counters() (map[string]uint64, error)
	Close() error
}

// MaxBatch is how many packets one Feed takes.
const MaxBatch = 60000

// Kernel is the running kernel.
type Kernel struct {
	ns      *lab.Namespace
	tun     *os.File
	log     *logReader
	conn    *ctnetlink.Conn
	scratch []byte
}

// Open makes the namespace and its rules. The caller must Close it.
func Open(area string) (*Kernel, error) {
	k := &Kernel{}
	ns, err := lab.Create(area)
	if err != nil {
		return nil, err
	}
	k.ns = ns
	if err := k.open(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// settings make the namespace take any packet: every source and destination, no duplicate address
// detection, no router to ask; log_invalid reports go to NFLOG.
var settings = [...][2]string{
	{"net/ipv4/conf/all/rp_filter", "0"},
	{"net/ipv4/conf/" + device + "/rp_filter", "0"},
	{"net/ipv4/conf/all/accept_local", "1"},
	{"net/ipv4/conf/" + device + "/accept_local", "1"},
	{"net/ipv4/conf/all/route_localnet", "1"},
	{"net/ipv4/conf/" + device + "/route_localnet", "1"},
	{"net/ipv4/conf/all/log_martians", "0"},
	{"net/ipv6/conf/" + device + "/accept_ra", "0"},
	{"net/ipv6/conf/" + device + "/autoconf", "0"},
	{"net/ipv6/conf/" + device + "/accept_dad", "0"},
	{"net/ipv6/conf/" + device + "/router_solicitations", "0"},
	{"net/netfilter/nf_log/2", "nfnetlink_log"},
	{"net/netfilter/nf_log/10", "nfnetlink_log"},
	{"net/netfilter/nf_conntrack_log_invalid", "255"},
	{"net/netfilter/nf_conntrack_acct", "1"},
}

const device = "ctk0"

func (k *Kernel) open() error {
	var err error
	if k.tun, err = lab.OpenTUN(k.ns, device); err != nil {
		return err
	}
	if err := addRules(k.ns); err != nil {
		return err
	}
	for _, s := range settings {
		if err := k.ns.SetSysctl(s[0], s[1]); err != nil {
			return err
		}
	}
	for _, p := range []string{"0.0.0.0/0", "::/0"} {
		if err := lab.AddLocalRoute(k.ns, netip.MustParsePrefix(p)); err != nil {
			return err
		}
	}
	return k.ns.Run(func() error {
		if k.log, err = openLog(); err != nil {
			return err
		}
		k.conn, err = ctnetlink.Dial(ctnetlink.Options{})
		return err
	})
}

// Close removes the namespace.
func (k *Kernel) Close() error {
	var errs []error
	if k.conn != nil {
		errs = append(errs, k.conn.Close())
	}
	if k.log != nil {
		errs = append(errs, k.log.close())
	}
	if k.tun != nil {
		errs = append(errs, k.tun.Close())
	}
	return errors.Join(append(errs, k.ns.Close())...)
}

// Set writes a setting of the namespace.
func (k *Kernel) Set(name, value string) error {
	return k.ns.SetSysctl("net/netfilter/nf_conntrack_"+name, value)
}

// Namespace is where the kernel side lives, for what the interface does not offer.
func (k *Kernel) Namespace() *lab.Namespace { return k.ns }

// Feed writes the packets in order and gathers the reports. Stamped copies are written: the packets
// themselves stay as they are. A packet that the TUN device refuses is Lost.
func (k *Kernel) Feed(packets [][]byte, reports []Report) error {
	if len(packets) > MaxBatch || len(reports) != len(packets) {
		return fmt.Errorf("feed %d packets, %d reports: at most %d, as many of each", len(packets), len(reports), MaxBatch)
	}
	clear(reports)
	const burst = 256 // the log socket's buffer holds many more
	for i, p := range packets {
		k.scratch = append(k.scratch[:0], p...)
		Stamp(k.scratch, i)
		if _, err := k.tun.Write(k.scratch); err != nil && !errors.Is(err, errRefused) {
			return fmt.Errorf("write packet %d: %w", i, err)
		}
		if i%burst == burst-1 || i == len(packets)-1 {
			if err := k.log.drain(reports); err != nil {
				return err
			}
		}
	}
	return nil
}
