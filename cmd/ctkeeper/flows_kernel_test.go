package main

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ctkeeper/internal/lab"
)

// remaining are the remaining times, which pass between two readings.
var remaining = regexp.MustCompile(`^(\S+ +\d+ (?:\S+ +\d+ )?)\d+ `)

func sortedFlows(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = remaining.ReplaceAllString(line, "${1}T ")
	}
	slices.Sort(lines)
	return lines
}

func TestFlowsListPrintsWhatTheConntrackToolPrints(t *testing.T) {
	ns := lab.NewNamespace(t)
	made := lab.Fill(t, ns, 2000, lab.Mix{Established: 2, TimeWait: 1, SynSent: 1, IPv6: 20, Timeout: 3000})
	for _, args := range [][]string{{}, {"-p", "tcp", "--state", "SYN_SENT"}, {"-f", "ipv6"}, {"-o", "extended,id"}} {
		var want []byte
		var err error
		if doErr := ns.Run(func() error {
			want, err = exec.Command("conntrack", append([]string{"-L"}, args...)...).Output()
			return nil
		}); doErr != nil || err != nil {
			t.Fatal(doErr, err)
		}
		out, errs, code := command("", append([]string{"flows", "list", "--format", "conntrack", "--netns", ns.Path}, args...)...)
		if code != 0 || errs != "" {
			t.Fatalf("%v: exit %d, %s", args, code, errs)
		}
		a, b := sortedFlows(out), sortedFlows(string(want))
		if !slices.Equal(a, b) {
			t.Errorf("%v: %d lines, the conntrack tool %d; first here %q, there %q", args, len(a), len(b), a[0], b[0])
		}
		if len(args) == 0 && len(a) != made {
			t.Errorf("%d flows of %d", len(a), made)
		}
	}
}
