package apply

import (
	"fmt"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/settings"
)

// Settings reads and writes settings.
type Settings interface {
	ReadFile(name string, limit int64) ([]byte, error)
	WriteSysctl(name, value string) error
}

// Netns reaches the network namespaces that plans and journal entries are about.
type Netns interface {
	// Settings are those of the namespace at the path.
	Settings(path string) Settings
	// Inode tells which namespace the path leads to now; "" is the present one.
	Inode(path string) (uint64, error)
}

// hands are what reach a setting of the namespace at netns: what belongs to the machine is written from
// here, wherever that namespace is. Each entry is reached through its own namespace, not through that of
// the run which closes it.
func (r *Runner) hands(netns, name string) Settings {
	if s, _, ok := settings.LookupKey(name); netns != "" && r.Netns != nil && ok && s.Scope == settings.Namespace {
		return r.Netns.Settings(netns)
	}
	return r.FS
}

func (r *Runner) readInt(netns, name string) (int64, error) {
	data, err := r.hands(netns, name).ReadFile(name, 4096)
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(data))
	switch text {
	case "Y":
		return 1, nil
	case "N":
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

// inode is 0 where namespaces cannot be told apart.
func (r *Runner) inode(netns string) (uint64, error) {
	if r.Netns == nil {
		return 0, nil
	}
	return r.Netns.Inode(netns)
}

// reachable reports whether an entry's setting can be put back from here. A path can lead to another
// namespace by now (a number of a process was given anew), and the present one can be another.
func (r *Runner) reachable(e *Entry, c SettingChange) bool {
	if s, ok := settings.Lookup(c.Setting); ok && s.Scope == settings.Machine || e.NamespaceInode == 0 || r.Netns == nil {
		return true
	}
	if e.Path == "" && e.BootID != r.BootID {
		return true // a namespace's inode means nothing after a reboot
	}
	now, err := r.Netns.Inode(e.Path)
	return err == nil && now == e.NamespaceInode
}

// here refuses to go on with an entry whose namespace cannot be reached.
func (r *Runner) here(e *Entry) error {
	for _, c := range e.Settings {
		if !r.reachable(e, c) {
			return fmt.Errorf("apply %s is about network namespace %s, which is not reached from here", e.ID, e.Namespace)
		}
	}
	return nil
}
