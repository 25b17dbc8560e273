package rank

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/flow"
)

// unknownText stands for what a flow's source did not tell.
const unknownText = "unknown"

// text is the key as people write it.
func (p Part) text(k key, port uint32) string {
	switch p.Key {
	case Src, Dst:
		return k.addr().String()
	case SrcPrefix, DstPrefix:
		return p.prefix(k).String()
	case DstPort, SrcPort:
		return portText(k)
	case Service:
		at := key{uint64(port >> 17), uint64(port & (1<<17 - 1))}
		if at.lo == noPort {
			return k.addr().String() + " " + portText(at)
		}
		return netip.AddrPortFrom(k.addr(), uint16(at.lo)).String() + " " + flow.Proto(at.hi).String()
	case Proto:
		return flow.Proto(k.lo).String()
	case State:
		if s := flow.State(k.lo).String(); s != "" {
			return flow.Proto(k.hi).String() + " " + s
		}
		return flow.Proto(k.hi).String()
	case Status:
		return statusText(k)
	case Idle, Remaining:
		if k.lo == notTold {
			return unknownText
		}
		return bandTexts[k.lo]
	}
	return strconv.FormatUint(k.lo, 10) // a zone or a mark
}

func portText(k key) string {
	if k.lo == noPort {
		return flow.Proto(k.hi).String()
	}
	return flow.Proto(k.hi).String() + "/" + strconv.FormatUint(k.lo, 10)
}

func statusText(k key) string {
	if k.lo == notTold {
		return unknownText
	}
	if names := flow.Status(k.lo).Names(); len(names) > 0 {
		return strings.Join(names, ",")
	}
	return "0"
}

// addr is the address in a key.
func (k key) addr() netip.Addr {
	if k.hi == v4 {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(k.lo))))
	}
	b := binary.BigEndian.AppendUint64(nil, k.hi)
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(b, k.lo)))
}

func (p Part) prefix(k key) netip.Prefix {
	if k.hi == v4 {
		return netip.PrefixFrom(k.addr(), int(p.Bits4))
	}
	return netip.PrefixFrom(k.addr(), int(p.Bits6))
}

// where is the filter expression that selects exactly the flows of the key; false when none does.
func (p Part) where(k key, port uint32) (string, bool) {
	switch p.Key {
	case Src:
		return "src " + k.addr().String(), true
	case Dst:
		return "dst " + k.addr().String(), true
	case SrcPrefix:
		return "src " + p.prefix(k).String(), true
	case DstPrefix:
		return "dst " + p.prefix(k).String(), true
	case DstPort:
		return portWhere(k, "dport"), true
	case SrcPort:
		return portWhere(k, "sport"), true
	case Service:
		return "dst " + k.addr().String() + " and " + portWhere(key{uint64(port >> 17), uint64(port & (1<<17 - 1))}, "dport"), true
	case Proto:
		return "proto " + flow.Proto(k.lo).String(), true
	case Zone:
		return fmt.Sprintf("zone %d", k.lo), true
	case Mark:
		return fmt.Sprintf("mark %d", k.lo), true
	case State:
		return stateWhere(k)
	case Status:
		return statusWhere(k)
	case Remaining:
		return bandWhere("timeout", k)
	}
	return bandWhere("idle", k)
}

func portWhere(k key, word string) string {
	if k.lo == noPort {
		return "proto " + flow.Proto(k.hi).String()
	}
	return fmt.Sprintf("proto %s and %s %d", flow.Proto(k.hi), word, k.lo)
}

// stateWhere needs a state that has a name; flows of a protocol with states whose state was not told
// cannot be asked for.
func stateWhere(k key) (string, bool) {
	s, proto := flow.State(k.lo), flow.Proto(k.hi)
	if s != flow.NoState {
		return fmt.Sprintf("proto %s and state %s", proto, s), s.String() != "UNKNOWN"
	}
	return "proto " + proto.String(), proto != flow.TCP && proto != flow.SCTP && proto != flow.DCCP
}

// statusWhere names every mark, so that flows with further ones are not selected.
func statusWhere(k key) (string, bool) {
	if k.lo == notTold {
		return "", false
	}
	var b strings.Builder
	for bit := flow.Status(1); bit <= flow.HWOffload; bit <<= 1 {
		names := bit.Names()
		if len(names) == 0 { // CONFIRMED
			continue
		}
		if b.Len() > 0 {
			b.WriteString(" and ")
		}
		if flow.Status(k.lo)&bit == 0 {
			b.WriteString("not ")
		}
		b.WriteString("status " + names[0])
	}
	return b.String(), flow.Status(k.lo) < flow.HWOffload<<1
}

func bandWhere(word string, k key) (string, bool) {
	switch {
	case k.lo == notTold:
		return "", false
	case k.lo == 0:
		return fmt.Sprintf("%s <= %d", word, bands[0]), true
	case int(k.lo) == len(bands):
		return fmt.Sprintf("%s > %d", word, bands[len(bands)-1]), true
	}
	return fmt.Sprintf("%s > %d and %s <= %d", word, bands[k.lo-1], word, bands[k.lo]), true
}
