package boot

import (
	"path"
	"strings"

	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// Input is all that decides the next boot.
type Input struct {
	Files    []snapshot.File
	Kernel   settings.Kernel
	Memory   uint64 // bytes; 0: not known
	CPUs     int    // 0: not known
	Module   snapshot.Module
	Programs []snapshot.Program
	// Running are the values in force in the first namespace, by logical name.
	Running map[string]snapshot.Value
	// Keepalive is after how many seconds of silence a dead peer is given up; 0: not known.
	Keepalive int64
	// SlabObject is the bytes that one flow takes; 0: not known.
	SlabObject uint64
	// Others are the other network namespaces that track, by name: their timeouts and switches are
	// their own, and no sysctl file reaches them.
	Others []string
	// Alone are files that the loaders are given by name, as in `sysctl -p FILE`, instead of those that
	// a boot reads.
	Alone []string
	// Keys are the paths below /proc/sys that exist, for tests and for other keys than conntrack's; nil
	// means the conntrack keys that this kernel has.
	Keys []string
}

// FromSnapshot takes from a snapshot what decides the next boot.
func FromSnapshot(s snapshot.Snapshot) Input {
	k, _ := settings.ParseKernel(s.Host.Kernel)
	k.HZ, k.PageSize, k.Bits = s.Host.HZ, s.Host.PageSize, s.Host.Bits
	in := Input{Files: s.Files, Kernel: k, Memory: s.Host.MemTotal, CPUs: s.Host.CPUs, Module: s.Module, Programs: s.Programs}
	for i := range s.Namespaces {
		n := &s.Namespaces[i]
		// A container's own values say nothing of what the host boots into.
		inside := s.Source.InitNetns != nil && !*s.Source.InitNetns
		if n.Initial || in.Running == nil && !inside {
			in.Running = n.Settings
		}
	}
	in.Others = others(s)
	if s.Host.Slab != nil {
		in.SlabObject = s.Host.Slab.ObjectSize
	}
	if t, p, i := s.Host.KeepaliveTime, s.Host.KeepaliveProbes, s.Host.KeepaliveInterval; t != nil && p != nil && i != nil {
		in.Keepalive = *t + *p**i
	}
	return in
}

// others names the namespaces besides the first that are known to track.
func others(s snapshot.Snapshot) []string {
	var names []string
	for _, n := range s.Namespaces {
		if !n.Initial && n.Tracking != nil && *n.Tracking {
			names = append(names, n.Name)
		}
	}
	return names
}

// file finds a file by path, through links.
func (in Input) file(name string) (snapshot.File, bool) {
	for range 40 {
		f, ok := in.lookup(name)
		if !ok || f.Target == "" || f.Content != nil {
			return f, ok
		}
		name = target(f)
	}
	return snapshot.File{}, false
}

func (in Input) lookup(name string) (snapshot.File, bool) {
	for _, f := range in.Files {
		if f.Path == name {
			return f, true
		}
	}
	if rest, ok := strings.CutPrefix(name, "/lib/"); ok {
		return in.lookup("/usr/lib/" + rest)
	}
	return snapshot.File{}, false
}

// target is where a link leads, made absolute.
func target(f snapshot.File) string {
	if path.IsAbs(f.Target) {
		return path.Clean(f.Target)
	}
	return path.Join(path.Dir(f.Path), f.Target)
}

// real is the file that a link leads to in the end, or the file itself.
func (in Input) real(f snapshot.File) string {
	for range 40 {
		if f.Target == "" {
			return f.Path
		}
		next := target(f)
		g, ok := in.lookup(next)
		if !ok {
			return next
		}
		f = g
	}
	return f.Path
}

// keys are the paths below /proc/sys that exist.
func (in Input) keys() []string {
	if in.Keys != nil {
		return in.Keys
	}
	var paths []string
	for _, s := range settings.All() {
		for _, k := range in.keysOf(s) {
			paths = append(paths, strings.TrimPrefix(k.Path(), "/proc/sys/"))
		}
	}
	return paths
}

// keysOf lists a setting's sysctl keys that this host has: by the kernel's version, and by the families
// that were seen.
func (in Input) keysOf(s settings.Setting) []settings.Key {
	_, running := in.Running[s.Name]
	if !running && !s.ReadOnly && in.live() && in.Module.State != snapshot.ModuleAbsent {
		return nil // all values were read, and this was not among them
	}
	onKernel := s.KeysOn(in.Kernel)
	var keys []settings.Key
	for _, k := range s.Keys {
		if in.hasFamily(k.Family, running || contains(onKernel, k)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// hasFamily reports whether a key of the family is here; known is what the kernel's version, or the value
// that was read, says of it.
func (in Input) hasFamily(f settings.Family, known bool) bool {
	switch f {
	case settings.Modern:
		return known && (in.Module.Modern || !in.Module.Legacy)
	case settings.Legacy:
		return in.Module.Legacy || known && !in.Module.Modern
	}
	return false
}

// live reports whether the running values are complete enough to say which keys the kernel lacks.
func (in Input) live() bool {
	_, hasMax := in.Running["max"]
	_, hasTCP := in.Running["tcp_timeout_established"]
	return hasMax && hasTCP
}

func contains(keys []settings.Key, k settings.Key) bool {
	for _, c := range keys {
		if c.Name == k.Name {
			return true
		}
	}
	return false
}
