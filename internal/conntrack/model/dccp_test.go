package model_test

import (
	"encoding/binary"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// dccp is a DCCP packet between the ends of a trial.
type dccp struct {
	reply    bool
	kind     byte
	seq, ack uint64
}

// ip is the packet's bytes.
func (d dccp) ip() []byte {
	a, b := [4]byte{10, 1, 0, 1}, [4]byte{10, 200, 0, 1}
	from, to := uint16(1000), uint16(5000)
	if d.reply {
		a, b, from, to = b, a, to, from
	}
	l4 := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
	l4 = append(l4, 6, 0, 0, 0, d.kind<<1|1, 0)
	l4 = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(l4, uint16(d.seq>>32)), uint32(d.seq))
	l4 = binary.BigEndian.AppendUint32(append(l4, 0, 0, byte(d.ack>>40), byte(d.ack>>32)), uint32(d.ack))
	ip := append([]byte{0x45, 0, 0, byte(20 + len(l4)), 0, 0, 0, 0, 64, 33, 0, 0}, a[:]...)
	return append(append(ip, b[:]...), l4...)
}

// TestDCCP walks connections through the states of kernels that track DCCP (to 6.14). This kernel is none
// of them: the expectations are read from nf_conntrack_proto_dccp.c, and nothing here proves them.
func TestDCCP(t *testing.T) {
	type stop struct {
		packet  dccp
		result  model.Result
		state   flow.State
		timeout int64
		assured bool
	}
	const response, data, ack, closereq, closing, reset, sync = 1, 2, 3, 5, 6, 7, 8
	open := []stop{
		{dccp{kind: 0, seq: 1 << 40}, model.NewFlow, flow.DCCPRequest, 240, false},
		{dccp{reply: true, kind: response, seq: 7<<32 | 9}, model.Established, flow.DCCPRespond, 480, false},
		{dccp{kind: ack, ack: 7<<32 | 9}, model.Established, flow.DCCPPartOpen, 480, true},
		{dccp{reply: true, kind: data}, model.Established, flow.DCCPOpen, 43200, true},
	}
	for name, stops := range map[string][]stop{
		"closed by the client": append(open[:4:4], stop{dccp{kind: closing}, model.Established, flow.DCCPClosing, 64, true},
			stop{dccp{reply: true, kind: reset}, model.Established, flow.DCCPTimeWait, 240, true},
			stop{dccp{reply: true, kind: 0}, model.Established, flow.DCCPRequest, 240, true}, // from the other side
			stop{dccp{kind: response}, model.Established, flow.DCCPRespond, 480, true}),
		"closed by the server": append(open[:4:4], stop{dccp{reply: true, kind: closereq}, model.Established, flow.DCCPCloseReq, 64, true},
			stop{dccp{kind: closing}, model.Established, flow.DCCPClosing, 64, true}),
		"ignored and invalid": append(open[:4:4], stop{dccp{kind: sync}, model.Established, flow.DCCPOpen, 43200, true},
			stop{dccp{kind: closereq}, model.Invalid, 0, 0, false}, stop{dccp{kind: 11}, model.Invalid, 0, 0, false},
			stop{dccp{kind: 0}, model.Established, flow.DCCPOpen, 43200, true},
			stop{dccp{reply: true, kind: response}, model.Established, flow.DCCPRespond, 480, true}),
		"another acknowledgement does not assure": append(open[:2:2], stop{dccp{kind: ack, ack: 5}, model.Established, flow.DCCPPartOpen, 480, false}),
		"only a request opens":                    {{dccp{kind: ack}, model.Invalid, 0, 0, false}, {dccp{kind: reset}, model.Invalid, 0, 0, false}},
	} {
		p612 := model.Linux612()
		m := model.New(model.Config{Profile: p612})
		d := packet.NewDecoder(packet.Options{Checksums: false, DCCP: true})
		var p packet.Packet
		for i, s := range stops {
			d.IP(int64(i), packet.Repair(nil, s.packet.ip()), &p)
			v := m.Step(int64(i), &p)
			late := s.timeout*1e9 - v.Timeout
			if v.Result != s.result || v.Flow != 0 && (v.State != s.state || late < 0 || late > 100 || v.Status&flow.Assured != 0 != s.assured) {
				t.Errorf("%s, packet %d: %+v %s", name, i+1, v, v.Reason)
			}
		}
	}
}

func TestDCCPResetWithoutReplyEndsIt(t *testing.T) {
	m := model.New(model.Config{Profile: model.Linux612()})
	d := packet.NewDecoder(packet.Options{DCCP: true})
	var p packet.Packet
	d.IP(0, packet.Repair(nil, dccp{kind: 0}.ip()), &p)
	m.Step(0, &p)
	d.IP(1, packet.Repair(nil, dccp{reply: true, kind: 7}.ip()), &p)
	if v := m.Step(1, &p); !v.Gone || m.Count() != 0 {
		t.Errorf("%+v, %d flows", v, m.Count())
	}
}

func TestDCCPIsGenericSince615(t *testing.T) {
	m := model.New(model.Config{})
	d := packet.NewDecoder(packet.Options{})
	var p packet.Packet
	d.IP(0, packet.Repair(nil, dccp{kind: 3}.ip()), &p)
	if v := m.Step(0, &p); v.Result != model.NewFlow || v.Timeout != 600e9 || v.State != flow.NoState || p.Key.APort() != 0 {
		t.Errorf("%+v %+v", v, p.Key)
	}
}
