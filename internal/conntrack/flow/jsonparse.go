package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// jsonFlow is what AppendJSON writes; keys that it does not know are no error.
type jsonFlow struct {
	Number  *uint8    `json:"proto_number"`
	Family  string    `json:"family"`
	State   string    `json:"state"`
	Status  *[]string `json:"status"`
	Timeout *uint32   `json:"timeout"`
	Orig    jsonTuple `json:"orig"`
	Reply   jsonTuple `json:"reply"`
	Zone    *uint16   `json:"zone"`
	Mark    *uint32   `json:"mark"`
	Start   time.Time `json:"start"`
}

type jsonTuple struct {
	Src     netip.Addr `json:"src"`
	Dst     netip.Addr `json:"dst"`
	SPort   uint16     `json:"sport"`
	DPort   uint16     `json:"dport"`
	SKey    uint16     `json:"srckey"`
	DKey    uint16     `json:"dstkey"`
	Type    uint8      `json:"type"`
	Code    uint8      `json:"code"`
	ID      uint16     `json:"id"`
	Packets *uint64    `json:"packets"`
	Bytes   *uint64    `json:"bytes"`
}

// ParseJSON reads one object that AppendJSON wrote: tuples, state, status, timeout, zone, mark, counters and start.
func ParseJSON(line []byte, fl *Flow) error {
	var in jsonFlow
	d := json.NewDecoder(bytes.NewReader(line))
	if err := d.Decode(&in); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one object")
	}
	fl.Reset()
	if in.Number == nil || !in.Orig.Src.IsValid() || !in.Orig.Dst.IsValid() {
		return errors.New("no flow: proto_number and orig's src and dst must be there")
	}
	if in.Orig.Src.Is4() != in.Orig.Dst.Is4() || in.Orig.Src.Zone() != "" || in.Orig.Dst.Zone() != "" {
		return errors.New("src and dst are not of one family")
	}
	p := Proto(*in.Number)
	fl.Family = IPv4
	if in.Orig.Src.Is6() {
		fl.Family = IPv6
	}
	fl.Orig = in.Orig.tuple(p)
	if in.Reply.Src.IsValid() && in.Reply.Dst.IsValid() {
		fl.Reply, fl.Present = in.Reply.tuple(p), HasReply
	}
	return in.rest(fl, p)
}

func (in *jsonFlow) rest(fl *Flow, p Proto) error {
	if in.State != "" {
		s, ok := ParseState(p, in.State)
		if !ok {
			return fmt.Errorf("%s has no state %q", p, in.State)
		}
		fl.State = s
		fl.Present |= HasState
	}
	if in.Status != nil {
		fl.Present |= HasStatus
		fl.Status = Confirmed
		for _, name := range *in.Status {
			bit, ok := ParseStatus(name)
			if !ok {
				return fmt.Errorf("no status %q", name)
			}
			fl.Status |= bit
		}
	}
	if in.Timeout != nil {
		fl.Timeout = *in.Timeout
		fl.Present |= HasTimeout
	}
	if in.Zone != nil {
		fl.Zone = *in.Zone
		fl.Present |= HasZone
	}
	if in.Mark != nil {
		fl.Mark = *in.Mark
		fl.Present |= HasMark
	}
	if !in.Start.IsZero() {
		fl.Start = in.Start
		fl.Present |= HasTimestamp
	}
	if o, r := &in.Orig, &in.Reply; o.Packets != nil && o.Bytes != nil && r.Packets != nil && r.Bytes != nil {
		fl.OrigCount, fl.ReplyCount = Counters{*o.Packets, *o.Bytes}, Counters{*r.Packets, *r.Bytes}
		fl.Present |= HasCounters
	}
	return nil
}

func (t *jsonTuple) tuple(p Proto) Tuple {
	out := Tuple{Src: t.Src, Dst: t.Dst, Proto: p}
	switch {
	case p.HasPorts():
		out.SrcPort, out.DstPort = t.SPort, t.DPort
	case p == GRE:
		out.SrcPort, out.DstPort = t.SKey, t.DKey
	case p == ICMP, p == ICMPv6:
		out.ICMPID, out.ICMPType, out.ICMPCode = t.ID, t.Type, t.Code
	}
	return out
}
