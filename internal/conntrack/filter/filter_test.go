package filter

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
)

func tuple(proto flow.Proto, src, dst string, sport, dport uint16) flow.Tuple {
	return flow.Tuple{Proto: proto, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: sport, DstPort: dport}
}

// web is an established HTTPS flow behind source NAT, idle for two hours.
func web() *flow.Flow {
	return &flow.Flow{
		Family: flow.IPv4, State: flow.TCPEstablished, Timeout: 424800, Mark: 0x12, Zone: 3,
		Orig:      tuple(flow.TCP, "10.1.2.3", "192.0.2.7", 40000, 443),
		Reply:     tuple(flow.TCP, "192.0.2.7", "198.51.100.1", 443, 40000),
		Status:    flow.SeenReply | flow.Assured | flow.Confirmed | flow.SrcNAT,
		Present:   flow.HasTimeout | flow.HasState | flow.HasStatus | flow.HasMark | flow.HasZone | flow.HasCounters,
		OrigCount: flow.Counters{Packets: 10, Bytes: 1500}, ReplyCount: flow.Counters{Packets: 8, Bytes: 90000},
		Helper: "ftp",
	}
}

func twoHours(*flow.Flow) (int64, bool) { return 7200, true }

func TestMatch(t *testing.T) {
	for expr, want := range map[string]bool{
		"":                                    true,
		"src 10.0.0.0/8":                      true,
		"src 10.1.2.3":                        true,
		"src 11.0.0.0/8":                      false,
		"dst 192.0.2.7":                       true,
		"reply-dst 198.51.100.1":              true,
		"reply-src 192.0.2.0/24":              true,
		"addr 198.51.100.1":                   true,
		"host = 203.0.113.9":                  false,
		"dport 443":                           true,
		"dport 440-450":                       true,
		"sport 443":                           false,
		"port 443":                            true,
		"tcp":                                 true,
		"proto tcp":                           true,
		"proto 6":                             true,
		"udp":                                 false,
		"ipv4":                                true,
		"family inet6":                        false,
		"state established":                   true,
		"state SYN_SENT":                      false,
		"assured":                             true,
		"unreplied":                           false,
		"status ASSURED,SEEN_REPLY":           true,
		"status UNREPLIED":                    false,
		"seen-reply":                          true,
		"snat":                                true,
		"dnat":                                false,
		"nat":                                 true,
		"mark 0x12":                           true,
		"mark 2/2":                            true,
		"mark 1":                              false,
		"zone 3":                              true,
		"helper ftp":                          true,
		"idle > 1h":                           true,
		"idle > 7200":                         false,
		"idle >= 2h":                          true,
		"timeout > 4d":                        true,
		"packets = 18":                        true,
		"bytes > 91k":                         true,
		"bytes > 1M":                          false,
		"bytes != 91500":                      false,
		"not udp and (dport 80 or dport 443)": true,
		"udp or tcp dport 80":                 false,
		"src 10.0.0.0/8 and dport 443 and state SYN_SENT and not assured and idle > 1h": false,
		"src 10.0.0.0/8 dport 443 assured idle>1h":                                      true,
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Errorf("Parse(%q): %v", expr, err)
			continue
		}
		if got := f.Match(web(), twoHours); got != want {
			t.Errorf("%q matches = %v, want %v", expr, got, want)
		}
	}
}

func TestUnknownNeitherMatchesNorFails(t *testing.T) {
	bare := &flow.Flow{Family: flow.IPv4, Orig: tuple(flow.UDP, "10.0.0.1", "10.0.0.2", 1, 53)}
	for _, expr := range []string{
		"idle > 0", "not idle > 0", "bytes >= 0", "not bytes > 5", "not assured", "assured", "not (idle > 1 or bytes > 1)",
	} {
		f, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if f.Match(bare, nil) {
			t.Errorf("%q took a flow of which it is not known", expr)
		}
	}
	if f, _ := Parse("udp or idle > 1"); !f.Match(bare, nil) {
		t.Error("what is known does not decide")
	}
}

func TestErrorsNameTheColumn(t *testing.T) {
	for expr, column := range map[string]int{
		"src":                    4,
		"src 300.1.1.1":          5,
		"dport 99999":            7,
		"dport 9-3":              7,
		"tcp and":                8,
		"tcp and and":            9,
		"(tcp":                   5,
		"tcp)":                   4,
		"idle 5":                 6,
		"idle > soon":            8,
		"bytes > x":              9,
		"état SYN":               1,
		"state NOPE":             7,
		"status ASSURED,NOPE":    8,
		"mark 0x1ffffffff":       6,
		"mark 1/x":               6,
		"zone 70000":             6,
		"proto nope":             7,
		"src 10.0.0.0/8 and foo": 20,
		"not":                    4,
		"sport < 1":              7,
		strings.Repeat("(", 300): 201,
	} {
		_, err := Parse(expr)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%.20q) = %v, want a syntax error", expr, err)
			continue
		}
		if syntax.Column != column {
			t.Errorf("Parse(%.20q): column %d (%s), want %d", expr, syntax.Column, syntax.What, column)
		}
	}
}

func TestOptionsSayTheSame(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want bool
	}{
		{Options{}, true},
		{Options{Src: "10.0.0.0/8", DPort: "443", Proto: "tcp", State: "ESTABLISHED"}, true},
		{Options{Src: "10.1.2.4"}, false},
		{Options{Status: "ASSURED", Mark: "0x12", Zone: "3", Family: "ipv4"}, true},
		{Options{SrcNAT: NAT}, true},
		{Options{SrcNAT: "198.51.100.1"}, true},
		{Options{SrcNAT: "198.51.100.2"}, false},
		{Options{DstNAT: NAT}, false},
		{Options{AnyNAT: "198.51.100.1"}, true},
		{Options{ReplySrc: "192.0.2.7", ReplyDst: "198.51.100.1", SPort: "40000"}, true},
	} {
		f, err := c.o.Filter()
		if err != nil {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		if got := f.Match(web(), nil); got != c.want {
			t.Errorf("%+v (%s) matches = %v, want %v", c.o, f, got, c.want)
		}
	}
	for _, o := range []Options{{Src: "x"}, {DPort: "1 or 1"}, {Mark: "1)"}, {SrcNAT: "nowhere"}} {
		if _, err := o.Filter(); err == nil || !strings.HasPrefix(err.Error(), "option -") {
			t.Errorf("%+v: %v, want an error that names the option", o, err)
		}
	}
}

func TestExact(t *testing.T) {
	whole := []string{
		"", "ipv6", "tcp", "zone 7", "mark 1/3", "assured", "not assured", "unreplied", "src 10.0.0.1",
		"tcp dport 443", "tcp src 10.0.0.1 dst 10.0.0.2 sport 5", "assured and not nat-clash",
	}
	part := []string{
		"src 10.0.0.0/8", "dport 443", "tcp or udp", "not tcp", "idle > 1h", "nat", "assured not assured",
		"tcp udp", "mark 1 mark 2", "addr 10.0.0.1", "state ESTABLISHED", "tcp dport 1-5", "src 10.0.0.1 ipv6",
	}
	for i, expr := range append(whole, part...) {
		f, err := Parse(expr)
		if err != nil {
			t.Fatalf("Parse(%q): %v", expr, err)
		}
		if got := f.Exact().Whole; got != (i < len(whole)) {
			t.Errorf("%q: Whole = %v", expr, got)
		}
	}
	f, _ := Parse("src 2001:db8::1 and idle > 5")
	if e := f.Exact(); e.Family == nil || *e.Family != flow.IPv6 || e.Src == nil {
		t.Errorf("an address tells the family: %+v", e)
	}
}

// FuzzParse holds the promise that a delete rests on: a flow that matches passes the exact part.
func FuzzParse(f *testing.F) {
	seeds := []string{
		"", "src 10.0.0.0/8 and dport 443", "not (tcp or udp)", "idle > 1h !", "((((", "mark 1/2 zone 3",
		"a\x00b", "src ::1 dst ::ffff:1.2.3.4", "bytes>=1k&&packets<2||icmp",
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := Parse(text)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Column < 1 || syntax.Column > len(text)+1 {
				t.Fatalf("error without a column in the text: %v", err)
			}
			return
		}
		matched := filter.Match(web(), twoHours)
		e := filter.Exact()
		if passes := passesExact(e, web()); matched && !passes || e.Whole && matched != passes {
			t.Fatalf("%q: matches %v, exact part %+v passes %v", text, matched, e, passes)
		}
	})
}

func passesExact(e Exact, f *flow.Flow) bool {
	return (e.Family == nil || *e.Family == f.Family) && (e.Proto == nil || *e.Proto == f.Proto()) &&
		(e.Src == nil || *e.Src == f.Orig.Src) && (e.Dst == nil || *e.Dst == f.Orig.Dst) &&
		(e.SPort == nil || *e.SPort == f.Orig.SrcPort) && (e.DPort == nil || *e.DPort == f.Orig.DstPort) &&
		(e.Zone == nil || *e.Zone == f.Zone) && (e.Mark == nil || f.Mark&e.MarkMask == *e.Mark) &&
		f.Status&e.StatusMask == e.Status
}
