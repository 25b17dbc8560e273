package model_test

import (
	"slices"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

func TestForKernel(t *testing.T) {
	none := model.Profile{}
	for release, want := range map[string]func(p model.Profile) bool{
		"5.9": nil, "4.19.108": nil, "5": nil, "x.y": nil, "": nil,
		"5.10.200": func(p model.Profile) bool {
			return p.OldSCTP && p.FewBuckets && model.Defaults(p).Buckets == 65536 && !p.ClosingRst && !p.AssuredStream && p.ChainMax == 0 && p.DCCP && !p.AdaptiveGC
		},
		"5.14.2": func(p model.Profile) bool { return p.ClosingRst && !p.AssuredStream && p.OldSCTP },
		"5.15.0": func(p model.Profile) bool {
			return p.AssuredStream && p.ChainMax == 31 && !p.KeepLiberal && !p.AdaptiveGC
		},
		"5.15.85-lts": func(p model.Profile) bool {
			return p.KeepLiberal && p.OvershootEnd && p.AdaptiveGC && p.Redirects && !p.NewISN
		},
		"5.15": func(p model.Profile) bool { return p.KeepLiberal && p.OldSCTP && !p.FewBuckets },
		"5.17": func(p model.Profile) bool { return p.NewISN && !p.KeepLiberal && !p.OldSCTP },
		"5.18": func(p model.Profile) bool {
			return p.KeepLiberal && p.AdaptiveGC && !p.OvershootEnd && !p.Ignore && p.ChainMin == 8
		},
		"6.0":   func(p model.Profile) bool { return p.OvershootEnd && !p.Ignore && !p.Redirects },
		"6.0.0": func(p model.Profile) bool { return !p.OvershootEnd },
		"6.1.176": func(p model.Profile) bool {
			return p == model.Linux61() && p.Ignore && p.ChainMin == 50 && p.ChainMax == 79
		},
		"6.12.63":    func(p model.Profile) bool { return p == model.Linux612() && !p.InexactUnack },
		"6.12.117":   func(p model.Profile) bool { return p.InexactUnack },
		"6.14":       func(p model.Profile) bool { return p.DCCP && !p.NetnsInLog && !p.InexactUnack },
		"6.18.44-fc": func(p model.Profile) bool { return p == model.Linux618() && !p.DCCP && p.NetnsInLog },
		"6.19":       func(p model.Profile) bool { return p.Name == "6.19" && !p.NetnsInLog && !p.DCCP },
	} {
		p, ok := model.ForKernel(release)
		if ok != (want != nil) || !ok && p != none || ok && !want(p) {
			t.Errorf("%s: %v %+v", release, ok, p)
		}
	}
}

// trial is what two kernels make of the same packets.
type trial struct {
	t       *testing.T
	m       *model.Model
	d       *packet.Decoder
	talk    *oracle.Conversation
	at      int64
	verdict model.Verdict
}

func newTrial(t *testing.T, p model.Profile) *trial {
	a, b := differ.Ends(0, false)
	return &trial{t: t, m: model.New(model.Config{Profile: p}), d: packet.NewDecoder(packet.Options{Checksums: true, DCCP: p.DCCP}), talk: oracle.NewConversation(a, b, 1)}
}

func (r *trial) step(packets ...oracle.Packet) model.Verdict {
	var p packet.Packet
	for _, o := range packets {
		r.at += 1e6
		r.d.IP(r.at, r.talk.Append(nil, o), &p)
		r.verdict = r.m.Step(r.at, &p)
	}
	return r.verdict
}

func seg(reply bool, flags byte, off int32) oracle.Segment {
	return oracle.Segment{Reply: reply, Flags: flags, SeqOff: off, Window: 5000, WScale: -1}
}

var handshake = []oracle.Packet{seg(false, oracle.SYN, 0), seg(true, oracle.SYN|oracle.ACK, 0), seg(false, oracle.ACK, 0)}

// TestProfilesDiffer states each difference between kernels as packets that they answer differently.
func TestProfilesDiffer(t *testing.T) {
	old, new := model.Linux510(), model.Linux618()
	with := func(f func(p *model.Profile)) model.Profile { p := new; f(&p); return p }
	udp := func(reply bool) oracle.Packet { return oracle.Datagram{Proto: 17, Reply: reply} }
	closing := append(slices.Clone(handshake), seg(false, oracle.FIN|oracle.ACK, 0), seg(true, oracle.FIN|oracle.ACK, 0), seg(false, oracle.ACK, 0))
	for _, c := range []struct {
		name     string
		without  model.Profile
		packets  []oracle.Packet
		before   func(v model.Verdict) bool
		standing func(v model.Verdict) bool // on 6.18
	}{
		{"a bad FIN is ignored, not invalid (6.1)", with(func(p *model.Profile) { p.Ignore = false }), append(slices.Clone(handshake), seg(false, oracle.SYN, 1<<20)),
			func(v model.Verdict) bool { return v.Flow != 0 }, func(v model.Verdict) bool { return v.Flow != 0 }},
		{"an RST of a closed flow is taken unchecked (5.14)", with(func(p *model.Profile) { p.ClosingRst = false }), append(slices.Clone(closing), seg(false, oracle.RST, 100000)),
			func(v model.Verdict) bool { return v.Result == model.Invalid }, func(v model.Verdict) bool { return v.State == flow.MakeState(flow.TCP, 8) }},
		{"UDP is assured by a reply alone (before 5.15)", old, []oracle.Packet{udp(false), udp(true), udp(false)},
			func(v model.Verdict) bool { return v.Status&flow.Assured != 0 }, func(v model.Verdict) bool { return v.Status&flow.Assured == 0 }},
		{"SCTP is established for five days (to 5.15)", old, []oracle.Packet{
			oracle.Association{Chunks: []byte{oracle.SCTPInit}, Tag: oracle.TagZero}, oracle.Association{Chunks: []byte{oracle.SCTPInitAck}, Reply: true},
			oracle.Association{Chunks: []byte{oracle.SCTPCookieEcho}}, oracle.Association{Chunks: []byte{oracle.SCTPCookieAck}, Reply: true}},
			func(v model.Verdict) bool { return v.Timeout == 432000e9 }, func(v model.Verdict) bool { return v.Timeout == 210e9 }},
		{"a heartbeat's answer has a state of its own (to 5.15)", old, []oracle.Packet{
			oracle.Association{Chunks: []byte{oracle.SCTPHeartbeat}}, oracle.Association{Chunks: []byte{oracle.SCTPHeartbeatAck}, Reply: true}},
			func(v model.Verdict) bool { return v.State == flow.MakeState(flow.SCTP, 9) }, func(v model.Verdict) bool { return v.State == flow.MakeState(flow.SCTP, 4) }},
		{"an RST that is not exact has its own timeout (6.12.117)", with(func(p *model.Profile) { p.InexactUnack = true }), append(slices.Clone(handshake), seg(false, oracle.RST, 100)),
			func(v model.Verdict) bool { return v.Timeout == 300e9 }, func(v model.Verdict) bool { return v.Timeout == 10e9 }},
	} {
		if v := newTrial(t, c.without).step(c.packets...); !c.before(v) {
			t.Errorf("%s: without the switch %+v", c.name, v)
		}
		if v := newTrial(t, new).step(c.packets...); !c.standing(v) {
			t.Errorf("%s: 6.18 %+v", c.name, v)
		}
	}
}
