package hostfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a root directory with files (content) and links ("-> target").
func tree(t *testing.T, files map[string]string) FS {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return FS{Root: root}
}

func TestLinksStayInsideTheRoot(t *testing.T) {
	f := tree(t, map[string]string{
		"etc/sysctl.conf":             "a = 1\n",
		"etc/sysctl.d/99-sysctl.conf": "-> ../sysctl.conf",
		"etc/absolute.conf":           "-> /etc/sysctl.conf",
		"etc/escape.conf":             "-> ../../../../../../etc/sysctl.conf",
		"etc/loop.conf":               "-> loop.conf",
		"etc/dangling.conf":           "-> /nowhere/at/all",
		"lib":                         "-> usr/lib",
		"usr/lib/sysctl.d/10.conf":    "b = 2\n",
	})
	for name, want := range map[string]string{
		"/etc/sysctl.d/99-sysctl.conf": "a = 1\n",
		"/etc/absolute.conf":           "a = 1\n",
		"/etc/escape.conf":             "a = 1\n",
		"/lib/sysctl.d/10.conf":        "b = 2\n",
		"/etc/../etc/sysctl.conf":      "a = 1\n",
	} {
		got, err := f.ReadFile(name, 0)
		if err != nil || string(got) != want {
			t.Errorf("ReadFile(%s) = %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := f.ReadFile("/etc/loop.conf", 0); err == nil || !strings.Contains(err.Error(), "symbolic links") {
		t.Errorf("a loop gave %v", err)
	}
	if _, err := f.ReadFile("/etc/dangling.conf", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dangling link gave %v", err)
	}
	if target, err := f.Readlink("/etc/absolute.conf"); err != nil || target != "/etc/sysctl.conf" {
		t.Errorf("Readlink = %q, %v", target, err)
	}
	if info, err := f.Lstat("/lib/sysctl.d/10.conf"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("Lstat below a linked directory: %v, %v", info, err)
	}
}

func TestReadFileIsBounded(t *testing.T) {
	f := tree(t, map[string]string{"big": strings.Repeat("x", 100)})
	if _, err := f.ReadFile("/big", 99); err == nil {
		t.Error("100 bytes passed a limit of 99")
	}
	if got, err := f.ReadFile("/big", 100); err != nil || len(got) != 100 {
		t.Errorf("limit 100: %d bytes, %v", len(got), err)
	}
}

func TestListOfNothingIsEmpty(t *testing.T) {
	f := tree(t, map[string]string{"d/b": "", "d/a": ""})
	if names, err := f.List("/none"); err != nil || names != nil {
		t.Errorf("List of a missing directory = %v, %v", names, err)
	}
	if names, err := f.List("/d"); err != nil || strings.Join(names, " ") != "a b" {
		t.Errorf("List = %v, %v", names, err)
	}
}

func TestWriteFileKeepsModeAndLink(t *testing.T) {
	f := tree(t, map[string]string{
		"etc/sysctl.conf": "old\n",
		"etc/link.conf":   "-> /etc/sysctl.conf",
	})
	real := filepath.Join(f.Root, "etc/sysctl.conf")
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/etc/link.conf", []byte("new\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(real)
	if err != nil || string(got) != "new\n" {
		t.Errorf("the file behind the link holds %q, %v", got, err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v, %v; want 0640 kept", info.Mode().Perm(), err)
	}
	if _, err := f.Readlink("/etc/link.conf"); err != nil {
		t.Errorf("the link is gone: %v", err)
	}
	if names, _ := f.List("/etc"); len(names) != 2 {
		t.Errorf("left behind: %v", names)
	}
}

func TestWriteFileOfNewFileGetsItsMode(t *testing.T) {
	f := tree(t, map[string]string{"etc/x": ""})
	if err := f.WriteFile("/etc/new", []byte("v"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat("/etc/new")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info, err)
	}
	if err := f.WriteFile("/none/new", []byte("v"), 0o600); err == nil {
		t.Error("a missing directory was no error")
	}
	if err := f.Remove("/etc/new"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("/etc/new"); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}
