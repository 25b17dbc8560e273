// Package archtest holds the test that enforces ARCHITECTURE.md: which room may import which, what pure
// means, and which libraries stay behind which fence.
package archtest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// rooms lists each floor's rooms in order: a room may import rooms above it on its own floor (in host
// only collect and capture may).
var rooms = map[string][]string{
	"conntrack": {"message", "flow", "packet", "filter", "rank", "settings", "model", "snapshot"},
	"host": {"ctnetlink", "hostfs", "sysctlconf", "kernlog", "netns", "nft", "probe", "capture", "history",
		"confine", "collect"},
	"advice":  {"boot", "diagnose", "demand", "workload", "replay", "whatif", "plan"},
	"action":  {"apply", "flows", "record", "sample", "guard", "drill"},
	"surface": {"wording", "term", "chart", "report", "tui", "exporter", "web", "fleet"},
}

// above lists the floors that a floor may import.
var above = map[string][]string{
	"conntrack": {},
	"host":      {"conntrack"},
	"advice":    {"conntrack"},
	"action":    {"conntrack", "host", "advice"},
	"surface":   {"conntrack", "advice"},
}

// pureRooms have no I/O, clock or global state.
var pureFloors = []string{"conntrack", "advice"}

// impure are packages that a pure room must not import.
var impure = []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "io/ioutil", "math/rand", "math/rand/v2", "log", "log/slog"}

// fences name the rooms that alone may import a library, as "floor/room", "floor", "cmd" or "lab".
var fences = map[string][]string{
	"golang.org/x/sys/unix":        {"host", "lab"},
	"github.com/mdlayher/netlink":  {"host", "lab"},
	"github.com/google/nftables":   {"host", "lab"},
	"github.com/gopacket/gopacket": {}, // an oracle of tests
	"github.com/parquet-go":        {"host/capture"},
	"modernc.org/sqlite":           {"host/history"},
	"github.com/nats-io":           {"surface/fleet"},
	"github.com/prometheus":        {"surface/exporter"},
	"charm.land":                   {"surface/term", "surface/tui"},
	"github.com/spf13/cobra":       {"cmd"},
	"os/exec":                      {"host/kernlog", "lab/duckdb"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "ctkeeper/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

// place splits an import path into floor and room: ("host", "hostfs"), ("lab", ""), ("cmd", "ctkeeper").
func place(path string) (floor, room string) {
	rest, ok := strings.CutPrefix(path, "ctkeeper/")
	if !ok {
		return "", ""
	}
	rest = strings.TrimPrefix(rest, "internal/")
	parts := strings.Split(rest, "/")
	if len(parts) > 1 {
		return parts[0], parts[1]
	}
	return parts[0], ""
}

func TestImports(t *testing.T) {
	pkgs := list(t)
	if len(pkgs) < 5 {
		t.Fatalf("go list found only %d packages", len(pkgs))
	}
	for _, p := range pkgs {
		floor, room := place(p.ImportPath)
		if known, ok := rooms[floor]; ok && !slices.Contains(known, room) {
			t.Errorf("%s: no such room on floor %s; add it here and to ARCHITECTURE.md", p.ImportPath, floor)
		}
		for _, imp := range p.Imports {
			checkOwn(t, p.ImportPath, imp)
			checkPure(t, p.ImportPath, imp)
			checkFence(t, p.ImportPath, imp)
		}
	}
}

func checkOwn(t *testing.T, from, to string) {
	t.Helper()
	fromFloor, fromRoom := place(from)
	toFloor, toRoom := place(to)
	if toFloor == "" || fromFloor == "cmd" || strings.HasPrefix(to, from+"/") || (fromFloor == toFloor && fromRoom == toRoom) {
		return
	}
	switch {
	case toFloor == "cmd":
		t.Errorf("%s imports %s: nothing imports cmd", from, to)
	case toFloor == "lab" && fromFloor != "lab":
		if from != "ctkeeper/internal/action/drill" {
			t.Errorf("%s imports lab: of product code only drill may", from)
		}
	case fromFloor == "lab", fromFloor == "bench", fromFloor == "tools":
		return
	case fromFloor == toFloor:
		checkRoom(t, from, to, fromFloor, fromRoom, toRoom)
	case fromFloor == "advice" && fromRoom == "boot" && to == "ctkeeper/internal/host/sysctlconf":
		return
	case !slices.Contains(above[fromFloor], toFloor):
		t.Errorf("%s imports %s: floor %s may import %v only", from, to, fromFloor, above[fromFloor])
	}
}

func checkRoom(t *testing.T, from, to, floor, fromRoom, toRoom string) {
	t.Helper()
	if floor == "host" && fromRoom != "collect" && fromRoom != "capture" {
		t.Errorf("%s imports %s: in host only collect and capture import other rooms", from, to)
	}
	if slices.Index(rooms[floor], toRoom) > slices.Index(rooms[floor], fromRoom) {
		t.Errorf("%s imports %s: a room imports only rooms listed above it", from, to)
	}
}

func checkPure(t *testing.T, from, to string) {
	t.Helper()
	floor, _ := place(from)
	pure := slices.Contains(pureFloors, floor) || from == "ctkeeper/internal/host/sysctlconf"
	if pure && slices.Contains(impure, to) {
		t.Errorf("%s imports %s: it is pure", from, to)
	}
}

func checkFence(t *testing.T, from, to string) {
	t.Helper()
	floor, room := place(from)
	for lib, inside := range fences {
		if to != lib && !strings.HasPrefix(to, lib+"/") {
			continue
		}
		if floor == "bench" || slices.Contains(inside, floor) || slices.Contains(inside, floor+"/"+room) {
			continue
		}
		t.Errorf("%s imports %s: only %v may", from, to, inside)
	}
}
