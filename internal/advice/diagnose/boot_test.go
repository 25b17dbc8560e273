package diagnose_test

import (
	"testing"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/snapshot"
)

const early = "/etc/modules-load.d/conntrack.conf"

// files makes the host boot with systemd from these files.
func files(s *snapshot.Snapshot, pairs ...string) {
	s.Files = []snapshot.File{{Path: "/usr/lib/systemd/systemd-sysctl"}, {Path: early, Content: []byte("nf_conntrack\n")}}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Files = append(s.Files, snapshot.File{Path: pairs[i], Content: []byte(pairs[i+1])})
	}
}

func TestBoot(t *testing.T) {
	const conf, line = "/etc/sysctl.d/90.conf", "net.netfilter.nf_conntrack_max = 524288\n"
	for name, c := range map[string]struct {
		change func(s *snapshot.Snapshot, n *snapshot.Namespace)
		code   string
	}{
		"kept": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			setInt(n, "max", 524288)
			files(s, conf, line)
		}, ""},
		"in no file": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			setInt(n, "max", 524288)
			files(s)
		}, diagnose.NotPersisted},
		"the kernel's own choice, nearly": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			s.Host.MemTotal = 512 << 20
			setInt(n, "max", 4608)
			setInt(n, "buckets", 4608)
			for i := range n.Readings {
				*n.Readings[i].Count = 300
			}
			n.Flows = nil
			files(s)
		}, ""},
		"another file wins": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			setInt(n, "max", 524288)
			files(s, conf, line, "/usr/lib/sysctl.d/95.conf", "net.netfilter.nf_conntrack_max = 262144\n")
		}, diagnose.OverriddenAtBoot},
		"read too early": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			setInt(n, "max", 524288)
			files(s, conf, line)
			s.Files[1].Content = nil
		}, diagnose.OverriddenAtBoot},
		"not the first namespace": {func(s *snapshot.Snapshot, n *snapshot.Namespace) {
			setInt(n, "max", 524288)
			s.Source.InitNetns = ptr(false)
			files(s)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := healthy()
			c.change(&s, &s.Namespaces[0])
			r := diagnose.Diagnose(s)
			for _, f := range r.Findings {
				if f.Severity != diagnose.OK && f.Code != c.code {
					t.Errorf("false alarm %s: %v", f.Code, f.Evidence)
				}
			}
			if _, ok := r.Find(c.code); !ok && c.code != "" {
				t.Errorf("no %s", c.code)
			}
			checkSentences(t, r)
		})
	}
}
