package flow

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"
)

func TestAppendJSON(t *testing.T) {
	a, b := netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("10.2.0.2")
	a6, b6 := netip.MustParseAddr("fd01::2"), netip.MustParseAddr("fd02::2")
	for _, c := range []struct {
		flow Flow
		want string
	}{
		{
			Flow{Family: IPv4, Present: HasState | HasStatus | HasTimeout | HasCounters | HasMark | HasZone,
				State: TCPEstablished, Status: SeenReply | Assured | Confirmed, Timeout: 431999, Mark: 7,
				Orig:      Tuple{Src: a, Dst: b, SrcPort: 1000, DstPort: 80, Proto: TCP},
				Reply:     Tuple{Src: b, Dst: a, SrcPort: 80, DstPort: 1000, Proto: TCP},
				OrigCount: Counters{2, 92}, ReplyCount: Counters{1, 52}},
			`{"proto":"tcp","proto_number":6,"family":"ipv4","state":"ESTABLISHED","status":["SEEN_REPLY","ASSURED"],"timeout":431999,` +
				`"orig":{"src":"10.1.0.2","dst":"10.2.0.2","sport":1000,"dport":80,"packets":2,"bytes":92},` +
				`"reply":{"src":"10.2.0.2","dst":"10.1.0.2","sport":80,"dport":1000,"packets":1,"bytes":52},"zone":0,"mark":7}`,
		},
		{
			Flow{Family: IPv6, Present: HasHelper | HasLabels | HasTimestamp | HasUse | HasID | HasSecCtx, Helper: `f"p`, SecCtx: "u:\xff\n\\",
				Labels: []byte{0xab}, Start: time.Unix(1, 5), Use: 1, ID: 9,
				Orig:  Tuple{Src: a6, Dst: b6, ICMPType: 128, ICMPID: 5, Proto: ICMPv6},
				Reply: Tuple{Src: b6, Dst: a6, ICMPType: 129, ICMPID: 5, Proto: ICMPv6}},
			`{"proto":"icmpv6","proto_number":58,"family":"ipv6","orig":{"src":"fd01::2","dst":"fd02::2","type":128,"code":0,"id":5},` +
				`"reply":{"src":"fd02::2","dst":"fd01::2","type":129,"code":0,"id":5},"helper":"f\"p","secctx":"u:�\ufffd\\","labels":"ab",` +
				`"start":"1970-01-01T00:00:01.000000005Z","use":1,"conntrack_id":9}`,
		},
		{
			Flow{Family: IPv4, Present: HasZone | HasStatus, Zone: 9, ZoneDir: ZoneOrig,
				Orig: Tuple{Src: a, Dst: b, DstPort: 77, Proto: GRE}, Reply: Tuple{Src: b, Dst: a, SrcPort: 77, Proto: GRE}},
			`{"proto":"gre","proto_number":47,"family":"ipv4","status":[],"orig":{"src":"10.1.0.2","dst":"10.2.0.2","srckey":0,"dstkey":77},` +
				`"reply":{"src":"10.2.0.2","dst":"10.1.0.2","srckey":77,"dstkey":0},"zone":9,"zone_dir":"orig"}`,
		},
	} {
		got := c.flow.AppendJSON(nil)
		if string(got) != c.want {
			t.Errorf("AppendJSON:\n got %s\nwant %s", got, c.want)
		}
		if !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
	}
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	a := netip.MustParseAddr("10.1.0.2")
	f := Flow{Family: IPv4, Present: HasStatus | HasState | HasTimeout, State: TCPClose, Orig: Tuple{Src: a, Dst: a, Proto: TCP}, Reply: Tuple{Src: a, Dst: a, Proto: TCP}}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = f.AppendJSON(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations a flow", n)
	}
}
