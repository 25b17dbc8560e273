package boot

import "strings"

// Paths lists, as globs, the files that a snapshot needs so that the next boot can be foretold: what the
// loaders read, what loads modules and gives them options, and other programs' configuration that
// overwrites conntrack settings later. A name's leading dot must match too.
func Paths() []string {
	paths := []string{"/proc/cmdline", "/etc/sysctl.conf", "/etc/modules", "/etc/initramfs-tools/modules"}
	for _, dir := range configDirs() {
		paths = append(paths, dir+"/sysctl.d/*", dir+"/modules-load.d/*", dir+"/modprobe.d/*")
	}
	return append(paths,
		"/etc/udev/rules.d/*.rules", "/run/udev/rules.d/*.rules", "/usr/local/lib/udev/rules.d/*.rules",
		"/usr/lib/udev/rules.d/*conntrack*", "/usr/lib/udev/rules.d/*netfilter*", "/usr/lib/udev/rules.d/*sysctl*",
		"/etc/ufw/sysctl.conf", "/etc/ufw/ufw.conf", "/etc/default/ufw",
		"/etc/firewalld/firewalld.conf",
		"/etc/tuned/active_profile", "/etc/tuned/*/tuned.conf", "/etc/tuned/profiles/*/tuned.conf",
		"/usr/lib/tuned/*/tuned.conf", "/usr/lib/tuned/profiles/*/tuned.conf",
		// Never a kubeconfig: it holds credentials.
		"/var/lib/kube-proxy/config.conf", "/var/lib/kube-proxy/kube-proxy-config.yaml", "/etc/kubernetes/kube-proxy-config.yaml",
		"/etc/docker/daemon.json",
		"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/conntrackd/conntrackd.conf")
}

// ProgramPaths lists the configuration files that a program's arguments name, to be read beside Paths.
func ProgramPaths(args []string) []string {
	var paths []string
	for i, a := range args {
		name, value, found := strings.Cut(a, "=")
		if !found && i+1 < len(args) {
			value = args[i+1]
		}
		if (name == "--config" || name == "--config-file") && strings.HasPrefix(value, "/") {
			paths = append(paths, value)
		}
	}
	return paths
}

// configDirs are the directories whose sysctl.d, modules-load.d and modprobe.d are read, in the order in
// which a name in one hides the same name in the next.
func configDirs() []string {
	return []string{"/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"}
}
