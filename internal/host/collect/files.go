package collect

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

// directories are read whole: what loaders of sysctl values, of modules and of udev rules read, and where
// other programs keep what overwrites it later. A suffix chooses among their files.
var directories = [...]struct{ dir, suffix string }{
	{"/etc/sysctl.d", ".conf"}, {"/run/sysctl.d", ".conf"}, {"/usr/local/lib/sysctl.d", ".conf"},
	{"/usr/lib/sysctl.d", ".conf"}, {"/lib/sysctl.d", ".conf"},
	{"/etc/modules-load.d", ".conf"}, {"/run/modules-load.d", ".conf"}, {"/usr/local/lib/modules-load.d", ".conf"},
	{"/usr/lib/modules-load.d", ".conf"}, {"/lib/modules-load.d", ".conf"},
	{"/etc/modprobe.d", ".conf"}, {"/run/modprobe.d", ".conf"}, {"/usr/local/lib/modprobe.d", ".conf"},
	{"/usr/lib/modprobe.d", ".conf"}, {"/lib/modprobe.d", ".conf"},
}

// single are files of their own.
var single = [...]string{
	"/etc/sysctl.conf", "/etc/modules", "/etc/initramfs-tools/modules", "/proc/cmdline", "/etc/rc.local", "/etc/rc.d/rc.local",
	"/var/lib/kube-proxy/config.conf", "/var/lib/kube-proxy/kube-proxy-config.yaml", "/etc/kubernetes/kube-proxy-config.yaml",
	"/etc/ufw/sysctl.conf", "/etc/ufw/ufw.conf", "/etc/default/ufw",
	"/etc/firewalld/firewalld.conf", "/etc/docker/daemon.json",
	"/etc/tuned/active_profile", "/etc/systemd/system/systemd-sysctl.service",
	"/usr/lib/systemd/system/systemd-sysctl.service", "/lib/systemd/systemd-sysctl", "/usr/lib/systemd/systemd-sysctl",
}

// udevDirs hold rules of which only those that mention conntrack or sysctl matter.
var udevDirs = [...]string{"/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"}

// fileLimit is the most that is kept of one file; a longer one is named as unread.
const fileLimit = 1 << 20

// files reads every file that decides what the next boot sets.
func (c *collector) files() {
	linked := c.linkedLib()
	for _, d := range directories {
		if linked && strings.HasPrefix(d.dir, "/lib/") {
			continue // the same directory as below /usr
		}
		c.directory(d.dir, func(name string) bool { return strings.HasSuffix(name, d.suffix) }, nil)
	}
	for _, name := range single {
		c.file(name, nil)
	}
	for _, dir := range udevDirs {
		if linked && strings.HasPrefix(dir, "/lib/") {
			continue
		}
		c.directory(dir, func(name string) bool { return strings.HasSuffix(name, ".rules") }, mentionsConntrack)
	}
	c.tunedProfiles()
}

// linkedLib reports whether /lib is a link to /usr/lib, as on merged systems.
func (c *collector) linkedLib() bool {
	target, err := c.fs.Readlink("/lib")
	return err == nil && (target == "usr/lib" || target == "/usr/lib")
}

func mentionsConntrack(content []byte) bool {
	s := string(content)
	return strings.Contains(s, "conntrack") || strings.Contains(s, "sysctl")
}

func (c *collector) directory(dir string, want func(string) bool, matters func([]byte) bool) {
	names, err := c.fs.List(dir)
	if err != nil {
		c.miss(dir, err, "")
		return
	}
	for _, n := range names {
		if want(n) {
			c.file(dir+"/"+n, matters)
		}
	}
}

// file adds one file as it stands; one that does not exist is left out, and so is one that does not matter.
func (c *collector) file(name string, matters func([]byte) bool) {
	info, err := c.fs.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	f := snapshot.File{Path: name}
	if err == nil {
		f.Mode = uint32(info.Mode().Perm())
		if info.Mode()&fs.ModeSymlink != 0 {
			f.Target, _ = c.fs.Readlink(name)
		}
		if isProgram(name) {
			c.s.Files = append(c.s.Files, f)
			return
		}
		if to, statErr := c.fs.Stat(name); statErr == nil && to.Mode().IsRegular() || strings.HasPrefix(name, "/proc/") {
			f.Content, err = c.fs.ReadFile(name, fileLimit)
		} else if f.Target == "" {
			return
		}
	}
	if err != nil {
		f.Error = err.Error()
		c.miss(name, err, "")
	} else if matters != nil && !matters(f.Content) {
		return
	}
	c.s.Files = append(c.s.Files, f)
}

// isProgram tells the loader itself, whose presence matters and whose bytes do not.
func isProgram(name string) bool { return strings.HasSuffix(name, "/systemd-sysctl") }

// tunedProfiles reads the active profiles and those that they include.
func (c *collector) tunedProfiles() {
	active := strings.Fields(c.text("/etc/tuned/active_profile"))
	seen := map[string]bool{}
	for len(active) > 0 && len(seen) < 20 {
		name := active[0]
		active = active[1:]
		if seen[name] || strings.Contains(name, "/") {
			continue
		}
		seen[name] = true
		for _, dir := range []string{"/etc/tuned", "/etc/tuned/profiles", "/usr/lib/tuned", "/usr/lib/tuned/profiles"} {
			file := path.Join(dir, name, "tuned.conf")
			if !c.exists(file) {
				continue
			}
			c.file(file, nil)
			active = append(active, includes(c.text(file))...)
			break
		}
	}
}

// includes lists the profiles that a tuned.conf includes.
func includes(conf string) []string {
	for line := range strings.Lines(conf) {
		if key, value, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "include" {
			return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
		}
	}
	return nil
}

// writers are programs that set conntrack values themselves, by the name of their process or, for those
// that an interpreter runs, of their script.
var writers = []string{"kube-proxy", "k3s", "k3s-server", "k3s-agent", "rke2", "k0s", "kubelite", "kubelet", "hyperkube", "tuned", "firewalld", "dockerd"}

// programs finds the running programs that write conntrack settings.
func (c *collector) programs(ctx context.Context) {
	names, err := c.fs.List("/proc")
	if err != nil {
		c.miss("/proc", err, "")
		return
	}
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if p, ok := c.program(pid); ok {
			c.s.Programs = append(c.s.Programs, p)
			c.configOf(p)
		}
	}
	slices.SortFunc(c.s.Programs, func(a, b snapshot.Program) int { return a.PID - b.PID })
}

func (c *collector) program(pid int) (snapshot.Program, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	comm, err := c.fs.ReadFile(dir+"/comm", 4096)
	if err != nil {
		return snapshot.Program{}, false // it ended, or comm is not part of the copy
	}
	name := strings.TrimSpace(string(comm))
	if !slices.Contains(writers, name) && !strings.HasPrefix(name, "python") {
		return snapshot.Program{}, false
	}
	data, err := c.fs.ReadFile(dir+"/cmdline", 64<<10)
	if err != nil {
		return snapshot.Program{}, false
	}
	args := strings.Split(strings.TrimRight(string(data), "\x00"), "\x00")
	if strings.HasPrefix(name, "python") {
		if name = script(args); !slices.Contains(writers, name) {
			return snapshot.Program{}, false
		}
	}
	return snapshot.Program{Name: name, PID: pid, Args: args}, true
}

// script is the name of the program that an interpreter runs.
func script(args []string) string {
	for _, a := range args[min(1, len(args)):] {
		if !strings.HasPrefix(a, "-") {
			return path.Base(a)
		}
	}
	return ""
}

// configOf adds the configuration file that a program's arguments name.
func (c *collector) configOf(p snapshot.Program) {
	for i, a := range p.Args {
		file, ok := strings.CutPrefix(a, "--config=")
		if !ok && a == "--config" && i+1 < len(p.Args) {
			file, ok = p.Args[i+1], true
		}
		if ok && path.IsAbs(file) && c.exists(file) {
			c.file(file, nil)
		}
	}
}
