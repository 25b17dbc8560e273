package main

import (
	"slices"
	"sort"
	"strings"

	"ctkeeper/internal/advice/diagnose"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/kernlog"
	"ctkeeper/internal/surface/wording"
)

// topic is something that can be explained.
type topic struct {
	Kind  string // log, error, setting, counter, state, status or finding
	Code  string // its name within the kind
	Label string // as people write it
	Means []message.Message
	Do    []message.Message
	// Findings are those that show it on a host, the most telling first.
	Findings []string
}

// plainTopic is a topic whose sentences stand in the wording under one code.
func plainTopic(kind, label, code string, findings ...string) topic {
	return topic{Kind: kind, Code: code, Label: label, Findings: findings,
		Means: []message.Message{message.New("explain_" + code)}, Do: []message.Message{message.New("explain_" + code + "_do")}}
}

// findTopic resolves what people type, the most exact kinds first.
func findTopic(text string) (topic, bool) {
	text = strings.TrimSpace(text)
	for _, find := range []func(string) (topic, bool){counterTopic, findingTopic, settingTopic, stateTopic, errorTopic} {
		if t, ok := find(text); ok {
			return t, true
		}
	}
	if line, ok := kernlog.Search(text); ok {
		return logTopic(line.Code), true
	}
	return topic{}, false
}

func findingTopic(text string) (topic, bool) {
	if !slices.Contains(diagnose.Codes(), text) {
		return topic{}, false
	}
	t := topic{Kind: "finding", Code: text, Label: text, Findings: []string{text},
		Means: []message.Message{message.New("finding_" + text)}, Do: []message.Message{message.New("explain_finding_do")}}
	if wording.Has("explain_" + text) {
		t.Means = []message.Message{message.New("explain_" + text)}
	}
	return t, true
}

// counterFindings lists conntrack's counters, by the name that ctnetlink, conntrack -S or /proc gives them, with the
// findings that one rising leads to.
func counterFindings() map[string][]string {
	return map[string][]string{
		"drop": {diagnose.TableFull, diagnose.TableWasFull}, "early_drop": {diagnose.TableFull, diagnose.OccupancyReclaimable},
		"insert_failed": {diagnose.InsertFailed, diagnose.ChainTooLong}, "invalid": {diagnose.InvalidPackets}, "found": {diagnose.NATPortsExhausted},
		"insert": nil, "error": nil, "search_restart": nil, "clash_resolve": nil, "chain_toolong": {diagnose.ChainTooLong},
	}
}

// counterAlias are other spellings of counters.
func counterAlias(text string) string {
	switch text {
	case "icmp_error":
		return "error"
	case "chaintoolong", "chainlength":
		return "chain_toolong"
	case "clashres":
		return "clash_resolve"
	}
	return text
}

func counterTopic(text string) (topic, bool) {
	name := counterAlias(strings.TrimSuffix(strings.ToLower(text), "="))
	if findings, ok := counterFindings()[name]; ok {
		return plainTopic("counter", name, name, findings...), true
	}
	if slices.Contains([]string{"searched", "new", "ignore", "delete", "delete_list"}, name) {
		t := plainTopic("counter", name, "dead_counter")
		t.Code = name
		return t, true
	}
	return topic{}, false
}

func settingTopic(text string) (topic, bool) {
	s, _, ok := settings.LookupKey(text)
	if !ok {
		return topic{}, false
	}
	return topic{Kind: "setting", Code: s.Name, Label: text,
		Means: []message.Message{message.New(s.Advice), message.New(string(s.Effect))},
		Do:    []message.Message{message.New("explain_setting_do", "name", s.Name)}}, true
}

func stateTopic(text string) (topic, bool) {
	name := strings.ToUpper(strings.Trim(text, "[] "))
	code := ""
	switch name {
	case "ASSURED":
		return plainTopic("status", name, "assured"), true
	case "UNREPLIED":
		return plainTopic("status", name, "unreplied"), true
	case "ESTABLISHED":
		code = "established"
	default:
		if st, ok := flow.ParseState(flow.TCP, name); ok {
			code = "new_state"
			if st.Closing() {
				code = "closing"
			}
		} else if _, ok := flow.ParseState(flow.SCTP, name); ok {
			code = "sctp"
		} else if _, ok := flow.ParseStatus(name); ok {
			return plainTopic("status", name, "mark"), true
		} else {
			return topic{}, false
		}
	}
	t := plainTopic("state", name, code)
	t.Code = name
	return t, true
}

// errorTexts are what programs print, in lower case, and the topic each means.
func errorTexts() []struct {
	words, code string
	findings    []string
} {
	full := []string{diagnose.TableFull, diagnose.TableWasFull}
	return []struct {
		words, code string
		findings    []string
	}{
		{"resource temporarily unavailable", "eagain", []string{diagnose.LimitProcesses, diagnose.LimitFiles}}, {"eagain", "eagain", []string{diagnose.LimitProcesses}},
		{"operation not permitted", "eperm", full}, {"eperm", "eperm", full},
		{"no buffer space available", "enobufs", []string{diagnose.SocketMemory}}, {"enobufs", "enobufs", []string{diagnose.SocketMemory}},
		{"cannot assign requested address", "eaddrnotavail", []string{diagnose.PortsExhausted}}, {"eaddrnotavail", "eaddrnotavail", []string{diagnose.PortsExhausted}},
		{"too many open files", "emfile", []string{diagnose.LimitFiles}}, {"emfile", "emfile", []string{diagnose.LimitFiles}}, {"enfile", "emfile", []string{diagnose.LimitFiles}},
		{"connection timed out", "etimedout", append(full, diagnose.ListenOverflow)}, {"etimedout", "etimedout", append(full, diagnose.ListenOverflow)},
		{"i/o timeout", "etimedout", append(full, diagnose.ListenOverflow)},
		{"connection refused", "econnrefused", nil}, {"econnrefused", "econnrefused", nil},
		{"network is unreachable", "eunreach", []string{diagnose.NeighbourOverflow}}, {"no route to host", "eunreach", []string{diagnose.NeighbourOverflow}},
	}
}

func errorTopic(text string) (topic, bool) {
	low := strings.ToLower(text)
	for _, e := range errorTexts() {
		if strings.Contains(low, e.words) {
			return plainTopic("error", text, e.code, e.findings...), true
		}
	}
	return topic{}, false
}

// logTopic is the topic of a kernel message's code or kind.
func logTopic(code string) topic {
	findings := map[string][]string{
		"table_full": {diagnose.TableFull, diagnose.TableWasFull}, "expectation_table_full": {diagnose.ExpectationTableFull},
		"syn_cookies": {diagnose.ListenOverflow}, "neighbour_overflow": {diagnose.NeighbourOverflow}, "socket_memory": {diagnose.SocketMemory},
		"orphans": {diagnose.SocketMemory}, "file_limit": {diagnose.LimitFiles}, "fork_rejected": {diagnose.LimitProcesses},
	}
	switch code {
	case "table_full_netns", "maximum_limit":
		code = "table_full"
	case "expectation_full", "expectations_of_helper":
		code = "expectation_table_full"
	case "syn_dropped", "syn_flooding":
		code = "syn_cookies"
	}
	if !wording.Has("explain_" + code) {
		code = "conntrack_other"
	}
	return plainTopic("log", strings.ReplaceAll(code, "_", " "), code, findings[code]...)
}

// nearTopics are a few known topics that look like the text.
func nearTopics(text string) []string {
	var known []string
	for name := range counterFindings() {
		known = append(known, name)
	}
	known = append(known, diagnose.Codes()...)
	for _, s := range settings.All() {
		known = append(known, s.Name)
	}
	sort.Strings(known)
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == '_' || r == '.' })
	var near []string
	for _, k := range known {
		if slices.ContainsFunc(words, func(w string) bool { return len(w) > 2 && strings.Contains(k, w) }) && len(near) < 5 {
			near = append(near, k)
		}
	}
	if len(near) == 0 {
		near = []string{"table_full", "drop", "max", "ESTABLISHED"}
	}
	return near
}
