package ctnetlink

import (
	"encoding/binary"

	"ctkeeper/internal/conntrack/flow"
)

// protoInfo takes in the protocol's state and what belongs to it.
func (d *decoder) protoInfo(v []byte, fl *flow.Flow) error {
	if d.want&(flow.HasState|flow.HasProtoInfo) == 0 {
		return nil
	}
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		var err error
		switch t {
		case infoTCP:
			err = d.infoNest(a, t, flow.TCP, fl, d.infoTCP)
		case infoDCCP:
			err = d.infoNest(a, t, flow.DCCP, fl, func(uint16, []byte, *flow.Flow) bool { return false })
		case infoSCTP:
			err = d.infoNest(a, t, flow.SCTP, fl, d.infoSCTP)
		default:
			d.keepNested(fl, a, t, attrProtoInfo)
		}
		if err != nil {
			return err
		}
		v = rest
	}
}

// infoNest walks one protocol's information: the state is number 1 in all of them.
func (d *decoder) infoNest(v []byte, nest uint16, p flow.Proto, fl *flow.Flow, take func(uint16, []byte, *flow.Flow) bool) error {
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		switch {
		case t == infoState && len(a) == 1:
			if d.want&flow.HasState != 0 {
				fl.Present |= flow.HasState
				fl.State = flow.MakeState(p, a[0])
			}
		case d.want&flow.HasProtoInfo == 0:
		case take(t, a, fl):
			fl.Present |= flow.HasProtoInfo
		default:
			d.keepNested(fl, a, t, nest, attrProtoInfo)
		}
		v = rest
	}
}

func (d *decoder) infoTCP(t uint16, a []byte, fl *flow.Flow) bool {
	switch {
	case t == tcpWScaleOrig && len(a) == 1:
		fl.TCP.WScaleOrig = a[0]
	case t == tcpWScaleReply && len(a) == 1:
		fl.TCP.WScaleReply = a[0]
	case t == tcpFlagsOrig && len(a) == 2:
		fl.TCP.FlagsOrig = a[0]
	case t == tcpFlagsReply && len(a) == 2:
		fl.TCP.FlagsReply = a[0]
	default:
		return false
	}
	return true
}

func (d *decoder) infoSCTP(t uint16, a []byte, fl *flow.Flow) bool {
	switch {
	case t == sctpVTagOrig && len(a) == 4:
		fl.SCTP.VTagOrig = binary.BigEndian.Uint32(a)
	case t == sctpVTagReply && len(a) == 4:
		fl.SCTP.VTagReply = binary.BigEndian.Uint32(a)
	default:
		return false
	}
	return true
}

func (d *decoder) seqAdj(typ uint16, v []byte, fl *flow.Flow, to *flow.SeqAdj) error {
	if d.want&flow.HasSeqAdj == 0 {
		return nil
	}
	fl.Present |= flow.HasSeqAdj
	return d.three(typ, v, fl, [3]*uint32{&to.CorrectionPos, &to.OffsetBefore, &to.OffsetAfter})
}

func (d *decoder) synproxy(v []byte, fl *flow.Flow) error {
	if d.want&flow.HasSynproxy == 0 {
		return nil
	}
	fl.Present |= flow.HasSynproxy
	return d.three(attrSynproxy, v, fl, [3]*uint32{&fl.SynproxyISN, &fl.SynproxyITS, &fl.SynproxyTSO})
}

// three takes in a nest whose attributes 1 to 3 are 32-bit values.
func (d *decoder) three(typ uint16, v []byte, fl *flow.Flow, to [3]*uint32) error {
	for {
		t, a, rest, ok := next(v)
		if !ok {
			return d.end(rest)
		}
		if t >= 1 && t <= 3 && len(a) == 4 {
			*to[t-1] = binary.BigEndian.Uint32(a)
		} else {
			d.keepNested(fl, a, t, typ)
		}
		v = rest
	}
}
