package replay

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// BenchmarkSingleRun is a replay of one run: 200,000 flows whose packets come in random order, as a capture holds them: one
// behind the other. Played together, and one by one, as a trace has to be.
func BenchmarkSingleRun(b *testing.B) {
	const n = 200_000
	b.Run("together", func(b *testing.B) { benchSingle(b, n, nil) })
	b.Run("one by one", func(b *testing.B) { benchSingle(b, n, func(*packet.Packet, model.Verdict) {}) })
}

func benchSingle(b *testing.B, n int, verdict func(*packet.Packet, model.Verdict)) {
	if b.N == 1 {
		n = 1000
	}
	set := model.Defaults(model.Linux618())
	p := New(Options{Variants: []Variant{{Profile: model.Linux618(), Settings: set}}, Flows: n, Verdict: verdict})
	d := packet.NewDecoder(packet.Options{})
	var pk packet.Packet
	play := func(at int64, f []byte) {
		d.IP(at, f, &pk)
		p.Packet(at, &pk)
	}
	frames := datagrams(n)
	for way := range 3 { // out, back, and out again, so that all are assured
		for i := range n {
			play(int64(way)*3e9, frames[(way%2*n+i)*28:][:28])
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		play(6e9+int64(i), frames[i%(2*n)*28:][:28])
	}
	b.StopTimer()
	if got := p.Finish()[0].Peak; got != n {
		b.Fatalf("%d flows", got)
	}
}

// datagrams are a UDP packet of each of n flows in random order, then an answer to each in another.
func datagrams(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var out []byte
	for way := range 2 {
		for _, i := range r.Perm(n) {
			f := []byte{0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, byte(i >> 16), 0, 1, 10, 200, 0, 1, byte(i >> 8), byte(i), 0, 53, 0, 8, 0, 0}
			if way == 1 {
				copy(f[12:], []byte{10, 200, 0, 1, 10, byte(i >> 16), 0, 1, 0, 53, byte(i >> 8), byte(i)})
			}
			binary.BigEndian.PutUint16(f[24:], 8)
			out = append(out, packet.Repair(nil, f)...)
		}
	}
	return out
}
