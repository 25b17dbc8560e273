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
		switch name := path.Base(p.Name); name {
		case "kube-proxy", "k3s", "k3s-server", "k3s-agent":
			all = append(all, kubeProxyProcess(in, p, name)...)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, f := range in.Files {
		if isKubeProxyConfig(f) {
			all = append(all, kubeProxyValues(kubeConfig{program: "kube-proxy", file: f, cpus: in.CPUs})...)
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
	program string
	cpus    int
	args    []string
	file    snapshot.File
	running bool
}

// kubeProxyProcess reads a process's flags. k3s has kube-proxy inside and sets the same values; it takes
// the flags as --kube-proxy-arg=FLAG=VALUE.
func kubeProxyProcess(in Input, p snapshot.Program, name string) []Overwrite {
	c := kubeConfig{program: name, cpus: in.CPUs, running: true}
	for i, a := range p.Args {
		if arg, ok := strings.CutPrefix(a, "--kube-proxy-arg="); ok {
			a = "--" + strings.TrimPrefix(arg, "--")
		} else if i > 0 && p.Args[i-1] == "--kube-proxy-arg" {
			a = "--" + strings.TrimPrefix(a, "--")
		}
		c.args = append(c.args, a)
	}
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
		o := Overwrite{Program: c.program, Setting: name, Running: c.running,
			Where: message.New("boot_where_kube_proxy", "flag", names[0], "field", "conntrack."+names[1])}
		text, at, given := c.value(names)
		if !given {
			v, ok := defaults[name]
			if !ok && name != "max" {
				continue
			}
			if name == "max" {
				v, ok = c.max(32768)
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
		if name == "max" && ok {
			v, ok = c.max(v)
		}
		if ok {
			o.Value = &v
		}
		o.At = at
		all = append(all, o)
	}
	return all
}

// max is so many a core, and --conntrack-min at least. Releases differ above 32 cores (some cap it at
// 1048576), so that is not foretold.
func (c kubeConfig) max(perCore int64) (int64, bool) {
	floor := int64(131072)
	if text, _, given := c.value([2]string{"--conntrack-min", "min"}); given {
		if v, ok := kubeNumber(text); ok {
			floor = v
		}
	}
	return max(perCore*int64(c.cpus), floor), c.cpus > 0 && c.cpus <= 32
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
