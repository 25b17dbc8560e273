package boot

import (
	"path"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// kubeProxyTimeouts are kube-proxy's flags, and the fields of its configuration file, by setting.
func kubeProxyTimeouts() map[string][2]string {
	return map[string][2]string{
		"tcp_timeout_established": {"--conntrack-tcp-timeout-established", "tcpEstablishedTimeout"},
		"tcp_timeout_close_wait":  {"--conntrack-tcp-timeout-close-wait", "tcpCloseWaitTimeout"},
		"udp_timeout":             {"--conntrack-udp-timeout", "udpTimeout"},
		"udp_timeout_stream":      {"--conntrack-udp-timeout-stream", "udpStreamTimeout"},
		"tcp_be_liberal":          {"--conntrack-tcp-be-liberal", "tcpBeLiberal"},
		"max":                     {"--conntrack-max-per-core", "maxPerCore"},
	}
}

// kubeProxy says what each running kube-proxy sets: its flags, its configuration file, or its defaults
// (established 24 h, close_wait 1 h, max by cores).
func kubeProxy(in Input) []Overwrite {
	var all []Overwrite
	for _, p := range in.Programs {
		if path.Base(p.Name) == "kube-proxy" {
			all = append(all, kubeProxyProcess(in, p)...)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, f := range in.Files {
		if isKubeProxyConfig(f) {
			all = append(all, kubeProxyValues(kubeConfig{file: f})...)
			break
		}
	}
	return all
}

func isKubeProxyConfig(f snapshot.File) bool {
	return (strings.HasPrefix(f.Path, "/var/lib/kube-proxy/") || strings.Contains(path.Base(f.Path), "kube-proxy")) &&
		strings.Contains(string(f.Content), "conntrack")
}

type kubeConfig struct {
	args    []string
	file    snapshot.File
	running bool
}

func kubeProxyProcess(in Input, p snapshot.Program) []Overwrite {
	c := kubeConfig{args: p.Args, running: true}
	for _, name := range ProgramPaths(p.Args) {
		if f, ok := in.file(name); ok {
			c.file = f
		}
	}
	return kubeProxyValues(c)
}

func kubeProxyValues(c kubeConfig) []Overwrite {
	var all []Overwrite
	defaults := map[string]int64{"tcp_timeout_established": 86400, "tcp_timeout_close_wait": 3600}
	for _, name := range []string{"max", "tcp_timeout_established", "tcp_timeout_close_wait", "udp_timeout", "udp_timeout_stream", "tcp_be_liberal"} {
		names := kubeProxyTimeouts()[name]
		o := Overwrite{Program: "kube-proxy", Setting: name, Running: c.running,
			Where: message.New("boot_where_kube_proxy", "flag", names[0], "field", "conntrack."+names[1])}
		text, at, given := c.value(names)
		if !given {
			v, ok := defaults[name]
			if !ok && name != "max" {
				continue
			}
			if ok {
				o.Value = &v
			}
			all = append(all, o)
			continue
		}
		v, ok := kubeNumber(text)
		if ok && v == 0 {
			continue // 0 leaves the setting alone
		}
		if ok && name != "max" { // max is per core, and has a floor: not known here
			o.Value = &v
		}
		o.At = at
		all = append(all, o)
	}
	return all
}

// value finds a flag, or its field in the configuration file; the file wins where both are given, as in
// kube-proxy itself.
func (c kubeConfig) value(names [2]string) (text string, at *Ref, given bool) {
	for i, line := range strings.Split(string(c.file.Content), "\n") {
		field, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		if value = strings.Trim(strings.TrimSpace(value), `"'`); ok && field == names[1] && value != "null" && value != "" {
			return value, &Ref{File: c.file.Path, Line: i + 1, Col: strings.Index(line, field) + 1}, true
		}
	}
	for i, a := range c.args {
		flag, value, joined := strings.Cut(a, "=")
		if flag != names[0] {
			continue
		}
		if !joined && i+1 < len(c.args) {
			value = c.args[i+1]
		}
		return value, nil, true
	}
	return "", nil, false
}

func kubeNumber(text string) (int64, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return int64(d / time.Second), true
	}
	switch text {
	case "true":
		return 1, true
	case "false":
		return 0, true
	}
	return atoi(text)
}
