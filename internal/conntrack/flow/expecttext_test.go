package flow

import (
	"encoding/json"
	"net/netip"
	"testing"
)

func TestExpectationIsWritten(t *testing.T) {
	client, server, all := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("255.255.255.255")
	e := Expectation{
		Family: IPv4, Timeout: 299, Helper: "ftp", Class: 1, Zone: 7, Flags: ExpectPermanent | ExpectUserspace,
		Tuple:  Tuple{Src: server, Dst: client, DstPort: 10241, Proto: TCP},
		Mask:   Tuple{Src: all, Dst: all, DstPort: 65535},
		Master: Tuple{Src: client, Dst: server, SrcPort: 50650, DstPort: 21, Proto: TCP},
	}
	want := "299 proto=6 src=10.0.0.2 dst=10.0.0.1 sport=0 dport=10241 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 " +
		"master-src=10.0.0.1 master-dst=10.0.0.2 sport=50650 dport=21 zone=7 PERMANENT,USERSPACE class=1 helper=ftp"
	if got := string(e.AppendText(nil)); got != want {
		t.Errorf("text:\n got %s\nwant %s", got, want)
	}
	var d struct {
		Proto, Helper string
		Timeout       int
		Zone, Class   int
		Flags         int
		Tuple, Mask   struct{ Dport int }
		Master        struct{ Src string }
	}
	if err := json.Unmarshal(e.AppendJSON(nil), &d); err != nil {
		t.Fatal(err)
	}
	if d.Proto != "tcp" || d.Helper != "ftp" || d.Timeout != 299 || d.Zone != 7 || d.Class != 1 || d.Flags != 5 ||
		d.Tuple.Dport != 10241 || d.Mask.Dport != 65535 || d.Master.Src != "10.0.0.1" {
		t.Errorf("%+v", d)
	}
}
