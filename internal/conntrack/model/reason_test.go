package model_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

// raw is an IPv4 packet with a header that is right.
func raw(proto byte, src, dst string, body []byte) []byte {
	a, b := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	ip := append([]byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0}, a[:]...)
	ip = append(append(ip, b[:]...), body...)
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	return packet.Repair(nil, ip)
}

// TestFaultsHaveReasons gives the kernel and the model packets with one fault each, and compares what
// log_invalid says.
func TestFaultsHaveReasons(t *testing.T) {
	const src, dst = "10.1.0.1", "10.200.0.1"
	lite := func(cover uint16, sum byte) []byte {
		return []byte{1, 2, 3, 4, byte(cover >> 8), byte(cover), sum, sum, 'd', 'a', 't', 'a'}
	}
	open := oracle.NewConversation(netip.MustParseAddrPort(src+":1000"), netip.MustParseAddrPort(dst+":53"), 1).Append(nil, oracle.Datagram{Proto: 17})
	stray := func(from, to string) []byte { return raw(1, from, to, append([]byte{3, 1, 0, 0, 0, 0, 0, 0}, open...)) }
	b, _ := openBench(t, differ.Options{})
	for _, c := range []struct {
		name, want string
		packet     []byte
	}{
		{"udp", "", open},
		{"sctp", "nf_ct_proto_132: nf_ct_sctp: short packet", raw(132, src, dst, make([]byte, 11))},
		{"coverage", "nf_ct_proto_136: invalid checksum coverage", raw(136, src, dst, lite(7, 1))},
		{"long coverage", "nf_ct_proto_136: invalid checksum coverage", raw(136, src, dst, lite(13, 1))},
		{"no checksum", "nf_ct_proto_136: checksum missing", raw(136, src, dst, lite(0, 0))},
		{"udp length", "nf_ct_proto_17: truncated/malformed packet", raw(17, src, dst, []byte{1, 2, 3, 4, 0, 7, 0, 0})},
		{"stray error", "nf_ct_proto_1: outer daddr 10.9.9.9 != inner 10.1.0.1", stray(dst, "10.9.9.9")},
		{"martian", "", raw(17, "224.0.0.1", dst, []byte{1, 2, 3, 4, 0, 8, 0, 0})},
	} {
		answers, err := b.Feed([][]byte{c.packet})
		if err != nil {
			t.Fatal(err)
		}
		if v := answers[0].Verdict; answers[0].Diff != "" || v.Reason.String() != c.want {
			t.Errorf("%s: %s; %s %q, want %q", c.name, answers[0].Diff, v.Result, v.Reason, c.want)
		}
	}
	if v := b.Model.Count(); v != 1 || b.Model.Counters().New != 1 {
		t.Errorf("%d flows", v)
	}
}
