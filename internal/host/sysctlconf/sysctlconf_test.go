package sysctlconf_test

import (
	"os"
	"path/filepath"
	"testing"

	"ctkeeper/internal/host/sysctlconf"
)

func TestReadTellsDialectsApart(t *testing.T) {
	for _, c := range []struct {
		text                  string
		systemd, procps, bbox string // "path=value" of the first entry, "" when it sets nothing
	}{
		{"net.a = 1", "net/a=1", "net/a=1", "net/a=1"},
		{"; net.a = 1", "", "", ";=net.a = 1"},
		{"-net.a=1", "net/a=1", "net/a=1", "-net/a=1"},
		{"- net.a=1", "net/a=1", " net/a=1", "-=net.a=1"},
		{"--net.a=1", "-net/a=1", "net/a=1", "--net/a=1"},
		{"net.a=1 # c", "net/a=1 # c", "net/a=1 # c", "net/a=1"},
		{"net.ipv4.conf.eth0/100.x=1", "net/ipv4/conf/eth0.100/x=1", "net/ipv4/conf/eth0.100/x=1", "net/ipv4/conf/eth0.100/x=1"},
		{"net/a.b=1", "net/a.b=1", "net/a.b=1", "net/a.b=1"},
		{"/net//a=1", "net/a=1", "/net//a=1", "/net//a=1"},
		{"x\rnet.a=1", "net/a=1", "x\rnet/a=1", "x\rnet/a=1"},
		{"net.a=1\x00net.b=2", "net/a=1", "net/a=1", "net/a=1"},
		{"net.a", "", "", ""},
		{"net.a==1", "net/a==1", "net/a==1", "net/a==1"},
	} {
		for d, want := range map[sysctlconf.Dialect]string{sysctlconf.Systemd: c.systemd, sysctlconf.Procps: c.procps, sysctlconf.Busybox: c.bbox} {
			got := ""
			for _, e := range sysctlconf.Read(d, []byte(c.text)) {
				if e.Kind == sysctlconf.Assign {
					got = e.Path + "=" + e.Value
					break
				}
			}
			if got != want {
				t.Errorf("%s reads %q as %q, want %q", d, c.text, got, want)
			}
		}
	}
}

func TestColumns(t *testing.T) {
	e := sysctlconf.Read(sysctlconf.Systemd, []byte("\n  -net.a  =  5\r\n"))
	if len(e) != 1 || e[0].Line != 2 || e[0].Col != 4 || e[0].ValueCol != 14 || !e[0].IgnoreFailure {
		t.Errorf("%+v", e)
	}
}

func TestEdits(t *testing.T) {
	const text = "# c\r\n -net.a \t=  1 \r\n\r\nnet.b=2"
	f := sysctlconf.Parse([]byte(text))
	f.SetValue(2, "77")
	f.SetKey(2, "net.x")
	f.Comment(4, "why\nnot")
	f.Append("net.c=3")
	want := "# c\r\n -net.x \t=  77 \r\n\r\n# why not\r\n# net.b=2\r\nnet.c=3\r\n"
	if got := string(f.Bytes()); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, n := range []int{0, -1, 99} {
		if f.SetValue(n, "1") || f.SetKey(n, "k") || f.Comment(n, "") || f.SetText(n, "") {
			t.Errorf("line %d was edited", n)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"net/*/x", "net/a/x", true}, {"net/*", "net/a/x", false}, {"a?c", "abc", true}, {"[!a]b", "ab", false}, {"[!a]b", "cb", true},
		{"[a-c]", "b", true}, {"[]]", "]", true}, {"[", "[", true}, {"*a*b*", "xaybz", true}, {"*", ".x", false}, {"\\*", "*", true}, {"a*b", "acd", false},
	} {
		if got := sysctlconf.Match(c.glob, c.path); got != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.path, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	seeds := []string{"", "\n", "a", "net.a = 1\r\n# c\n;x\n-b\n- c=2\x00d=3\re=4", "[=1\n*=\n=", "a=b=c\n\n\n"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	names, _ := filepath.Glob("../../../../shared/samples/sysctl/trees/*/etc/sysctl.conf")
	for _, n := range names {
		if data, err := os.ReadFile(n); err == nil {
			seeds = append(seeds, string(data))
		}
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := sysctlconf.Parse(data)
		if got := file.Bytes(); string(got) != string(data) {
			t.Fatalf("%q became %q", data, got)
		}
		for _, d := range []sysctlconf.Dialect{sysctlconf.Systemd, sysctlconf.Procps, sysctlconf.Busybox} {
			last := 0
			for _, e := range sysctlconf.Read(d, data) {
				if e.Line < max(last, 1) || e.Line > len(file.Lines) || e.Col < 1 || e.Kind == sysctlconf.Assign && e.ValueCol < 1 {
					t.Fatalf("%s: %+v in %q", d, e, data)
				}
				last = e.Line
				sysctlconf.Match(e.Path, e.Key)
			}
		}
		for n := range min(len(file.Lines), 20) {
			if edited := sysctlconf.Parse(data); !edited.Comment(n+1, "note") {
				t.Fatalf("line %d of %q cannot be commented out", n+1, data)
			}
		}
	})
}
