package rank

import (
	"encoding/binary"
	"net/netip"

	"ctkeeper/internal/conntrack/flow"
)

// Key is what flows are counted by.
type Key uint8

// The keys.
const (
	Src Key = iota
	Dst
	SrcPrefix
	DstPrefix
	DstPort // with its protocol
	Zone

	SrcPort // with its protocol
	Proto
	State // with its protocol
	Mark
	Status
	Idle      // by bands
	Remaining // by bands
	Service   // destination address and port, with the protocol

	keys
)

// summaryKeys are those that a [Summary] has, the first ones.
const summaryKeys = Zone + 1

// Part is one key of a grouping.
type Part struct {
	Key Key
	// Bits4 and Bits6 are the lengths of the prefixes of SrcPrefix and DstPrefix.
	Bits4, Bits6 uint8
}

// The lengths of prefixes that stand for one site where nothing else is said.
const (
	defaultBits4 = 24
	defaultBits6 = 64
)

// v4 marks the high half of an IPv4 address's key; no IPv6 flow has such an address.
const v4 = ^uint64(0)

// noPort marks protocols without ports.
const noPort = 1 << 16

// notTold is the band of flows whose idle or remaining time is not known.
const notTold = ^uint64(0)

// keyOf packs what a flow has of the grouping.
func (p Part) keyOf(fl *flow.Flow, idle func(*flow.Flow) (int64, bool)) key {
	switch p.Key {
	case Src:
		return addrKey(fl.Orig.Src)
	case Dst, Service:
		return addrKey(fl.Orig.Dst)
	case SrcPrefix:
		return p.cut(addrKey(fl.Orig.Src))
	case DstPrefix:
		return p.cut(addrKey(fl.Orig.Dst))
	case DstPort:
		return portKey(fl.Proto(), fl.Orig.DstPort)
	case SrcPort:
		return portKey(fl.Proto(), fl.Orig.SrcPort)
	case Zone:
		return key{0, uint64(fl.Zone)}
	}
	return p.otherKey(fl, idle)
}

// otherKey is keyOf for what is asked for less often.
func (p Part) otherKey(fl *flow.Flow, idle func(*flow.Flow) (int64, bool)) key {
	switch p.Key {
	case Proto:
		return key{0, uint64(fl.Proto())}
	case State:
		return key{uint64(fl.Proto()), uint64(fl.State)}
	case Mark:
		return key{0, uint64(fl.Mark)}
	case Status:
		if !fl.Has(flow.HasStatus) {
			return key{0, notTold}
		}
		return key{0, uint64(fl.Status &^ flow.Confirmed)}
	case Remaining:
		return bandKey(int64(fl.Timeout), fl.Has(flow.HasTimeout))
	}
	if idle == nil {
		return key{0, notTold}
	}
	return bandKey(idle(fl))
}

// serviceOf is what a service has beside its address.
func serviceOf(fl *flow.Flow) uint32 {
	k := portKey(fl.Proto(), fl.Orig.DstPort)
	return uint32(k.hi)<<17 | uint32(k.lo)
}

func portKey(p flow.Proto, port uint16) key {
	if p.HasPorts() {
		return key{uint64(p), uint64(port)}
	}
	return key{uint64(p), noPort}
}

func addrKey(a netip.Addr) key {
	if a.Is4() {
		b := a.As4()
		return key{v4, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// cut leaves the prefix of an address.
func (p Part) cut(k key) key {
	if k.hi == v4 {
		k.lo &^= 1<<(32-p.Bits4) - 1
		return k
	}
	if p.Bits6 <= 64 {
		return key{k.hi &^ (1<<(64-p.Bits6) - 1), 0}
	}
	return key{k.hi, k.lo &^ (1<<(128-p.Bits6) - 1)}
}

// bands are the upper bounds, in seconds, of the bands of idle and remaining time; the last has none.
var bands = [...]int64{10, 60, 300, 3600, 6 * 3600, 86400, 5 * 86400}

// bandTexts name the bands.
var bandTexts = [...]string{"0-10s", "10s-1m", "1m-5m", "5m-1h", "1h-6h", "6h-1d", "1d-5d", ">5d"}

func bandKey(seconds int64, known bool) key {
	if !known {
		return key{0, notTold}
	}
	for i, b := range bands {
		if seconds <= b {
			return key{0, uint64(i)}
		}
	}
	return key{0, uint64(len(bands))}
}
