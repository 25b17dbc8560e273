package packet

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// udp builds an IPv4 UDP packet with right checksums.
func udp(payload []byte) []byte {
	b := append([]byte{0x45, 0, 0, 0, 0, 9, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 53, 0, 0, 0xff, 0xff}, payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[24:], uint16(len(b)-20))
	return Repair(nil, b)
}

func decode(ip []byte) (p Packet) {
	NewDecoder(Options{Checksums: true}).IP(0, ip, &p)
	return p
}

func TestLinks(t *testing.T) {
	ip := udp([]byte("x"))
	for name, c := range map[string]struct {
		link Link
		head []byte
		tags uint8
	}{
		"ethernet": {Ethernet, append(make([]byte, 12), 8, 0), 0},
		"vlan":     {Ethernet, append(make([]byte, 12), 0x81, 0, 0, 5, 8, 0), 1},
		"qinq":     {Ethernet, append(make([]byte, 12), 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0), 2},
		"raw":      {Raw, nil, 0},
		"ipv4":     {IPv4, nil, 0},
		"sll":      {SLL, append(make([]byte, 14), 8, 0), 0},
		"sll2":     {SLL2, append([]byte{8, 0}, make([]byte, 18)...), 0},
		"null":     {Null, []byte{2, 0, 0, 0}, 0},
		"loop":     {Loop, []byte{0, 0, 0, 2}, 0},
		"ppp":      {PPP, []byte{0xff, 3, 0, 0x21}, 0},
		"chdlc":    {CHDLC, []byte{0x0f, 0, 8, 0}, 0},
	} {
		got, tags := Network(c.link, append(c.head, ip...))
		if !bytes.Equal(got, ip) || tags != c.tags {
			t.Errorf("%s: %d bytes, %d tags", name, len(got), tags)
		}
		if cut, _ := Network(c.link, c.head[:len(c.head)/2]); len(cut) > 0 {
			t.Errorf("%s cut short: %x", name, cut)
		}
	}
}

func TestRepairMendsChecksums(t *testing.T) {
	good := udp([]byte("hello"))
	if p := decode(good); p.Kind != Tracked || p.BadSum || p.Fault != NoFault {
		t.Fatalf("repaired packet: %+v", p)
	}
	bad := bytes.Clone(good)
	bad[27] ^= 1
	if p := decode(bad); !p.BadSum {
		t.Error("a wrong UDP checksum was not seen")
	}
	bad[11] ^= 1
	if p := decode(bad); p.Kind != Dropped {
		t.Error("a wrong header checksum was not seen")
	}
	if got := Repair(nil, bad); !bytes.Equal(got, good) {
		t.Errorf("repaired %x, want %x", got, good)
	}
	cut := good[:len(good)-3]
	if p := decode(cut); p.Kind != Dropped || !p.Cut {
		t.Errorf("cut packet: %+v", p)
	}
	if p := decode(Repair(nil, cut)); p.Kind != Tracked || p.BadSum {
		t.Errorf("cut packet repaired: %+v", p)
	}
}

func TestInverseHasSameKey(t *testing.T) {
	for _, tu := range []Tuple{
		{Proto: 6, Family: 4, Src: [16]byte{10, 0, 0, 1}, Dst: [16]byte{10, 0, 0, 2}, SPort: 5, DPort: 6},
		{Proto: 1, Family: 4, Src: [16]byte{10, 0, 0, 9}, Dst: [16]byte{10, 0, 0, 2}, ICMPType: 8, ICMPID: 3, ICMPCode: 5},
		{Proto: 58, Family: 6, Src: [16]byte{0xfd, 1}, Dst: [16]byte{0xfd, 2}, ICMPType: 128, ICMPID: 3},
		{Proto: 99, Family: 4, Src: [16]byte{10, 0, 0, 9}, Dst: [16]byte{10, 0, 0, 2}},
	} {
		k, turn, ok := tu.Canonical()
		if !ok || k.Tuple(turn) != tu {
			t.Errorf("%+v: %+v turn %d is not it", tu, k.Tuple(turn), turn)
		}
		inverse := k.Tuple(turn ^ 1)
		k2, turn2, ok := inverse.Canonical()
		if !ok || k2 != k || turn2 == turn {
			t.Errorf("%+v: inverse %+v has another key", tu, inverse)
		}
	}
	for _, typ := range []uint8{3, 5, 11, 12, 30} {
		if _, _, ok := (&Tuple{Proto: 1, Family: 4, ICMPType: typ}).Canonical(); ok {
			t.Errorf("ICMP type %d has an inverse", typ)
		}
	}
}

// fragment cuts a packet's payload.
func fragment(ip []byte, from, to int, more bool) []byte {
	b := append(bytes.Clone(ip[:20]), ip[20+from:20+to]...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	field := uint16(from / 8)
	if more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], field)
	return Repair(nil, b)
}

func TestReassembly(t *testing.T) {
	whole := udp(bytes.Repeat([]byte("abcdefgh"), 10)) // 88 bytes behind the header
	a, b, c := fragment(whole, 0, 32, true), fragment(whole, 32, 64, true), fragment(whole, 64, 88, false)
	overlap := fragment(whole, 24, 56, true)
	for name, s := range map[string]struct {
		frames [][]byte
		done   bool
	}{
		"in order": {[][]byte{a, b, c}, true}, "backwards": {[][]byte{c, b, a}, true}, "a repeat": {[][]byte{a, a, b, c}, true},
		"an overlap kills": {[][]byte{a, overlap, b, c}, false}, "one is missing": {[][]byte{a, c}, false},
	} {
		d := NewDecoder(Options{Checksums: true})
		var p Packet
		for i, f := range s.frames {
			d.IP(int64(i), f, &p)
			if want := i == len(s.frames)-1 && s.done; (p.Kind == Tracked) != want || !p.Frag {
				t.Errorf("%s, fragment %d: kind %d", name, i, p.Kind)
			}
		}
		if s.done && (p.Len != uint32(len(whole)) || p.BadSum || p.Fault != NoFault) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	d := NewDecoder(Options{})
	var p Packet
	d.IP(0, a, &p)
	d.IP(1, b, &p)
	if d.IP(31e9, c, &p); p.Kind != Queued {
		t.Errorf("fragments were put together after their time: %d", p.Kind)
	}
}

func TestFragmentFloodIsBounded(t *testing.T) {
	d := NewDecoder(Options{})
	whole := udp(make([]byte, 1400))
	var p Packet
	for i := range 20000 {
		f := fragment(whole, 0, 1400, true)
		binary.BigEndian.PutUint16(f[4:], uint16(i))
		f[12] = byte(i >> 16)
		d.IP(0, Repair(nil, f), &p)
	}
	if d.frags.held > maxHeld+maxDatagram || len(d.frags.queues) > maxQueues {
		t.Errorf("%d bytes in %d queues", d.frags.held, len(d.frags.queues))
	}
}

// chainEnd is where the extension headers that a packet holds lead.
func chainEnd(ip []byte) [2]int {
	next, at, _ := chain(ip)
	return [2]int{int(next), at}
}

func FuzzDecode(f *testing.F) {
	whole := udp(bytes.Repeat([]byte("abcdefgh"), 10))
	f.Add([]byte{}, uint16(1))
	f.Add(whole, uint16(101))
	f.Add(fragment(whole, 0, 32, true), uint16(101))
	f.Add(append(append(make([]byte, 12), 8, 0), whole...), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, link uint16) {
		d := NewDecoder(Options{Checksums: true, DCCP: link%2 == 0})
		var p Packet
		for now := range int64(3) {
			d.Decode(now, Link(link), b, &p)
			if p.Kind < NotIP || p.Kind > Tracked {
				t.Fatalf("kind %d", p.Kind)
			}
		}
		ip, _ := Network(Link(link), b)
		samePlain(t, Options{Checksums: link%3 == 0, Seed: uint64(link)}, ip)
		if len(ip) == 0 || ip[0]>>4 == 4 && ip[0]&15 < 5 {
			return // the checksum's own field lies outside such a header
		}
		once := Repair(nil, ip)
		if ip[0]>>4 == 6 && len(ip) >= 40 && chainEnd(ip) != chainEnd(once) {
			return // its extension headers were cut: only what the capture holds is walked, and padding adds to that
		}
		if twice := Repair(nil, once); !bytes.Equal(once, twice) {
			t.Fatalf("repairing twice differs: %.200x… and %.200x…", once, twice)
		}
	})
}
