package ctnetlink_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/host/ctnetlink"
	"ctkeeper/internal/lab"
)

// tool runs the conntrack tool in the namespace and returns its lines, sorted.
func tool(t *testing.T, ns *lab.Namespace, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath("conntrack")
	if err != nil {
		t.Skip("the conntrack tool is not installed")
	}
	var out []byte
	ns.Do(func() { out, err = exec.Command(path, args...).Output() })
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(list)
	return list
}

func tableOfEveryKind(t *testing.T) *lab.Namespace {
	t.Helper()
	ns := lab.NewNamespace(t)
	if err := ns.SetSysctl("net/netfilter/nf_conntrack_acct", "1"); err != nil {
		t.Fatal(err)
	}
	lab.Fill(t, ns, 300, lab.Mix{Established: 40, TimeWait: 20, SynSent: 20, IPv6: 30, Mark: 3})
	lab.Fill(t, ns, 20, lab.Mix{Established: 100, Zone: 9, First: 5000})
	c := dial(t, ns)
	var kinds []flow.Flow
	for _, line := range []string{
		"icmp 1 300 src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=77 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 type=0 code=0 id=77",
		"icmpv6 58 300 src=fd01::2 dst=fd02::2 type=128 code=0 id=5 [UNREPLIED] src=fd02::2 dst=fd01::2 type=129 code=0 id=5",
		"gre 47 300 src=10.1.0.2 dst=10.2.0.2 srckey=0x0 dstkey=0x4d src=10.2.0.2 dst=10.1.0.2 srckey=0x4d dstkey=0x0 [ASSURED]",
		"sctp 132 300 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=7 dport=8 src=10.2.0.2 dst=10.1.0.2 sport=8 dport=7 [ASSURED]",
		"udplite 136 300 src=10.1.0.2 dst=10.2.0.2 sport=7 dport=8 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 sport=8 dport=7",
		"unknown 89 300 src=10.1.0.2 dst=10.2.0.2 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2",
		"udp 17 300 src=10.1.0.2 dst=10.2.0.2 sport=7 dport=8 zone-orig=4 [UNREPLIED] src=10.2.0.2 dst=10.1.0.2 sport=8 dport=7",
	} {
		var fl flow.Flow
		if err := flow.ParseText(line, &fl); err != nil {
			t.Fatal(err)
		}
		fl.Present |= flow.HasProtoInfo
		kinds = append(kinds, fl)
	}
	res, err := c.Create(t.Context(), func(yield func(*flow.Flow) bool) {
		for i := range kinds {
			if !yield(&kinds[i]) {
				return
			}
		}
	}, ctnetlink.ChangeOptions{OnError: func(_ uint64, fl *flow.Flow, err error) { t.Errorf("%+v: %v", fl.Orig, err) }})
	if err != nil || int(res.Done) != len(kinds) {
		t.Fatalf("%+v, %v", res, err)
	}
	return ns
}

// withoutTime takes the remaining time, which passes, out of a line.
func withoutTime(line string, at int) string {
	words := strings.Fields(line)
	return strings.Join(append(words[:at:at], words[at+1:]...), " ")
}

func TestTextEqualsTheConntrackTools(t *testing.T) {
	ns := tableOfEveryKind(t)
	c := dial(t, ns)
	for _, o := range []struct {
		args []string
		opts flow.TextOptions
		time int
	}{
		{[]string{"-L"}, flow.TextOptions{}, 2},
		{[]string{"-L", "-o", "extended,id"}, flow.TextOptions{Extended: true, ID: true}, 4},
	} {
		want := tool(t, ns, o.args...)
		var got []string
		dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error {
			got = append(got, withoutTime(string(flow.AppendText(nil, fl, o.opts)), o.time))
			return nil
		})
		for i := range want {
			want[i] = withoutTime(want[i], o.time)
		}
		slices.Sort(got)
		slices.Sort(want)
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%v:\nours   %s\ntheirs %s", o.args, got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%v: %d lines, theirs %d", o.args, len(got), len(want))
		}
	}
}

func TestProcReaderEqualsNetlink(t *testing.T) {
	ns := tableOfEveryKind(t)
	c := dial(t, ns)
	byNetlink := map[flow.Tuple]flow.Flow{}
	dump(t, c, ctnetlink.DumpOptions{}, func(fl *flow.Flow) error { byNetlink[fl.Orig] = fl.Clone(); return nil })
	ns.Do(func() {
		f, err := os.Open("/proc/thread-self/net/nf_conntrack")
		if err != nil {
			t.Skipf("this kernel does not show the table in /proc: %v", err)
		}
		defer func() { _ = f.Close() }()
		seen := 0
		res, err := flow.ReadText(f, f.Name(), func(fl *flow.Flow) error {
			n := byNetlink[fl.Orig]
			seen++
			if n.Reply != fl.Reply || n.State != fl.State || n.Status&^flow.Helper != fl.Status || n.Zone != fl.Zone || n.Mark != fl.Mark || n.OrigCount != fl.OrigCount {
				t.Errorf("/proc  %+v\nnetlink %+v", *fl, n)
			}
			return nil
		})
		if err != nil || res.Bad != 0 || seen != len(byNetlink) {
			t.Errorf("%d of %d, %+v, %v", seen, len(byNetlink), res, err)
		}
	})
}
