// Package netns finds the network namespaces of a host, names them as people do, and enters them.
//
//	all, missing := netns.Find(ctx, fs)            // /proc/*/ns/net and every bind mount
//	err := netns.Do("/proc/7/ns/net", func() error { … })
//
// It knows nothing of what is inside a namespace. Names come from cgroup paths and from the state files
// of docker, containerd, CRI-O and podman; no program is asked.
package netns

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"ctkeeper/internal/conntrack/snapshot"
)

// Tree is the host's file system, live or a copy.
type Tree interface {
	ReadFile(name string, limit int64) ([]byte, error)
	Readlink(name string) (string, error)
	List(name string) ([]string, error)
}

// Kinds of names, best first: what people call the thing beats what a tool called its namespace.
const (
	KindHost       = "host"
	KindDocker     = "docker"
	KindContainerd = "containerd"
	KindCRIO       = "crio"
	KindPodman     = "podman"
	KindNspawn     = "nspawn"
	KindLXC        = "lxc"
	KindNetns      = "netns"
	KindUnit       = "unit"
	KindProcess    = "process"
)

// Namespace is one network namespace.
type Namespace struct {
	Inode uint64
	Name  string
	Kind  string
	Path  string // a path that enters it
	PIDs  []int  // the lowest few of its processes
	// Present is the namespace of the caller.
	Present bool
}

// somePIDs is how many processes of a namespace are remembered.
const somePIDs = 8

// Find lists the host's namespaces, the caller's first, then by name. Processes whose namespace cannot be
// read are counted in one Missing.
func Find(ctx context.Context, t Tree) ([]Namespace, []snapshot.Missing) {
	f := finder{tree: t, byInode: map[uint64]*Namespace{}}
	var missing []snapshot.Missing
	if err := f.mounts(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		missing = append(missing, snapshot.Missing{Source: "/proc/self/mountinfo", Why: err.Error()})
	}
	if denied, err := f.processes(ctx); err != nil {
		missing = append(missing, snapshot.Missing{Source: "/proc", Why: err.Error()})
	} else if denied > 0 {
		missing = append(missing, snapshot.Missing{Source: "/proc/*/ns/net", Why: strconv.Itoa(denied) + " processes: permission denied", Code: "needs_root"})
	}
	return f.list(), missing
}

type finder struct {
	tree    Tree
	byInode map[uint64]*Namespace
	denied  int
}

// add notes one way into a namespace.
func (f *finder) add(inode uint64, where string) *Namespace {
	ns := f.byInode[inode]
	if ns == nil {
		ns = &Namespace{Inode: inode, Path: where}
		f.byInode[inode] = ns
	}
	return ns
}

// mounts adds the namespaces that a bind mount keeps: `ip netns`, docker, CNI plugins.
func (f *finder) mounts() error {
	data, err := f.tree.ReadFile("/proc/self/mountinfo", 16<<20)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		inode, point, ok := parseMount(line)
		if !ok {
			continue
		}
		ns := f.add(inode, point)
		if ns.Name == "" || !strings.HasPrefix(ns.Path, "/run/netns/") && strings.HasPrefix(point, "/run/netns/") {
			ns.Name, ns.Kind, ns.Path = path.Base(point), KindNetns, point
		}
	}
	return nil
}

// parseMount reads a line of mountinfo that mounts a network namespace: "… 0:4 net:[4026532294]
// /run/netns/blue rw shared:2 - nsfs nsfs rw".
func parseMount(line string) (inode uint64, point string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 5 {
		return 0, "", false
	}
	inode, ok = parseInode(fields[3])
	return inode, unescape(fields[4]), ok
}

// parseInode reads "net:[4026531840]".
func parseInode(s string) (uint64, bool) {
	s, ok := strings.CutPrefix(s, "net:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n, err == nil
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	for _, e := range [...][2]string{{`\040`, " "}, {`\011`, "\t"}, {`\012`, "\n"}, {`\134`, `\`}} {
		s = strings.ReplaceAll(s, e[0], e[1])
	}
	return s
}

// processes adds the namespaces of all processes.
func (f *finder) processes(ctx context.Context) (denied int, err error) {
	names, err := f.tree.List("/proc")
	if err != nil {
		return 0, err
	}
	var pids []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return f.denied, err
		}
		f.process(pid)
	}
	f.present()
	return f.denied, nil
}

func (f *finder) process(pid int) {
	dir := "/proc/" + strconv.Itoa(pid)
	link, err := f.tree.Readlink(dir + "/ns/net")
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			f.denied++
		}
		return // else it ended meanwhile, or is a kernel thread of a copy
	}
	inode, ok := parseInode(link)
	if !ok {
		return
	}
	ns := f.add(inode, dir+"/ns/net")
	if len(ns.PIDs) < somePIDs {
		ns.PIDs = append(ns.PIDs, pid)
	}
	if len(ns.PIDs) == 1 {
		f.name(ns, pid)
	}
}

// name names a namespace after its first process, where that tells more than what it has.
func (f *finder) name(ns *Namespace, pid int) {
	name, kind := f.owner(pid)
	if pid == 1 || pid == 2 && name == "kthreadd/2" {
		ns.Name, ns.Kind, ns.Path = "host", KindHost, "/proc/"+strconv.Itoa(pid)+"/ns/net"
		return
	}
	weak := kind == KindUnit || kind == KindProcess
	if ns.Name == "" || !weak && ns.Kind != KindHost {
		ns.Name, ns.Kind = name, kind
	}
}

// present marks the caller's namespace; alone on a copy there is none.
func (f *finder) present() {
	link, err := f.tree.Readlink("/proc/thread-self/ns/net") // /proc/self is the first thread, which may be elsewhere
	if err != nil {
		link, err = f.tree.Readlink("/proc/self/ns/net")
	}
	if err != nil {
		return
	}
	inode, ok := parseInode(link)
	if !ok {
		return
	}
	ns := f.add(inode, "/proc/self/ns/net")
	ns.Present = true
	if ns.Name == "" {
		ns.Name, ns.Kind = "this", KindProcess
	}
}

func (f *finder) list() []Namespace {
	all := make([]Namespace, 0, len(f.byInode))
	for _, ns := range f.byInode {
		all = append(all, *ns)
	}
	slices.SortFunc(all, func(a, b Namespace) int {
		if a.Present != b.Present {
			if a.Present {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Inode, b.Inode))
	})
	return all
}
