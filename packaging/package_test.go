package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// build makes the packages of a version for this machine and returns the file of one kind.
func build(t *testing.T, dir, version string) map[string]string {
	t.Helper()
	if out, err := exec.Command("./build.sh", version, dir, runtime.GOARCH).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files := map[string]string{}
	for _, kind := range []string{"deb", "rpm"} {
		found, err := filepath.Glob(filepath.Join(dir, "*"+version+"*."+kind))
		if err != nil || len(found) != 1 {
			t.Fatal(kind, found, err)
		}
		files[kind] = found[0]
	}
	return files
}

// lives are what each package's life in testdata must print.
var lives = map[string]string{
	"deb": `installed: 1.0.0 systemctl daemon-reload;systemctl try-restart ctkeeper.service;
upgraded: 1.1.0 interval: 2s; systemctl daemon-reload;systemctl daemon-reload;systemctl try-restart ctkeeper.service;
removed: /etc/ctkeeper/ctkeeper.yaml /var/lib/ctkeeper/history.db systemctl disable --now ctkeeper.service;systemctl daemon-reload;
purged: systemctl daemon-reload;
left:
./var/lib/ctkeeper/journal/1
`,
	"rpm": `installed: 1.0.0 systemctl daemon-reload;systemctl try-restart ctkeeper.service;
upgraded: 1.1.0 interval: 2s; systemctl daemon-reload;systemctl try-restart ctkeeper.service;systemctl daemon-reload;
warning: /etc/ctkeeper/ctkeeper.yaml saved as /etc/ctkeeper/ctkeeper.yaml.rpmsave
removed: systemctl disable --now ctkeeper.service;systemctl daemon-reload;
left:
./etc/ctkeeper/ctkeeper.yaml.rpmsave
./var/lib/ctkeeper/journal/1
`,
}

// TestPackages installs, upgrades and removes both packages over a copy of this machine: the operator's
// configuration lives through it, and nothing is left but what an operator made.
func TestPackages(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a copy of this machine needs root")
	}
	dir := t.TempDir()
	one, two := build(t, dir, "1.0.0"), build(t, dir, "1.1.0")
	for kind, program := range map[string]string{"deb": "dpkg", "rpm": "rpm"} {
		tool(t, program, program)
		cmd := exec.Command("unshare", "--mount", "sh", "testdata/root.sh", "testdata/"+kind+".sh", one[kind], two[kind])
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v\n%s%s", kind, err, out, &errs)
		} else if diff := cmp.Diff(lives[kind], string(out)); diff != "" {
			t.Errorf("%s (- want, + got):\n%s%s", kind, diff, &errs)
		}
	}
}
