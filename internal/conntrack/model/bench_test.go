package model_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
)

// traffic is a frame a flow, of established TCP or UDP, in memory as a capture would lie there.
type traffic struct {
	frames []byte
	size   int
	order  []int32
}

func (t *traffic) frame(i int) []byte {
	at := int(t.order[i%len(t.order)]) * t.size
	return t.frames[at : at+t.size]
}

func newTraffic(n int, proto byte, shuffled bool) *traffic {
	t := &traffic{size: 54, order: make([]int32, n)}
	if proto == 17 {
		t.size = 42
	}
	t.frames = make([]byte, n*t.size)
	for i := range n {
		t.order[i] = int32(i)
		b := t.frames[i*t.size : (i+1)*t.size]
		b[12] = 8
		copy(b[14:], []byte{0x45, 0, 0, byte(t.size - 14), 0, 0, 0x40, 0, 64, proto, 0, 0, 10, byte(i >> 24), byte(i >> 16), 1, 10, 200, 0, 1, byte(i >> 8), byte(i), 0, 80})
		if proto == 6 {
			copy(b[38:], []byte{0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, packet.ACK, 0x10, 0})
		} else {
			b[39] = 8
		}
		copy(b[14:], packet.Repair(nil, b[14:]))
	}
	if shuffled {
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { t.order[i], t.order[j] = t.order[j], t.order[i] })
	}
	return t
}

// floor is what a table costs at least: hand decode, one look-up in a pre-sized open-addressing table, one
// write of state and deadline. No tracker, no checks beyond what finding the ports needs.
type floor struct {
	slots []uint64
	flows []floorFlow
	mask  uint64
}

type floorFlow struct {
	key      [13]byte
	state    uint8
	deadline int64
	_        [40]byte
}

func newFloor(n int) *floor {
	size := 1
	for size*3/4 < n {
		size *= 2
	}
	return &floor{slots: make([]uint64, size), flows: make([]floorFlow, 0, n), mask: uint64(size - 1)}
}

func (f *floor) step(now int64, b []byte, insert bool) bool {
	if len(b) < 42 || b[12] != 8 || b[14] != 0x45 {
		return false
	}
	var key [13]byte
	copy(key[:12], b[26:38])
	key[12] = b[23]
	h := binary.LittleEndian.Uint64(key[:])*0x9e3779b97f4a7c15 ^ uint64(binary.LittleEndian.Uint32(key[8:]))*0xd6e8feb86659fd93
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	tag := h >> 32 << 32
	for i := h & f.mask; ; i = (i + 1) & f.mask {
		s := f.slots[i]
		if s == 0 {
			if !insert {
				return false
			}
			f.flows = append(f.flows, floorFlow{key: key})
			f.slots[i] = tag | uint64(len(f.flows))
			s = f.slots[i]
		}
		if s&^0xffffffff == tag {
			if fl := &f.flows[uint32(s)-1]; fl.key == key {
				fl.state = b[len(b)-1] | 1
				fl.deadline = now + 1e9
				return true
			}
		}
	}
}

// loaded is a model that holds the traffic's flows, established and assured.
func loaded(b *testing.B, t *traffic, proto byte) *model.Model {
	b.Helper()
	s := model.Defaults(model.Linux618())
	s.Max, s.Buckets, s.Acct = int64(len(t.order))+10, max(int64(len(t.order)), 512), false
	m := model.New(model.Config{Settings: &s, Flows: len(t.order)})
	status, state := flow.Confirmed|flow.SeenReply|flow.Assured, flow.NoState
	if proto == 6 {
		state = flow.TCPEstablished
	}
	for i := range t.order {
		src := [16]byte{10, byte(i >> 24), byte(i >> 16), 1}
		o := packet.Tuple{Proto: proto, Family: 4, Src: src, Dst: [16]byte{10, 200, 0, 1}, SPort: uint16(i), DPort: 80}
		r := packet.Tuple{Proto: proto, Family: 4, Src: o.Dst, Dst: src, SPort: 80, DPort: uint16(i)}
		if !m.Load(o, r, status, state, 0, 1e17) {
			b.Fatal("not loaded")
		}
	}
	return m
}

func sizes() []int {
	if number("CTK_BENCH_10M", 0) > 0 {
		return []int{10_000, 1_000_000, 10_000_000}
	}
	return []int{10_000, 1_000_000}
}

// BenchmarkEstablished has the floor, the model one by one, and the model by batches in one run.
func BenchmarkEstablished(b *testing.B) {
	for _, proto := range []byte{6, 17} {
		for _, n := range sizes() {
			for _, shuffled := range []bool{false, true} {
				name := fmt.Sprintf("proto=%d/flows=%d/random=%v/", proto, n, shuffled)
				b.Run(name+"floor", func(b *testing.B) { benchFloor(b, sized(b, n, proto, shuffled)) })
				b.Run(name+"model", func(b *testing.B) { benchModel(b, sized(b, n, proto, shuffled), proto) })
				b.Run(name+"batch", func(b *testing.B) { benchBatch(b, sized(b, n, proto, shuffled), proto) })
			}
		}
	}
}

// sized is traffic of n flows; of a few for a benchmark that only shows that it runs.
func sized(b *testing.B, n int, proto byte, shuffled bool) *traffic {
	if b.N == 1 {
		n = min(n, 1000)
	}
	return newTraffic(n, proto, shuffled)
}

func benchFloor(b *testing.B, t *traffic) {
	f := newFloor(len(t.order))
	for i := range t.order {
		f.step(1, t.frames[i*t.size:(i+1)*t.size], true)
	}
	onCPU(b, func() {
		for i := range b.N {
			if !f.step(int64(i), t.frame(i), false) {
				b.Fatal("lost")
			}
		}
	})
}

// warm is a loaded model after a packet of each flow, as the floor's table is.
func warm(b *testing.B, t *traffic, proto byte) (*model.Model, *packet.Decoder) {
	b.Helper()
	m, d := loaded(b, t, proto), packet.NewDecoder(packet.Options{})
	var p packet.Packet
	for i := range t.order {
		d.Decode(0, packet.Ethernet, t.frame(i), &p)
		m.Step(0, &p)
	}
	return m, d
}

func benchModel(b *testing.B, t *traffic, proto byte) {
	m, d := warm(b, t, proto)
	var p packet.Packet
	onCPU(b, func() {
		for i := range b.N {
			d.Decode(int64(i), packet.Ethernet, t.frame(i), &p)
			if m.Step(int64(i), &p).Result != model.Established {
				b.Fatal("lost")
			}
		}
	})
}

func benchBatch(b *testing.B, t *traffic, proto byte) {
	m, d := warm(b, t, proto)
	const n = 64
	var ps [n]packet.Packet
	var vs [n]model.Verdict
	var now [n]int64
	var frames [n][]byte
	onCPU(b, func() {
		for i := 0; i < b.N; i += n {
			for j := range n {
				now[j], frames[j] = int64(i+j), t.frame(i+j)
			}
			d.Batch(now[:], packet.Ethernet, frames[:], ps[:])
			m.StepBatch(now[:], ps[:], vs[:])
			if vs[0].Result != model.Established {
				b.Fatal(vs[0].Result)
			}
		}
	})
}

// BenchmarkNewAtFull has, beside the floor in a table of as many flows, a new flow that evicts one, in a table full of
// unassured flows: every packet is of a flow that the table does not hold, but for the few that survived all others.
func BenchmarkNewAtFull(b *testing.B) {
	const n = 262144
	b.Run("floor", func(b *testing.B) { benchFloor(b, newTraffic(n, 17, true)) })
	t := newTraffic(8*n, 17, false)
	b.Run("model", func(b *testing.B) {
		m, d := fullTable(b, 0, n, n, 1), packet.NewDecoder(packet.Options{})
		var p packet.Packet
		refused := 0
		onCPU(b, func() {
			for i := range b.N {
				d.Decode(2, packet.Ethernet, t.frame(i), &p)
				if m.Step(2, &p).Result == model.Refused {
					refused++
				}
			}
		})
		if b.N > 100 && refused > b.N/100 {
			b.Fatalf("%d of %d refused", refused, b.N)
		}
	})
}

// BenchmarkMemory reports the bytes that a flow takes, index included: once, however many times it is asked for.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	t := &traffic{order: make([]int32, n)}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := loaded(b, t, 6)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/flow")
	runtime.KeepAlive(m)
}
