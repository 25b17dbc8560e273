package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/surface/wording"
)

// small is a root directory of a host with a roomy table.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"proc/sys/kernel/osrelease":                                   "6.18.3\n",
		"proc/sys/net/netfilter/nf_conntrack_max":                     "262144\n",
		"proc/sys/net/netfilter/nf_conntrack_buckets":                 "262144\n",
		"proc/sys/net/netfilter/nf_conntrack_count":                   "10\n",
		"proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established": "432000\n",
		"proc/net/stat/nf_conntrack":                                  "entries drop\n0000000a 00000007\n",
		"proc/net/nf_conntrack":                                       "ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=1000 dport=80 src=10.2.0.2 dst=10.1.0.2 sport=80 dport=1000 [ASSURED] mark=0 zone=0 use=2\n",
	} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// command runs a command line on nothing but its arguments and input.
func command(in string, args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	code = run(args, streams{in: strings.NewReader(in), out: &o, err: &e})
	return o.String(), e.String(), code
}

func TestExplainKnowsEveryKindOfTopic(t *testing.T) {
	root := small(t)
	for text, want := range map[string][]string{
		"kernel: [ 9.1] nf_conntrack: nf_conntrack: table full, dropping packet": {"log", "table_full", "does not show it"},
		"nf_conntrack: expectation table full":                                   {"log", "expectation_table_full", "It is not the main table"},
		"net_ratelimit: 933 callbacks suppressed":                                {"log", "suppressed", "no count of refused packets"},
		"fork: Resource temporarily unavailable":                                 {"error", "eagain", "never gives this error"},
		"sendto: Operation not permitted":                                        {"error", "eperm", "conntrack table is full"},
		"No buffer space available":                                              {"error", "enobufs", "buffer"},
		"net.ipv4.netfilter.ip_conntrack_tcp_timeout_established":                {"setting", "tcp_timeout_established", "432000 s = 5 d"},
		"hashsize":            {"setting", "buckets", "262,144"},
		"tcp_be_liberal":      {"setting", "tcp_be_liberal", "does not have it"},
		"drop":                {"counter", "drop", "7"},
		"icmp_error":          {"counter", "error", "ICMP"},
		"delete_list":         {"counter", "delete_list", "no longer count"},
		"[ASSURED]":           {"status", "assured", "early drop never"},
		"ESTABLISHED":         {"state", "ESTABLISHED", "1 flows"},
		"time_wait":           {"state", "TIME_WAIT", "0 flows"},
		diagnose.ChainTooLong: {"finding", "chain_too_long", "does not show it"},
	} {
		out, errs, code := command("", "explain", "--format", "json", "--from", root, text)
		var doc explainDocument
		if code != 0 || json.Unmarshal([]byte(out), &doc) != nil || len(doc.Answers) != 1 {
			t.Errorf("%q: exit %d\n%s%s", text, code, out, errs)
			continue
		}
		x := doc.Answers[0]
		if doc.Schema != "ctkeeper.explain/1" || x.Kind != want[0] || x.Code != want[1] || !strings.Contains(out, want[2]) {
			t.Errorf("%q is %s %s, want %v:\n%s", text, x.Kind, x.Code, want, out)
		}
	}
}

func TestExplainHasASentenceForEveryTopic(t *testing.T) {
	var topics []topic
	add := func(x topic, ok bool) {
		if !ok {
			t.Errorf("not found: %+v", x)
		}
		topics = append(topics, x)
	}
	for _, code := range diagnose.Codes() {
		add(findingTopic(code))
	}
	for _, s := range settings.All() {
		add(settingTopic(s.Name))
	}
	for name := range counterFindings() {
		add(counterTopic(name))
	}
	for _, e := range errorTexts() {
		add(errorTopic(e.words))
	}
	for _, code := range []string{"table_full_netns", "syn_dropped", "orphans", "file_limit", "fork_rejected", "route_cache", "something_new"} {
		add(logTopic(code), true)
	}
	for _, x := range topics {
		for _, m := range append(x.Means, x.Do...) {
			if !wording.Has(m.Code) {
				t.Errorf("%s %s: no sentence %s", x.Kind, x.Code, m.Code)
			}
		}
	}
}

func TestExplainStdin(t *testing.T) {
	log := strings.Repeat("Mar 21 16:57:39 a kernel: [1.5] nf_conntrack: table full, dropping packet.\n", 3) +
		"Mar 21 16:57:40 a kernel: [2.5] TCP: too many orphaned sockets\nMar 21 16:57:41 a sshd: hello\n"
	out, _, code := command(log, "explain", "--stdin")
	if code != 0 || !strings.Contains(out, "3 × Mar 21 16:57:39") || !strings.Contains(out, "tcp_max_orphans") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	if out, _, code = command("nothing of interest\n", "explain", "--stdin", "--lang", "fr"); code != 1 || !strings.Contains(out, "Rien n'y est connu") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestExplainRefuses(t *testing.T) {
	if _, errs, code := command("", "explain", "foo_drop"); code != 1 || !strings.Contains(errs, "hint: nearest known: drop, early_drop") {
		t.Errorf("exit %d: %s", code, errs)
	}
	for _, args := range [][]string{{"explain"}, {"explain", "--stdin", "drop"}} {
		if _, _, code := command("", args...); code != 2 {
			t.Errorf("%v exits %d, want 2", args, code)
		}
	}
}
