package rank

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"ctkeeper/internal/conntrack/flow"
)

// v4 marks the high half of an IPv4 address's key; no IPv6 flow has such an address.
const v4 = ^uint64(0)

func keyOf(k Key, fl *flow.Flow) key {
	switch k {
	case Src:
		return addrKey(fl.Orig.Src, false)
	case Dst:
		return addrKey(fl.Orig.Dst, false)
	case SrcPrefix:
		return addrKey(fl.Orig.Src, true)
	case DstPrefix:
		return addrKey(fl.Orig.Dst, true)
	case DstPort:
		if fl.Proto().HasPorts() {
			return key{uint64(fl.Proto()), uint64(fl.Orig.DstPort)}
		}
		return key{uint64(fl.Proto()), noPort}
	}
	return key{0, uint64(fl.Zone)}
}

// noPort marks protocols without ports.
const noPort = 1 << 16

func addrKey(a netip.Addr, prefix bool) key {
	if a.Is4() {
		b := a.As4()
		n := uint64(binary.BigEndian.Uint32(b[:]))
		if prefix {
			n &^= 0xff
		}
		return key{v4, n}
	}
	b := a.As16()
	k := key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	if prefix {
		k.lo = 0
	}
	return k
}

// text is the key as people write it.
func (k key) text(kind Key) string {
	switch kind {
	case Zone:
		return strconv.FormatUint(k.lo, 10)
	case DstPort:
		if k.lo == noPort {
			return flow.Proto(k.hi).String()
		}
		return flow.Proto(k.hi).String() + "/" + strconv.FormatUint(k.lo, 10)
	}
	a, bits := k.addr()
	if kind == SrcPrefix || kind == DstPrefix {
		return netip.PrefixFrom(a, bits).String()
	}
	return a.String()
}

// addr is the address in a key, and the length of the prefixes of its family.
func (k key) addr() (netip.Addr, int) {
	if k.hi == v4 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(k.lo)))), 24
	}
	b := binary.BigEndian.AppendUint64(nil, k.hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, k.lo))), 64
}
