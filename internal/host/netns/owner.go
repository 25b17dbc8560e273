package netns

import (
	"encoding/json"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// cgroupForm is one way in which a cgroup path names a container.
type cgroupForm struct {
	kind string
	path *regexp.Regexp // its first group is the container's id or name
}

// cgroupForms lists them, the most telling first.
func cgroupForms() []cgroupForm {
	return []cgroupForm{
		{KindContainerd, regexp.MustCompile(`cri-containerd[-:]([0-9a-f]{12,64})`)},
		{KindCRIO, regexp.MustCompile(`crio-([0-9a-f]{12,64})`)},
		{KindPodman, regexp.MustCompile(`libpod-([0-9a-f]{12,64})`)},
		{KindDocker, regexp.MustCompile(`docker[-/]([0-9a-f]{12,64})`)},
		{KindContainerd, regexp.MustCompile(`kubepods.*/([0-9a-f]{64})`)},
		{KindNspawn, regexp.MustCompile(`systemd-nspawn@([^/]+)\.service`)},
		{KindNspawn, regexp.MustCompile(`machine\.slice/machine-([^/]+)\.scope`)},
		{KindLXC, regexp.MustCompile(`lxc(?:\.payload\.|\.payload/|/)([^/]+)`)},
		{KindUnit, regexp.MustCompile(`/([^/]+\.service)(?:/|$)`)},
	}
}

// owner names a process's container, unit, or the process itself.
func (f *finder) owner(pid int) (name, kind string) {
	dir := "/proc/" + strconv.Itoa(pid)
	data, _ := f.tree.ReadFile(dir+"/cgroup", 64<<10) // a process that ended is named by its number
	groups := string(data)
	for _, r := range cgroupForms() {
		if m := r.path.FindStringSubmatch(groups); m != nil {
			return f.container(r.kind, strings.ReplaceAll(m[1], `\x2d`, "-")), r.kind
		}
	}
	comm, err := f.tree.ReadFile(dir+"/comm", 4096)
	if err != nil {
		return strconv.Itoa(pid), KindProcess
	}
	return strings.TrimSpace(string(comm)) + "/" + strconv.Itoa(pid), KindProcess
}

// container finds the name that people gave a container; its short id where no state file tells.
func (f *finder) container(kind, id string) string {
	name := ""
	switch kind {
	case KindDocker:
		name = f.docker(id)
	case KindContainerd:
		name = f.annotated("/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + id + "/config.json")
	case KindCRIO:
		name = f.annotated("/run/containers/storage/overlay-containers/" + id + "/userdata/config.json")
	case KindPodman:
		name = f.podman(id)
	default:
		return id
	}
	if name == "" {
		return id[:min(12, len(id))]
	}
	return name
}

const stateLimit = 4 << 20

func (f *finder) docker(id string) string {
	var state struct{ Name string }
	if !f.readJSON("/var/lib/docker/containers/"+id+"/config.v2.json", &state) {
		return ""
	}
	return strings.TrimPrefix(state.Name, "/")
}

func (f *finder) podman(id string) string {
	var all []struct {
		ID    string   `json:"id"`
		Names []string `json:"names"`
	}
	if !f.readJSON("/var/lib/containers/storage/overlay-containers/containers.json", &all) {
		return ""
	}
	for _, c := range all {
		if c.ID == id && len(c.Names) > 0 {
			return c.Names[0]
		}
	}
	return ""
}

// annotated reads the pod's namespace and name from an OCI bundle's annotations.
func (f *finder) annotated(file string) string {
	var bundle struct{ Annotations map[string]string }
	if !f.readJSON(file, &bundle) {
		return ""
	}
	for _, keys := range [...][2]string{
		{"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name"},
		{"io.kubernetes.pod.namespace", "io.kubernetes.pod.name"},
	} {
		if pod := bundle.Annotations[keys[1]]; pod != "" {
			return path.Join(bundle.Annotations[keys[0]], pod)
		}
	}
	return ""
}

func (f *finder) readJSON(file string, into any) bool {
	data, err := f.tree.ReadFile(file, stateLimit)
	return err == nil && json.Unmarshal(data, into) == nil
}
