package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/confine"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/host/kernlog"
)

// confined is what the daemon may still do; what it gave up at its start comes back with a new start alone.
type confined struct {
	rules   confine.Rules
	outside *confine.Outside
	parts   []confine.Part
}

// confineSelf gives up all that the configuration does not need. What the kernel lacks is logged, and done without.
func confineSelf(c serveConfig, log *slog.Logger) *confined {
	g := &confined{rules: c.rules()}
	g.outside, g.parts = confine.Apply(g.rules)
	for _, p := range g.parts {
		if p.Err != nil {
			log.Warn("not confined", "by", p.Name, "error", p.Err)
		}
	}
	return g
}

// missing are the means of confinement that are not in force, as what the findings name as missing.
func (g *confined) missing() []snapshot.Missing {
	var out []snapshot.Missing
	for _, p := range g.parts {
		if p.Err != nil {
			out = append(out, snapshot.Missing{Source: "confinement of ctkeeper by " + p.Name, Why: p.Err.Error(), Code: "not_confined"})
		}
	}
	return out
}

// covers reports whether another configuration can be used without a new start.
func (g *confined) covers(c serveConfig) bool { return g.rules.Covers(c.rules()) }

// rules are what a configuration needs: its own files, wherever they are renewed, its ports and its directory.
func (c *serveConfig) rules() confine.Rules {
	r := confine.Rules{Namespaces: c.Namespaces == "all", Write: []string{c.StateDir}, Abstract: strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@")}
	r.Read = append(r.Read, defaultStateDir) // the journal of apply
	for _, file := range []string{c.path, c.TokenFile, c.TLS.Certificate, c.TLS.Key, c.TLS.ClientCA} {
		if file != "" {
			r.Read = append(r.Read, directories(file)...)
			r.Foreign = r.Foreign || foreign(file)
		}
	}
	r.Foreign = r.Foreign || foreign(c.StateDir)
	slices.Sort(r.Read)
	r.Read = slices.Compact(r.Read)
	if program := kernlog.Program(hostfs.FS{}); program != "" {
		r.Execute = []string{program}
	}
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		r.Sockets = []string{filepath.Dir(path)}
	} else if port, ok := portOf(c.Listen); ok {
		r.Bind = []uint16{port}
	}
	for _, w := range c.Webhooks {
		r.Connect = append(r.Connect, hookPorts(w.URL)...)
	}
	return r
}

// directories are those in which a file is replaced when it is renewed: its own, and that of what it links to.
func directories(file string) []string {
	out := []string{filepath.Dir(file)}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		out = append(out, filepath.Dir(real))
	}
	return out
}

// foreign reports whether root reads or writes what belongs to somebody else, for which being root is not enough.
func foreign(name string) bool {
	info, err := os.Stat(name)
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid != 0
}

func portOf(address string) (uint16, bool) {
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		return 0, false
	}
	port, err := net.LookupPort("tcp", text)
	return uint16(port), err == nil
}

// hookPorts are the ports that a webhook connects to: its own, or a proxy's, and that of name servers.
func hookPorts(address string) []uint16 {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy != nil {
		u = proxy
	}
	port := uint64(80)
	if u.Scheme == "https" {
		port = 443
	}
	if text := u.Port(); text != "" {
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return nil
		}
	}
	const domain = 53
	return []uint16{uint16(port), domain}
}
