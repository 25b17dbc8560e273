package model

import (
	"os"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/packet"
)

// flagsOf are the flag sets of each class of segment, PSH and URG variants included.
var flagsOf = [6][]uint8{
	packet.ClassSyn:    {packet.SYN, packet.SYN | packet.URG, packet.SYN | packet.PSH},
	packet.ClassSynAck: {packet.SYN | packet.ACK, packet.SYN | packet.ACK | packet.PSH},
	packet.ClassFin:    {packet.FIN | packet.ACK, packet.FIN | packet.ACK | packet.URG, packet.FIN | packet.ACK | packet.PSH},
	packet.ClassAck:    {packet.ACK, packet.ACK | packet.PSH, packet.ACK | packet.URG},
	packet.ClassRst:    {packet.RST, packet.RST | packet.ACK},
	packet.ClassNone:   {0, packet.PSH, packet.URG},
}

func segment4(dir int, flags uint8) []byte {
	b := make([]byte, 40)
	copy(b, []byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 99, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 5 << 4, flags, 0, 100})
	if dir == 1 {
		copy(b[12:], []byte{10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 0, 99})
	}
	return packet.Repair(nil, b)
}

// TestEveryTransition steps every flag set in both directions from every state and compares with the table
// file, read here on its own. What the table does not say is named: reopening, and RST without reply.
func TestEveryTransition(t *testing.T) {
	rows := readTable(t)
	names := map[string]uint8{"no": stNone, "ss": stSynSent, "sr": stSynRecv, "es": stEstablished, "fw": stFinWait, "cw": stCloseWait,
		"la": stLastAck, "tw": stTimeWait, "cl": stClose, "s2": stSynSent2}
	cases := 0
	for dir := range 2 {
		for class, sets := range flagsOf {
			for state := stSynSent; state <= stSynSent2; state++ {
				for _, flags := range sets {
					cases++
					want := rows[dir][class][state]
					v := stepFrom(t, dir, state, flags)
					switch {
					case class == int(packet.ClassNone), want == "inv":
						if v.Result != Invalid {
							t.Errorf("dir %d state %d flags %#x: %s, want invalid", dir, state, flags, v.Result)
						}
					case want == "ign", want == "ss" && state >= stTimeWait && state != stSynSent2: // no FIN was seen: the SYN is ignored
						if v.State.Number() != state || v.Timeout != 5*second || v.Reason.code != reasonIgnored {
							t.Errorf("dir %d state %d flags %#x: %v %d %s, want ignored", dir, state, flags, v.State, v.Timeout, v.Reason)
						}
					default:
						if v.State.Number() != names[want] {
							t.Errorf("dir %d state %d flags %#x: %v %s, want %s", dir, state, flags, v.State, v.Reason, want)
						}
					}
				}
			}
		}
	}
	t.Logf("%d transitions", cases)
}

func stepFrom(t *testing.T, dir int, state, flags uint8) Verdict {
	t.Helper()
	m := New(Config{})
	tuple := func(a, b byte, s, d uint16) packet.Tuple {
		return packet.Tuple{Proto: 6, Family: 4, Src: [16]byte{10, 0, 0, a}, Dst: [16]byte{10, 0, 0, b}, SPort: s, DPort: d}
	}
	if !m.Load(tuple(1, 2, 99, 80), tuple(2, 1, 80, 99), flow.Confirmed|flow.SeenReply, flow.MakeState(flow.TCP, state), 0, 5*second+1) {
		t.Fatal("not loaded")
	}
	var p packet.Packet
	packet.NewDecoder(packet.Options{Checksums: true}).IP(1, segment4(dir, flags), &p)
	return m.Step(1, &p)
}

func readTable(t *testing.T) (rows [2][][]string) {
	t.Helper()
	text, err := os.ReadFile("tcp.table")
	if err != nil {
		t.Fatal(err)
	}
	dir := -1
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] == "#":
		case f[0] == "orig" || f[0] == "reply":
			dir++
		default:
			rows[dir] = append(rows[dir], f[1:])
		}
	}
	return rows
}

// TestFirstSegment: only a SYN, or with tcp_loose an ACK, opens a flow.
func TestFirstSegment(t *testing.T) {
	for _, loose := range []bool{true, false} {
		for class, sets := range flagsOf {
			for _, flags := range sets {
				s := Defaults(Linux618())
				s.TCPLoose = loose
				m := New(Config{Settings: &s})
				var p packet.Packet
				packet.NewDecoder(packet.Options{}).IP(1, segment4(0, flags), &p)
				v := m.Step(1, &p)
				opens := class == int(packet.ClassSyn) || class == int(packet.ClassAck) && loose
				if (v.Result == NewFlow) != opens {
					t.Errorf("loose %v flags %#x: %s", loose, flags, v.Result)
				}
			}
		}
	}
}

// TestStepDoesNotAllocate: established traffic costs no allocation.
func TestStepDoesNotAllocate(t *testing.T) {
	m, d := New(Config{}), packet.NewDecoder(packet.Options{Checksums: true})
	var p packet.Packet
	frames := [][]byte{segment4(0, packet.SYN), segment4(1, packet.SYN|packet.ACK), segment4(0, packet.ACK)}
	i := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		i++
		d.IP(i, frames[i%3], &p)
		m.Step(i, &p)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{}, uint8(101))
	f.Add(segment4(0, packet.SYN), uint8(101))
	f.Add(append(segment4(1, packet.RST), segment4(0, packet.ACK)...), uint8(12))
	f.Fuzz(func(t *testing.T, data []byte, link uint8) {
		s := Defaults(Linux618())
		s.Max, s.Buckets = 8, 512
		m, d := newTwins(Config{Settings: &s}), packet.NewDecoder(packet.Options{Checksums: len(data)%2 == 0})
		var p packet.Packet
		for now := int64(0); len(data) > 0; now += 400e6 {
			n := min(int(data[0])+1, len(data))
			d.Decode(now, packet.Link(link), data[:n], &p)
			_ = m.step(t, now, &p).Reason.String()
			d.IP(now, packet.Repair(nil, data[:n]), &p)
			v := m.step(t, now, &p)
			if m.short.Count() > 8 || v.Result == 0 || v.Timeout < 0 && v.Result >= NewFlow {
				t.Fatalf("count %d, %+v", m.short.Count(), v)
			}
			data = data[n:]
		}
	})
}
