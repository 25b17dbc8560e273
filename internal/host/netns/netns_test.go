package netns

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// host is a file system in memory; a value "-> x" is a link, "!" a file that may not be read.
type host map[string]string

func (h host) ReadFile(name string, _ int64) ([]byte, error) {
	v, ok := h[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(v), nil
}

func (h host) Readlink(name string) (string, error) {
	switch v, ok := h[name]; {
	case !ok:
		return "", fs.ErrNotExist
	case v == "!":
		return "", fs.ErrPermission
	default:
		return strings.TrimPrefix(v, "-> "), nil
	}
}

func (h host) List(name string) ([]string, error) {
	var names []string
	for p := range h {
		if rest, ok := strings.CutPrefix(p, name+"/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			names = append(names, first)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

const (
	id1 = "8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b8a7b"
	id2 = "0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123"
)

func (h host) process(pid int, inode uint64, cgroup, comm string) {
	dir := "/proc/" + strconv.Itoa(pid)
	h[dir+"/ns/net"] = "-> net:[" + strconv.FormatUint(inode, 10) + "]"
	h[dir+"/cgroup"] = cgroup
	h[dir+"/comm"] = comm + "\n"
}

func TestFindNamesNamespaces(t *testing.T) {
	h := host{
		"/proc/self/mountinfo": "22 1 0:4 net:[4026533001] /run/netns/blue\\040sky rw shared:2 - nsfs nsfs rw\n" +
			"23 1 0:4 net:[4026533002] /run/docker/netns/5f0a rw - nsfs nsfs rw\n" +
			"24 1 8:1 / / rw - ext4 /dev/sda1 rw\nshort\n",
		"/proc/self/ns/net": "-> net:[4026531840]",
		"/proc/9/ns/net":    "!",
		"/var/lib/docker/containers/" + id1 + "/config.v2.json":                        `{"Name":"/web"}`,
		"/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id2 + "/config.json": `{"annotations":{"io.kubernetes.cri.sandbox-name":"dns-1","io.kubernetes.cri.sandbox-namespace":"kube-system"}}`,
		"/var/lib/containers/storage/overlay-containers/containers.json":               `[{"id":"` + id1 + `","names":["pod-a"]}]`,
		"/run/containers/storage/overlay-containers/" + id2 + "/userdata/config.json":  `{"annotations":{"io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n"}}`,
	}
	h.process(1, 4026531840, "0::/init.scope", "systemd")
	h.process(2, 4026531840, "0::/system.slice/ssh.service", "sshd")
	h.process(10, 4026533002, "0::/system.slice/docker-"+id1+".scope", "nginx")
	h.process(11, 4026533003, "0::/kubepods.slice/kubepods-besteffort.slice/cri-containerd-"+id2+".scope", "coredns")
	h.process(12, 4026533004, "0::/machine.slice/libpod-"+id1+".scope", "redis")
	h.process(13, 4026533005, "0::/kubepods.slice/crio-"+id2+".scope", "app")
	h.process(14, 4026533006, "0::/lxc.payload.old-box/init", "init")
	h.process(15, 4026533007, `0::/machine.slice/systemd-nspawn@lab.service/payload`, "init")
	h.process(16, 4026533008, "0::/system.slice/vpn.service", "openvpn")
	h.process(17, 4026533009, "0::/user.slice", "unshare")
	h.process(18, 4026533010, "4:pids:/docker/"+id2, "gone")

	all, missing := Find(context.Background(), h)
	got := map[uint64]string{}
	for _, ns := range all {
		got[ns.Inode] = ns.Kind + " " + ns.Name
	}
	for inode, want := range map[uint64]string{
		4026531840: "host host", 4026533001: "netns blue sky", 4026533002: "docker web",
		4026533003: "containerd kube-system/dns-1", 4026533004: "podman pod-a", 4026533005: "crio n/p",
		4026533006: "lxc old-box", 4026533007: "nspawn lab", 4026533008: "unit vpn.service",
		4026533009: "process unshare/17", 4026533010: "docker 0123456789ab",
	} {
		if got[inode] != want {
			t.Errorf("namespace %d is %q, want %q", inode, got[inode], want)
		}
	}
	if !all[0].Present || all[0].Inode != 4026531840 {
		t.Errorf("the present namespace is not first: %+v", all[0])
	}
	if len(missing) != 1 || missing[0].Code != "needs_root" || !strings.HasPrefix(missing[0].Why, "1 ") {
		t.Errorf("missing: %+v", missing)
	}
}

func TestFindStopsWhenCancelled(t *testing.T) {
	h := host{"/proc/self/mountinfo": ""}
	h.process(1, 1, "", "init")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, missing := Find(ctx, h); len(missing) != 1 || missing[0].Why != context.Canceled.Error() {
		t.Errorf("missing: %+v", missing)
	}
}

func TestSelect(t *testing.T) {
	all := []Namespace{
		{Inode: 1000001, Name: "host", Path: "/proc/1/ns/net", PIDs: []int{1, 7}, Present: true},
		{Inode: 1000002, Name: "blue", Path: "/run/netns/blue"}, {Inode: 1000003, Name: "twin"}, {Inode: 1000004, Name: "twin"},
	}
	for selector, want := range map[string]uint64{"": 1000001, "blue": 1000002, "/run/netns/blue": 1000002, "7": 1000001, "1000003": 1000003} {
		got, err := Select(all, selector)
		if err != nil || len(got) != 1 || got[0].Inode != want {
			t.Errorf("Select(%q) = %v, %v; want %d", selector, got, err, want)
		}
	}
	if got, err := Select(all, "all"); err != nil || len(got) != 4 {
		t.Errorf("Select(all) = %v, %v", got, err)
	}
	if got, err := Select(all, "/proc/99/ns/net"); err != nil || got[0].Path != "/proc/99/ns/net" {
		t.Errorf("a path nobody knows yet: %v, %v", got, err)
	}
	for selector, part := range map[string]string{"twin": "1000003, 1000004", "red": "there are: host, blue"} {
		if _, err := Select(all, selector); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Select(%q): %v", selector, err)
		}
	}
}

func TestDoReturnsTheError(t *testing.T) {
	if err := Do("/nowhere", func() error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}
