package model_test

import (
	"net/netip"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/lab/differ"
	"ctkeeper/internal/lab/oracle"
)

func TestParseHelper(t *testing.T) {
	for text, want := range map[string]model.Helper{"ftp": {Kind: model.FTP, Port: 21}, "pptp": {Kind: model.PPTP, Port: 1723}, "ftp=2121": {Kind: model.FTP, Port: 2121}} {
		if got, err := model.ParseHelper(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "sip", "ftp=", "ftp=0", "ftp=65536", "ftp=x", "ftp:21"} {
		if _, err := model.ParseHelper(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// ftpTalk steps a control connection up to a passive answer.
func ftpTalk(t *testing.T, m *model.Model) (step func(at int64, p oracle.Packet) model.Verdict) {
	t.Helper()
	a, c := differ.Ends(0, false)
	talk := oracle.NewConversation(a, netip.AddrPortFrom(c.Addr(), 21), 1)
	d := packet.NewDecoder(packet.Options{Checksums: true})
	var p packet.Packet
	step = func(at int64, o oracle.Packet) model.Verdict {
		d.IP(at, talk.Append(nil, o), &p)
		return m.Step(at, &p)
	}
	for _, o := range differ.Opened(nil, differ.Said(true, "220 hi\r\n"), differ.Said(true, "229 (|||6001|)\r\n"))(nil, 0) {
		step(1, o)
	}
	return step
}

func TestExpectationTimesOut(t *testing.T) {
	for _, c := range []struct {
		after int64
		want  model.Result
	}{{299e9, model.Related}, {300e9 + 2, model.NewFlow}} {
		m := model.New(model.Config{Helpers: []model.Helper{{Kind: model.FTP, Port: 21}}})
		step := ftpTalk(t, m)
		if m.Expected() != 1 {
			t.Fatalf("%d expected", m.Expected())
		}
		v := step(c.after, oracle.Opening{From: 3000, To: 6001})
		if v.Result != c.want || m.Expected() != 0 || m.Counters().ExpectDelete != 1 {
			t.Errorf("after %d: %s, %d still expected, %+v", c.after, v.Result, m.Expected(), m.Counters())
		}
	}
}

func TestExpectedFlowNamesItsMaster(t *testing.T) {
	m := model.New(model.Config{Helpers: []model.Helper{{Kind: model.FTP, Port: 21}}})
	step := ftpTalk(t, m)
	step(2, oracle.Opening{From: 3000, To: 6001})
	m.Flows(3, func(f *flow.Flow) bool {
		if expected := f.Status&flow.Expected != 0; expected != (f.Present&flow.HasMaster != 0) || expected && f.Master.DstPort != 21 || expected == (f.Helper == "ftp") {
			t.Errorf("%+v", f)
		}
		return true
	})
}

func TestExpectMaxChangesLive(t *testing.T) {
	var lines []string
	set := model.Defaults(model.Linux618())
	set.ExpectMax = 1
	m := model.New(model.Config{Settings: &set, Helpers: []model.Helper{{Kind: model.FTP, Port: 21}}, Logged: func(_ int64, line string) { lines = append(lines, line) }})
	step := ftpTalk(t, m)
	step(2, oracle.Opening{From: 3000, To: 6001})
	set.ExpectMax = 0
	m.Change(set)
	v := step(3, differ.Said(true, "229 (|||6002|)\r\n"))
	if v.Result != model.Dropped || v.Seen != model.Established || v.Reason.String() != "nf_ct_ftp: dropping packet: cannot add expectation" ||
		len(lines) != 1 || lines[0] != "nf_conntrack: expectation table full" {
		t.Errorf("%+v %s %q", v, v.Reason, lines)
	}
}
