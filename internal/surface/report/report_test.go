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
	full := quiet
	full.Counters.Refused = 4321
	full.RefusedSources = []replay.Share[netip.Addr]{{Key: netip.MustParseAddr("192.0.2.1"), Count: 4321}}
	full.RefusedServices = []replay.Share[replay.Service]{{Key: https, Count: 4000}}
	full.Broken = []replay.BrokenService{{Service: https, Flows: 17, PickedUp: 3}}
	return &Document{Lang: lang, Source: "<a>.pcap", Packets: 5000, Span: time.Minute, Version: "1", Runs: []Run{
		{Title: "base", Result: quiet, Memory: 1 << 20}, {Title: "tcp_timeout_established=5", Result: full, Memory: 1 << 20}}}
}

func TestReport(t *testing.T) {
	for lang, words := range map[wording.Lang][]string{
		wording.English: {`lang="en"`, "1,234", "4,321", "192.0.2.1", "tcp 443", "17 flows carried traffic again", "&lt;a&gt;.pcap"},
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
		if n := strings.Count(b.String(), "<svg"); n != 2 {
			t.Errorf("%d charts", n)
		}
		if strings.Contains(b.String(), "report_") || strings.Contains(b.String(), "replay_") {
			t.Error("a sentence is missing")
		}
	}
}
