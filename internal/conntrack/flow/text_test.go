package flow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lines are the text forms' kinds, measured on kernel 6.18 and taken from older ones' documentation.
var lines = []string{
	"ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=1000 dport=80 packets=2 bytes=92 src=10.2.0.2 dst=10.1.0.2 sport=80 dport=1000 packets=1 bytes=52 [ASSURED] mark=0 zone=0 use=2",
	"ipv4     2 udp      17 29 src=10.1.0.2 dst=10.2.0.2 sport=2000 dport=53 zone-orig=9 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 sport=53 dport=2000 mark=0 use=2",
	"ipv4     2 icmp     1 29 src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 type=0 code=0 id=77 mark=0 zone=0 use=2 id=99",
	"ipv4     2 unknown  89 599 src=10.1.0.2 dst=10.2.0.2 packets=1 bytes=40 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 packets=0 bytes=0 mark=0 zone=0 use=2",
	"ipv6     10 icmpv6   58 29 src=fd01::2 dst=fd02::2 type=128 code=0 id=5 [UNREPLIED] src=fd02::2 dst=fd01::2 type=129 code=0 id=5 mark=0 secctx=system_u:object_r:unlabeled_t:s0 zone=0 use=2",
	"ipv4     2 gre      47 29 src=10.1.0.2 dst=10.2.0.2 srckey=0x0 dstkey=0x4d [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 srckey=0x4d dstkey=0x0 mark=0 zone=0 use=2",
	"ipv4     2 tcp      6 src=10.141.10.2 dst=192.168.10.2 sport=52728 dport=5201 src=192.168.10.2 dst=192.168.10.1 sport=5201 dport=52728 [OFFLOAD] mark=0 use=2",
}

func TestTextRoundTrip(t *testing.T) {
	for _, line := range lines {
		var fl Flow
		if err := ParseText(line, &fl); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if got := string(AppendText(nil, &fl, TextOptions{Extended: true, ID: true})); got != line {
			t.Errorf("printed\n%s\nnot\n%s", got, line)
		}
	}
}

func TestParseTextFields(t *testing.T) {
	var fl Flow
	if err := ParseText("gre      47 17999 timeout=600, stream_timeout=18000 src=192.168.188.114 dst=192.168.13.152 srckey=0xa56c dstkey=0xa9a0 src=192.168.13.152 dst=192.168.13.118 srckey=0xa9a0 dstkey=0x6bd8 [ASSURED] use=3", &fl); err != nil {
		t.Fatal(err)
	}
	if fl.Family != IPv4 || fl.Timeout != 17999 || !fl.Assured() || fl.Status&SrcNAT == 0 || fl.Status&DstNAT != 0 || fl.Orig.SrcPort != 0xa56c || fl.Has(HasMark) {
		t.Errorf("%+v", fl)
	}
}

func TestParseTextRefuses(t *testing.T) {
	for _, line := range []string{
		"", "tcp", "tcp 6", "tcp 6 5 NOSUCH src=1.2.3.4 dst=1.2.3.4 src=1.2.3.4 dst=1.2.3.4",
		"tcp 6 430665 ESTABLISHED src=213.76.191.129 dst=217.227.148.85 sport=3881 dport=80 src=217.227.148.85 dst=213.76.191.129 sport=80 dport=388 1 [ASSURED] use=1",
		"tcp 6 5 SYN_SENT src=199.569.9.50 dst=1.2.3.4 src=1.2.3.4 dst=1.2.3.4",
		"tcp 6 5 SYN_SENT src=1.2.3.4 dst=1.2.3.4 sport=70000 src=1.2.3.4 dst=1.2.3.4",
		"tcp 6 5 SYN_SENT src=1.2.3.4 dst=1.2.3.4", "tcp 6 5 sport=3 src=1.2.3.4 dst=1.2.3.4 src=1.2.3.4 dst=1.2.3.4",
	} {
		var fl Flow
		if err := ParseText(line, &fl); err == nil {
			t.Errorf("%q was read as %+v", line, fl)
		}
	}
}

func TestReadTextCountsBadLines(t *testing.T) {
	text := lines[0] + "\n\nnonsense\n" + lines[1] + "\nconntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\n"
	n := 0
	res, err := ReadText(strings.NewReader(text), "nf_conntrack", func(*Flow) error { n++; return nil })
	if err != nil || n != 2 || res.Flows != 2 || res.Bad != 1 || !strings.HasPrefix(res.First.Error(), "nf_conntrack:3:") {
		t.Errorf("%d flows, %+v, %v", n, res, err)
	}
}

const samples = "../../../../shared/samples/proc"

func TestReadTextSamples(t *testing.T) {
	for name, want := range map[string][2]uint64{
		"p01_nf_conntrack_fedora_secctx.txt": {8, 0}, "p03_nf_conntrack_gre_2.6_timeout_fields.txt": {2, 0},
		"p05_ip_conntrack_2.4.txt": {0, 1}, "c05_conntrack_L_zone_orig.txt": {2, 0}, "k618_conntrack_G.txt": {1, 0},
	} {
		f, err := os.Open(filepath.Join(samples, name))
		if err != nil {
			t.Skipf("the samples are not here: %v", err)
		}
		res, err := ReadText(f, name, func(*Flow) error { return nil })
		_ = f.Close()
		if err != nil || res.Flows != want[0] || res.Bad != want[1] {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

func FuzzParseText(f *testing.F) {
	if len(lines) == 0 {
		f.Fatal("no seeds")
	}
	for _, l := range lines {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var fl, again Flow
		if ParseText(line, &fl) != nil {
			return
		}
		printed := string(AppendText(nil, &fl, TextOptions{Extended: fl.Family == IPv4 || fl.Family == IPv6, ID: true}))
		if err := ParseText(printed, &again); err != nil {
			t.Fatalf("%q printed as %q, which is refused: %v", line, printed, err)
		}
		if p := string(AppendText(nil, &again, TextOptions{Extended: fl.Family == IPv4 || fl.Family == IPv6, ID: true})); p != printed {
			t.Fatalf("%q printed as %q, then as %q", line, printed, p)
		}
		if len(AppendSave(nil, &fl)) == 0 || len(AppendXML(nil, &fl, TextOptions{})) == 0 {
			t.Fatalf("%q printed as nothing", line)
		}
	})
}
