package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// kinds are flows that ctnetlink can make, as text; translated ones, and a label, the tools make.
var kinds = []string{
	"udp 17 900 src=10.1.0.2 dst=10.2.0.2 sport=7 dport=8 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 sport=8 dport=7",
	"udp 17 900 src=10.1.0.2 dst=10.2.0.2 sport=8 dport=8 src=10.2.0.2 dst=10.1.0.2 sport=8 dport=8 mark=4294967295",
	"udp 17 900 src=10.1.0.2 dst=10.2.0.2 sport=9 dport=8 src=10.2.0.2 dst=10.1.0.2 sport=8 dport=9 [ASSURED]",
	"udp 17 900 src=::1 dst=fd02::2 sport=0 dport=65535 [UNREPLIED] src=fd02::2 dst=::1 sport=65535 dport=0",
	"udplite 136 900 src=10.1.0.2 dst=10.2.0.2 sport=7 dport=8 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 sport=8 dport=7",
	"udplite 136 900 src=fd01::2 dst=fd02::2 sport=7 dport=8 src=fd02::2 dst=fd01::2 sport=8 dport=7 [ASSURED]",
	"icmp 1 900 src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 type=0 code=0 id=77",
	"icmp 1 900 src=10.1.0.2 dst=10.2.0.2 type=13 code=0 id=65535 src=10.2.0.2 dst=10.1.0.2 type=14 code=0 id=65535",
	"icmpv6 58 900 src=fd01::2 dst=fd02::2 type=128 code=0 id=5 [UNREPLIED] src=fd02::2 dst=fd01::2 type=129 code=0 id=5",
	"gre 47 900 src=10.1.0.2 dst=10.2.0.2 srckey=0x0 dstkey=0x4d src=10.2.0.2 dst=10.1.0.2 srckey=0x4d dstkey=0x0 [ASSURED]",
	"gre 47 900 src=fd01::2 dst=fd02::2 srckey=0xffff dstkey=0x4d [UNREPLIED] src=fd02::2 dst=fd01::2 srckey=0x4d dstkey=0xffff",
	"unknown 33 900 src=10.1.0.2 dst=10.2.0.2 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2",
	"unknown 99 900 src=10.1.0.2 dst=10.2.0.2 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2",
	"unknown 50 900 src=10.1.0.2 dst=10.2.0.2 src=10.2.0.2 dst=10.1.0.2 [ASSURED]",
	"unknown 50 900 src=fd01::2 dst=fd02::2 src=fd02::2 dst=fd01::2",
	"unknown 0 900 src=10.1.0.2 dst=10.2.0.2 src=10.2.0.2 dst=10.1.0.2",
	"unknown 255 900 src=1:0:0:2::3 dst=1:2:3:4:5:6:0:8 src=1:2:3:4:5:6:0:8 dst=1:0:0:2::3",
	"unknown 89 900 src=::ffff:10.1.0.2 dst=::1.2.3.4 src=::1.2.3.4 dst=::ffff:10.1.0.2",
	"unknown 89 900 src=:: dst=::ffff src=::ffff dst=::",
	"unknown 89 900 src=::1:0 dst=1:: src=1:: dst=::1:0",
	"udp 17 900 src=10.1.0.3 dst=10.2.0.2 sport=7 dport=8 [UNREPLIED] src=10.2.0.2 dst=10.1.0.3 sport=8 dport=7 zone=9",
	"udp 17 900 src=10.1.0.3 dst=10.2.0.2 sport=7 dport=8 zone-orig=4 [UNREPLIED] src=10.2.0.2 dst=10.1.0.3 sport=8 dport=7",
	"udp 17 900 src=10.1.0.3 dst=10.2.0.2 sport=9 dport=8 [UNREPLIED] src=10.2.0.2 dst=10.1.0.3 sport=8 dport=9 zone-reply=4",
	"udp 17 900 src=10.1.0.4 dst=10.2.0.2 sport=9 dport=8 [UNREPLIED] src=10.9.9.9 dst=10.8.8.8 sport=8 dport=9",
	"tcp 6 900 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=3000 dport=21 src=10.2.0.2 dst=10.1.0.2 sport=21 dport=3000 [ASSURED] mark=5 helper=ftp",
	"tcp 6 4294967 ESTABLISHED src=fd01::2 dst=fd02::2 sport=3000 dport=21 src=fd02::2 dst=fd01::2 sport=21 dport=3000 [ASSURED]",
}

// toolKinds are what the conntrack tool makes: translated flows, and one whose timeout is fixed.
var toolKinds = []string{
	"-s 10.3.0.1 -d 10.3.0.2 -p udp --sport 4 --dport 5 -t 900 --src-nat 9.9.9.9",
	"-s 10.3.0.1 -d 10.3.0.2 -p udp --sport 5 --dport 5 -t 900 --dst-nat 9.9.9.9:77 -u ASSURED,SEEN_REPLY",
	"-s 10.3.0.1 -d 10.3.0.2 -p tcp --sport 6 --dport 5 -t 900 --state SYN_SENT --src-nat 9.9.9.9:80 --dst-nat 8.8.8.8",
	"-s fd03::1 -d fd03::2 -p udp --sport 4 --dport 5 -t 900 --src-nat fd03::9",
	"-s fd03::1 -d fd03::2 -p tcp --sport 5 --dport 5 -t 900 --state ESTABLISHED --dst-nat fd03::8",
	"-s 10.3.0.1 -d 10.3.0.2 -p udp --sport 7 --dport 5 -t 900 -u FIXED_TIMEOUT",
	"-s 10.3.0.1 -d 10.3.0.2 -p udp --sport 8 --dport 5 -t 900 -u FIXED_TIMEOUT,ASSURED,SEEN_REPLY -m 7 -w 65535",
}

// inNamespace runs one of the tools there.
func inNamespace(t *testing.T, ns *lab.Namespace, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs strings.Builder
	if doErr := ns.Run(func() error {
		cmd := exec.Command(name, args...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		err = cmd.Run()
		return nil
	}); doErr != nil {
		t.Fatal(doErr)
	}
	return out.String(), errs.String(), err
}

func parsed(t *testing.T, line string) flow.Flow {
	t.Helper()
	var fl flow.Flow
	if err := flow.ParseText(line, &fl); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return fl
}

// everyKind are the flows to make: the lines above, TCP and SCTP in all their states, and one that
// another's helper expected.
func everyKind(t *testing.T) []flow.Flow {
	t.Helper()
	var list []flow.Flow
	for _, line := range kinds {
		list = append(list, parsed(t, line))
	}
	for _, p := range []flow.Proto{flow.TCP, flow.SCTP} {
		last := flow.TCPSynSent2
		if p == flow.SCTP {
			last = flow.SCTPHeartbeatSent
		}
		for i := range last.Number() + 1 {
			for _, end := range []string{"", " [ASSURED]"} {
				port := 100 + 2*int(i) + len(end)/10
				fl := parsed(t, fmt.Sprintf("%s %d 900 src=10.1.0.2 dst=10.2.0.2 sport=%d dport=8 src=10.2.0.2 dst=10.1.0.2 sport=8 dport=%d%s", p, p, port, port, end))
				fl.Present |= flow.HasState | flow.HasProtoInfo
				fl.State = flow.MakeState(p, i)
				fl.SCTP = flow.SCTPInfo{VTagOrig: 0x01020304, VTagReply: 0xfffefdfc}
				list = append(list, fl)
			}
		}
	}
	expected := parsed(t, "tcp 6 900 SYN_SENT src=10.2.0.2 dst=10.1.0.2 sport=20 dport=3001 [UNREPLIED] src=10.1.0.2 dst=10.2.0.2 sport=3001 dport=20")
	expected.Present |= flow.HasMaster
	expected.Master = parsed(t, kinds[24]).Orig
	return append(list, expected)
}

// tableOfKinds is a namespace whose table holds every kind of flow that this kernel and its tools make.
func tableOfKinds(t *testing.T, acct, timestamp string) (*lab.Namespace, int) {
	t.Helper()
	ns := lab.NewNamespace(t)
	for key, value := range map[string]string{"acct": acct, "timestamp": timestamp} {
		if err := ns.SetSysctl("net/netfilter/nf_conntrack_"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	c, err := lab.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	list := everyKind(t)
	// A rule that sets a label makes room for labels in new flows.
	if _, errs, err := inNamespace(t, ns, "nft", "add table ip l; add chain ip l c { type filter hook input priority 0; }; add rule ip l c ct label set 1"); err != nil {
		t.Logf("no labels: %v, %s", err, errs)
	} else {
		fl := parsed(t, "udp 17 900 src=10.1.0.5 dst=10.2.0.2 sport=7 dport=8 src=10.2.0.2 dst=10.1.0.5 sport=8 dport=7")
		fl.Present |= flow.HasLabels
		fl.Labels = make([]byte, 16)
		fl.Labels[0], fl.Labels[15] = 2, 0x80
		list = append(list, fl)
	}
	res, err := c.Create(t.Context(), func(yield func(*flow.Flow) bool) {
		for i := range list {
			if !yield(&list[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{OnError: func(_ uint64, fl *flow.Flow, err error) { t.Errorf("%+v: %v", fl.Orig, err) }})
	if err != nil || int(res.Done) != len(list) {
		t.Fatalf("%+v, %v", res, err)
	}
	n := len(list)
	for _, args := range toolKinds {
		if _, errs, err := inNamespace(t, ns, "conntrack", append([]string{"-I"}, strings.Fields(args)...)...); err != nil {
			t.Logf("the conntrack tool does not make %s: %s", args, errs)
			continue
		}
		n++
	}
	return ns, n
}

// passingFigures are the figures that change while time passes: what is left, and the age.
var passingFigures = regexp.MustCompile(`((?:^|ipv[46] +\d+ )[a-z0-9]+ +\d+ |-t |<timeout>|delta-time=|<deltatime>)(\d+)`)

// timed is a line with its passing figures apart.
type timed struct {
	text    string
	figures []int
}

func timedLines(text string) []timed {
	var list []timed
	for line := range strings.Lines(text) {
		var l timed
		for _, m := range passingFigures.FindAllStringSubmatch(line, -1) {
			n, _ := strconv.Atoi(m[2])
			l.figures = append(l.figures, n)
		}
		l.text = passingFigures.ReplaceAllString(line, "${1}T")
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b timed) int { return strings.Compare(a.text, b.text) })
	return list
}

func needTools(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("conntrack"); err != nil {
		t.Skip("the conntrack tool is not installed")
	}
}

// outputSets are what `-o` is given: each alone, and the combinations that the conntrack tool accepts.
var outputSets = []string{
	"", "extended", "id", "ktimestamp", "timestamp", "userspace", "extended,id", "extended,ktimestamp", "id,ktimestamp", "extended,id,ktimestamp",
	"xml", "xml,extended", "xml,id", "xml,ktimestamp", "xml,extended,id,ktimestamp", "save", "save,userspace", "EXT,I,k", "sa",
}

func TestFlowsListFormsOfEveryKind(t *testing.T) {
	lab.Need(t)
	needTools(t)
	for _, on := range [][2]string{{"0", "0"}, {"1", "0"}, {"0", "1"}, {"1", "1"}} {
		ns, made := tableOfKinds(t, on[0], on[1])
		for _, set := range outputSets {
			var o []string
			if set != "" {
				o = []string{"-o", set}
			}
			before, errs, err := inNamespace(t, ns, "conntrack", append([]string{"-L"}, o...)...)
			if err != nil {
				t.Fatalf("conntrack -o %s: %s", set, errs)
			}
			out, errs, code := command("", append([]string{"flows", "list", "--format", "conntrack", "--netns", ns.Path}, o...)...)
			if code != 0 || errs != "" {
				t.Fatalf("-o %s: exit %d, %s", set, code, errs)
			}
			after, _, _ := inNamespace(t, ns, "conntrack", append([]string{"-L"}, o...)...)
			compareTimed(t, set, timedLines(before), timedLines(out), timedLines(after), made)
		}
	}
}

// compareTimed compares what was read between two readings of the conntrack tool's with both.
func compareTimed(t *testing.T, set string, before, got, after []timed, made int) {
	t.Helper()
	head := 0
	if strings.HasPrefix(set, "xml") {
		head = 3
	}
	if len(got) != len(before) || len(got) != made+head {
		t.Fatalf("-o %s: %d lines of %d flows, the conntrack tool %d", set, len(got), made, len(before))
	}
	for i, g := range got {
		if g.text != before[i].text || len(g.figures) != len(before[i].figures) || len(g.figures) != len(after[i].figures) {
			t.Errorf("-o %s:\nours   %stheirs %s", set, g.text, before[i].text)
			continue
		}
		for k, n := range g.figures {
			if lo, hi := before[i].figures[k], after[i].figures[k]; n < min(lo, hi) || n > max(lo, hi) {
				t.Errorf("-o %s: %d, the conntrack tool %d before and %d after: %s", set, n, lo, hi, g.text)
			}
		}
	}
}

func TestFlowsListOutputsThatAreRefused(t *testing.T) {
	for _, set := range []string{"save,id", "xml,save", "nosuch", "extended,,id", "labels"} {
		_, errs, code := command("", "flows", "list", "--format", "conntrack", "-o", set)
		if code != 2 || !strings.Contains(errs, "-o ") {
			t.Errorf("-o %s: exit %d, %s", set, code, errs)
		}
	}
}

func TestFlowsListXMLOfAnEmptyTable(t *testing.T) {
	lab.Need(t)
	ns := lab.NewNamespace(t)
	if out, errs, code := command("", "flows", "list", "--format", "conntrack", "-o", "xml", "--netns", ns.Path); out != "" || code != 0 {
		t.Errorf("exit %d, %q, %s", code, out, errs)
	}
}
