package flow

import (
	"net/netip"
	"testing"
	"time"
)

func seeds() (out []Flow) {
	a, b := netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2")
	a6, b6 := netip.MustParseAddr("fd01::2"), netip.MustParseAddr("fd02::2")
	return append(out,
		Flow{Family: IPv4, Present: HasState | HasStatus | HasTimeout | HasCounters | HasMark | HasZone | HasReply, State: TCPEstablished,
			Status: SeenReply | Assured | Confirmed, Timeout: 431999, Mark: 7, Zone: 3, Orig: Tuple{Src: a, Dst: b, SrcPort: 1000, DstPort: 80, Proto: TCP},
			Reply: Tuple{Src: b, Dst: a, SrcPort: 80, DstPort: 1000, Proto: TCP}, OrigCount: Counters{2, 92}, ReplyCount: Counters{1, 52}},
		Flow{Family: IPv6, Present: HasTimestamp | HasReply | HasTimeout, Start: time.Unix(1, 5).UTC(), Timeout: 0,
			Orig: Tuple{Src: a6, Dst: b6, ICMPType: 128, ICMPID: 5, Proto: ICMPv6}, Reply: Tuple{Src: b6, Dst: a6, ICMPType: 129, ICMPID: 5, Proto: ICMPv6}},
		Flow{Family: IPv4, Present: HasStatus | HasReply, Status: Confirmed, Orig: Tuple{Src: a, Dst: b, DstPort: 77, Proto: GRE}, Reply: Tuple{Src: b, Dst: a, SrcPort: 77, Proto: GRE}},
	)
}

func TestParseJSON(t *testing.T) {
	first := seeds()[0]
	whole := first.AppendJSON(nil)
	for _, fl := range seeds() {
		var got Flow
		line := fl.AppendJSON(nil)
		if err := ParseJSON(line, &got); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if got.Present != fl.Present || string(got.AppendJSON(nil)) != string(line) || got.Family != fl.Family {
			t.Errorf("%s became %s", line, got.AppendJSON(nil))
		}
	}
	for _, line := range []string{"", "{}", "[]", `{"proto_number":6}`, `{"proto_number":6,"orig":{"src":"10.0.0.1","dst":"x"}}`,
		`{"proto_number":6,"state":"ASLEEP","orig":{"src":"10.0.0.1","dst":"10.0.0.2"}}`, `{"proto_number":6,"status":["NICE"],"orig":{"src":"10.0.0.1","dst":"10.0.0.2"}}`,
		string(append(whole, "{}"...))} {
		var got Flow
		if err := ParseJSON([]byte(line), &got); err == nil {
			t.Errorf("%q is no flow", line)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, fl := range seeds() {
		f.Add(fl.AppendJSON(nil))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var fl, again Flow
		if ParseJSON(line, &fl) != nil {
			return
		}
		text := fl.AppendJSON(nil)
		if err := ParseJSON(text, &again); err != nil || string(again.AppendJSON(nil)) != string(text) {
			t.Errorf("%s: %v", text, err)
		}
	})
}
