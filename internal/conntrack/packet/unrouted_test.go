package packet

import (
	"encoding/binary"
	"testing"
)

// TestUnrouted states what a running 6.18 did with each: confirmed it, or dropped it behind conntrack's
// first hook.
func TestUnrouted(t *testing.T) {
	for _, c := range []struct {
		src, dst [4]byte
		options  string
		want     bool
	}{
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "", false},
		{[4]byte{}, [4]byte{255, 255, 255, 255}, "", false},
		{[4]byte{}, [4]byte{}, "", false},
		{[4]byte{}, [4]byte{10, 0, 0, 1}, "", true},
		{[4]byte{10, 0, 0, 1}, [4]byte{}, "", true},
		{[4]byte{224, 0, 0, 1}, [4]byte{10, 0, 0, 1}, "", true},
		{[4]byte{255, 255, 255, 255}, [4]byte{10, 0, 0, 1}, "", true},
		{[4]byte{240, 0, 0, 1}, [4]byte{10, 0, 0, 1}, "", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{239, 1, 2, 3}, "", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x01\x01\x01\x00", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x44\x04\x05\x00", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x83\x07\x04\x01\x02\x03\x04\x00", true},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x94\x04\x00\x00", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x07\x07\x04\x00\x00\x00\x00\x00", false},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x07\xff\x04\x00", true},
		{[4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 2}, "\x01\x01\x01\x07", true},
	} {
		head := 20 + len(c.options)
		b := append([]byte{0x40 | byte(head/4), 0, 0, byte(head + 8), 0, 0, 0, 0, 64, 99, 0, 0}, c.src[:]...)
		b = append(append(append(b, c.dst[:]...), c.options...), make([]byte, 8)...)
		if p := decode(Repair(nil, b)); p.Kind != Tracked || p.Unrouted != c.want {
			t.Errorf("%v to %v, options %x: %+v", c.src, c.dst, c.options, p)
		}
	}
}

// TestHeadlessFragment: the first fragment of an IPv6 packet must hold the transport's header; else it is
// tracked as it is, and as such too short.
func TestHeadlessFragment(t *testing.T) {
	for size, want := range map[int]Kind{8: Tracked, 16: Tracked, 24: Queued} {
		b := make([]byte, 48+size)
		b[0], b[6], b[7], b[40], b[43], b[52-4] = 0x60, protoFrag, 64, protoTCP, 1, 0
		binary.BigEndian.PutUint16(b[4:], uint16(8+size))
		b[8], b[24] = 0x20, 0x20
		b[23], b[39] = 1, 2
		if p := decode(b); p.Kind != want || want == Tracked && p.Fault != Short {
			t.Errorf("first fragment with %d bytes of TCP: kind %d fault %d", size, p.Kind, p.Fault)
		}
	}
}

func TestDecodeGRE(t *testing.T) {
	for body, want := range map[string]Fault{"": NoFault, "\x30": NoFault, "\x30\x01\x88\x0b": NoFault, "\x30\x01\x88\x0b\x00\x00": NoFault,
		"\x30\x01\x88\x0b\x00\x00\x00\x05": NoFault, "\x30\x01\x08\x00\x00\x00\x00\x05": NoTuple, "\x30\x00\x08\x00\x00\x00\x00\x05": NoFault} {
		b := append([]byte{0x45, 0, 0, byte(20 + len(body)), 0, 0, 0, 0, 64, protoGRE, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, body...)
		p := decode(Repair(nil, b))
		call := uint16(0)
		if len(body) == 8 && want == NoFault && body[1] == 1 {
			call = 5
		}
		if p.Fault != want || want == NoFault && p.Key.Tuple(p.Turn).DPort != call {
			t.Errorf("%x: fault %d, %+v", body, p.Fault, p.Key)
		}
	}
}

func TestRedirects(t *testing.T) {
	redirect := func(code, hops, scope byte, options ...byte) []byte {
		b := append(make([]byte, 80), options...)
		b[0], b[6], b[7] = 0x60, protoICMPv6, hops
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
		b[8], b[9], b[23], b[24], b[39] = 0xfe, scope, 1, 0x20, 2
		b[40], b[41] = 137, code
		return Repair(nil, b)
	}
	quoted := append([]byte{4, 7, 0, 0, 0, 0, 0, 0}, make([]byte, 48)...)
	copy(quoted[8:], redirect(0, 64, 0x80)[:40])
	quoted[14], quoted[49] = protoUDP, 7
	for name, c := range map[string]struct {
		packet []byte
		fault  Fault
		inner  bool
	}{
		"whole":            {redirect(0, 255, 0x80, quoted...), NotInvertible, true},
		"other code":       {redirect(1, 255, 0x80, quoted...), NotInvertible, false},
		"from afar":        {redirect(0, 64, 0x80, quoted...), FarRedirect, false},
		"global source":    {redirect(0, 255, 0, quoted...), FarRedirect, false},
		"no options":       {redirect(0, 255, 0x80), BareRedirect, false},
		"other option":     {redirect(0, 255, 0x80, append([]byte{2, 1, 1, 2, 3, 4, 5, 6}, quoted...)...), NotInvertible, false},
		"zero long option": {redirect(0, 255, 0x80, 4, 0), BareRedirect, false},
	} {
		if p := decode(c.packet); p.Fault != c.fault || p.Inner.OK != c.inner {
			t.Errorf("%s: fault %d, quoted packet %v", name, p.Fault, p.Inner.OK)
		}
	}
}
