package packet

import "testing"

func TestAppendLayer2(t *testing.T) {
	ip := string(udp([]byte("x")))
	ether := func(rest string) string { return "123456123456" + rest }
	for _, c := range []struct {
		link  Link
		frame string
		want  string
	}{
		{Ethernet, ether("\x08\x00" + ip), ""},
		{Ethernet, ether("\x81\x00\x20\x06\x08\x00" + ip), "vlan:6"},
		{Ethernet, ether("\x88\xa8\x00\x0a\x81\x00\x00\x14\x86\xdd" + ip), "vlan:10.20"},
		{Ethernet, ether("\x81\x00\x00\x05\x08\x06"), "ethertype:0x0806"},
		{Ethernet, ether("\x81\x00\x00"), "ethertype:0x8100"},
		{Ethernet, "123", "short-l2"},
		{SLL, "12345678901234\x80\x35", "ethertype:0x8035"},
		{SLL2, "\x08\x06" + "123456789012345678", "ethertype:0x0806"},
		{SLL2, "\x08\x00", "short-l2"},
		{CHDLC, "\x0f\x00\x20\x00", "ethertype:0x2000"},
		{Null, "\x10\x00\x00\x00", "af:16"},
		{Loop, "\x00\x00\x00\x02" + ip, ""},
		{PPP, "\xff\x03\xc0\x21", "ppp:0xc021"},
		{PPP, "\xff\x03\x00", "short-l2"},
		{Raw, ip, ""},
		{Raw, "", "not-ip"},
		{105, "x", "linktype:IEEE802_11"},
		{147, "x", "linktype:147"},
	} {
		if got := string(AppendLayer2(nil, c.link, []byte(c.frame))); got != c.want {
			t.Errorf("link type %d, %x: %q, want %q", c.link, c.frame, got, c.want)
		}
	}
}
