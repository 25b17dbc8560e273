package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// established is a frame of an established TCP connection for each of n flows.
func established(n int) [][]byte {
	frames := make([][]byte, n)
	all := make([]byte, 54*n)
	for i := range frames {
		b := all[54*i : 54*i+54 : 54*i+54]
		b[12] = 8
		copy(b[14:], []byte{0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, byte(i >> 24), byte(i >> 16), 1, 10, 200, 0, 1, byte(i >> 8), byte(i), 0, 80,
			0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, packet.ACK, 0x10, 0})
		copy(b[14:], packet.Repair(nil, b[14:]))
		frames[i] = b
	}
	return frames
}

// mapped is a flow of the tracker that one writes with a general decoder and a Go map.
type mapped struct {
	state    uint8
	deadline int64
}

type mapKey struct {
	a, b         gopacket.Endpoint
	aPort, bPort gopacket.Endpoint
}

// BenchmarkModelBesideGopacket has the model, by batches and one by one, and gopacket's DecodingLayerParser with a Go map
// of flows, over the same packets of a million established connections in random order: processor time a packet.
func BenchmarkModelBesideGopacket(b *testing.B) {
	const n = 1_000_000
	frames := established(n)
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	b.Run("gopacket", func(b *testing.B) { benchGopacket(b, frames) })
	b.Run("model", func(b *testing.B) { benchModel(b, frames, 1) })
	b.Run("batch", func(b *testing.B) { benchModel(b, frames, model.BatchSize) })
}

func benchGopacket(b *testing.B, frames [][]byte) {
	var eth layers.Ethernet
	var ip layers.IPv4
	var tcp layers.TCP
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &tcp)
	parser.IgnoreUnsupported = true
	decoded := make([]gopacket.LayerType, 0, 4)
	flows := make(map[mapKey]*mapped, len(frames))
	step := func(now int64, frame []byte) {
		if err := parser.DecodeLayers(frame, &decoded); err != nil {
			b.Fatal(err)
		}
		k := mapKey{ip.NetworkFlow().Src(), ip.NetworkFlow().Dst(), tcp.TransportFlow().Src(), tcp.TransportFlow().Dst()}
		f := flows[k]
		if f == nil {
			f = &mapped{}
			flows[k] = f
		}
		f.state, f.deadline = 3, now+432000e9
	}
	for _, f := range frames {
		step(0, f)
	}
	perPacket(b, func() {
		for i := range b.N {
			step(int64(i), frames[i%len(frames)])
		}
	})
}

func benchModel(b *testing.B, frames [][]byte, batch int) {
	set := model.Defaults(model.Linux618())
	set.Max, set.Buckets = int64(len(frames)), int64(len(frames))
	m, d := model.New(model.Config{Settings: &set, Flows: len(frames)}), packet.NewDecoder(packet.Options{})
	for _, f := range frames {
		o := packet.Tuple{Proto: 6, Family: 4, Src: [16]byte(append(f[26:30:30], make([]byte, 12)...)), Dst: [16]byte{10, 200, 0, 1},
			SPort: binary.BigEndian.Uint16(f[34:]), DPort: 80}
		r := packet.Tuple{Proto: 6, Family: 4, Src: o.Dst, Dst: o.Src, SPort: 80, DPort: o.SPort}
		if !m.Load(o, r, flow.Confirmed|flow.SeenReply|flow.Assured, flow.TCPEstablished, 0, 1e17) {
			b.Fatal("not loaded")
		}
	}
	now, ps, vs := make([]int64, batch), make([]packet.Packet, batch), make([]model.Verdict, batch)
	step := func(i int) {
		for j := range now {
			now[j] = int64(i)
		}
		at := i % (len(frames) - batch)
		d.Batch(now, packet.Ethernet, frames[at:at+batch], ps)
		if m.StepBatch(now, ps, vs); vs[0].Result != model.Established {
			b.Fatal(vs[0].Result)
		}
	}
	for i := 0; i < len(frames)-batch; i += batch {
		step(i)
	}
	perPacket(b, func() {
		for i := 0; i < b.N; i += batch {
			step(i + len(frames))
		}
	})
}

// perPacket reports the processor time of the thread that runs b.N packets: other work on the machine is not in it.
func perPacket(b *testing.B, run func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	b.ResetTimer()
	var from, to syscall.Rusage
	const thread = 1
	if err := syscall.Getrusage(thread, &from); err != nil {
		b.Fatal(err)
	}
	run()
	if err := syscall.Getrusage(thread, &to); err != nil {
		b.Fatal(err)
	}
	spent := to.Utime.Nano() + to.Stime.Nano() - from.Utime.Nano() - from.Stime.Nano()
	b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)*1e9/float64(max(spent, 1)), "packets/cpu-s")
}
