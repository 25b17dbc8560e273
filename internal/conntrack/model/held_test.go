package model

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// checkHeld compares the running figure with a count of the whole table.
func checkHeld(t *testing.T, m *Model) {
	t.Helper()
	n := 0
	for place := range m.index.places() {
		s := m.index.at(place)
		if s == 0 {
			continue
		}
		i := uint32(s) - 1
		if m.arena.track(i).status&uint16(flow.Assured) != 0 && holds(m.arena.head(i), m.arena.track(i)) {
			n++
		}
	}
	if m.Held() != n {
		t.Fatalf("held is %d, the table holds %d", m.Held(), n)
	}
}

// tcpFrame is an IPv4 TCP segment between 10.0.0.1:port and 10.0.0.2:80, either way.
func tcpFrame(port uint16, reply bool, flags byte, seq, ack uint32) []byte {
	b := make([]byte, 40)
	copy(b, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], port)
	b[23] = 80
	if reply {
		copy(b[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
		copy(b[20:], []byte{0, 80, byte(port >> 8), byte(port)})
	}
	binary.BigEndian.PutUint32(b[24:], seq)
	binary.BigEndian.PutUint32(b[28:], ack)
	b[32], b[33] = 5<<4, flags
	binary.BigEndian.PutUint16(b[34:], 1000)
	return packet.Repair(nil, b)
}

// TestHeld runs connections that open, close, are reset, reopened, evicted and expire in any order.
func TestHeld(t *testing.T) {
	set := Defaults(Linux618())
	set.Max, set.Buckets, set.TCPBeLiberal, set.Checksum = 60, 64, true, false
	m, d := New(Config{Settings: &set}), packet.NewDecoder(packet.Options{})
	r := rand.New(rand.NewPCG(1, 2))
	const ackFlag = packet.ACK
	script := []struct {
		reply bool
		flags byte
	}{{false, packet.SYN}, {true, packet.SYN | ackFlag}, {false, ackFlag}, {true, ackFlag}, {false, ackFlag}, {false, packet.FIN | ackFlag},
		{true, packet.FIN | ackFlag}, {false, ackFlag}, {true, packet.RST | ackFlag}}
	var place [100]int
	now, most := int64(0), 0
	for range 20000 {
		now += r.Int64N(second)
		if r.IntN(500) == 0 {
			now += 300 * second
		}
		var p packet.Packet
		port := r.IntN(100)
		if place[port]++; r.IntN(20) == 0 {
			place[port] = r.IntN(len(script))
		}
		st := script[place[port]%len(script)]
		d.IP(now, tcpFrame(uint16(port), st.reply, st.flags, 1, 2), &p)
		m.Step(now, &p)
		checkHeld(t, m)
		most = max(most, m.Held())
	}
	if most < 10 {
		t.Errorf("at most %d flows were held: the test met none", most)
	}
	m.Advance(now + 1e6*second)
	if m.Held() != 0 || m.Count() != 0 {
		t.Errorf("long after the last packet: held %d, count %d", m.Held(), m.Count())
	}
}
