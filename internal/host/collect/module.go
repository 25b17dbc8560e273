package collect

import (
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

const parameters = "/sys/module/nf_conntrack/parameters"

// module tells how conntrack is present: built in, loaded, absent, and in which family of names.
func (c *collector) module() {
	m := &c.s.Module
	m.Modern = c.exists("/proc/sys/net/netfilter/nf_conntrack_count") || c.exists("/proc/sys/net/netfilter/nf_conntrack_max")
	m.Legacy = c.exists("/proc/sys/net/ipv4/netfilter/ip_conntrack_max") || c.exists("/proc/sys/net/ipv4/ip_conntrack_max")
	m.Parameters = c.moduleParameters()
	loaded, users := parseModules(c.text("/proc/modules"))
	m.Users = users
	switch {
	case loaded:
		m.State = snapshot.ModuleLoaded
	case m.Modern || m.Legacy || c.exists("/sys/module/nf_conntrack"):
		m.State = snapshot.ModuleBuiltIn
		if !c.exists("/proc/modules") && c.exists("/sys/module/nf_conntrack/initstate") {
			m.State = snapshot.ModuleLoaded
		}
	case c.exists("/proc/sys/net"):
		m.State = snapshot.ModuleAbsent
	}
}

func (c *collector) exists(name string) bool {
	_, err := c.fs.Stat(name)
	return err == nil
}

func (c *collector) moduleParameters() map[string]string {
	names, err := c.fs.List(parameters)
	if err != nil || len(names) == 0 {
		return nil
	}
	values := map[string]string{}
	for _, n := range names {
		if data, err := c.fs.ReadFile(parameters+"/"+n, 4096); err == nil {
			values[n] = strings.TrimSpace(string(data))
		}
	}
	return values
}

// parseModules reads from /proc/modules whether conntrack is a loaded module, and which modules use it.
func parseModules(text string) (loaded bool, users []string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "nf_conntrack" && f[0] != "ip_conntrack" {
			continue
		}
		loaded = true
		for user := range strings.SplitSeq(f[3], ",") {
			if user != "" && user != "-" {
				users = append(users, user)
			}
		}
	}
	return loaded, users
}
