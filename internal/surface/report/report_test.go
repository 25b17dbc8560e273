package report

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/surface/wording"
)

func document(lang wording.Lang) *Document {
	set := model.Defaults(model.Linux618())
	https := replay.Service{Proto: flow.TCP, Port: 443}
	quiet := replay.Result{Settings: set, Peak: 1234, PeakHeld: 1000, BinWidth: time.Second, Curve: []replay.Bin{{Count: 1}, {Count: 1234}}}
	low := quiet
	low.Peak = 1100
	full := quiet
	full.Counters.Refused = 4321
	full.RefusedSources = []replay.Share[netip.Addr]{{Key: netip.MustParseAddr("192.0.2.1"), Count: 4321}}
	full.RefusedServices = []replay.Share[replay.Service]{{Key: https, Count: 4000}}
	full.RefusedProtocols = []replay.Share[flow.Proto]{{Key: flow.TCP, Count: 4321}}
	full.Broken = []replay.BrokenService{{Service: https, Flows: 17, PickedUp: 3, Loose: 5, NAT: 2}}
	return &Document{Lang: lang, Source: "<a>.pcap", Packets: 5000, Span: time.Minute, Version: "1", Notes: []string{"<note>"}, Runs: []Run{
		{Title: "base", Result: quiet, Low: &low, Memory: 1 << 20}, {Title: "tcp_timeout_established=5", Result: full, Memory: 1 << 20}}}
}

func TestReport(t *testing.T) {
	for lang, words := range map[wording.Lang][]string{
		wording.English: {`lang="en"`, "1,100–<wbr>1,234", "4,321", `<td data-name="peak count">`, "&lt;note&gt;", "192.0.2.1", "tcp 443", "17 flows carried traffic again", "5 flows would have been picked up", "2 are translated", "&lt;a&gt;.pcap"},
		wording.French:  {`lang="fr"`, "1\u00a0234", "17 flux ont repris", "192.0.2.1"},
	} {
		var b strings.Builder
		if err := document(lang).Write(&b); err != nil {
			t.Fatal(err)
		}
		for _, w := range words {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: %q is missing", lang, w)
			}
		}
		if m := regexp.MustCompile(`(?:src|href|url\()[^>]*|<script`).FindString(b.String()); m != "" {
			t.Errorf("the page asks for something outside it: %s", m)
		}
		if n := strings.Count(b.String(), "<svg"); n != 6 {
			t.Errorf("%d charts", n)
		}
		if strings.Contains(b.String(), "report_") || strings.Contains(b.String(), "replay_") {
			t.Error("a sentence is missing")
		}
	}
}
