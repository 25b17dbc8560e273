// Package hostfs reads /proc, /sys and /etc under a root directory, and writes files there whole or not at all.
//
// Every path is absolute as the host sees it ("/etc/sysctl.conf"). With a root other than "/" symbolic
// links are resolved inside that root, so that a copied tree never leads to this machine's own files.
package hostfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// maxLinks is how many symbolic links a path may cross, as the kernel's limit.
const maxLinks = 40

// FS is a host's file system below Root. The zero value is the live host.
type FS struct {
	Root string
}

// Live reports whether the FS is this machine's own.
func (f FS) Live() bool { return f.Root == "" || f.Root == "/" }

// Path returns where the host's absolute path lies, its symbolic links resolved inside the root.
// A path that does not exist resolves as far as it does.
func (f FS) Path(name string) (string, error) {
	if f.Live() {
		return filepath.Clean("/" + name), nil
	}
	return f.resolve(name, true)
}

func (f FS) resolve(name string, last bool) (string, error) {
	rest := strings.Split(strings.Trim(filepath.Clean("/"+name), "/"), "/")
	at, links := "/", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		if !last && len(rest) == 0 {
			return filepath.Join(f.Root, next), nil
		}
		target, err := os.Readlink(filepath.Join(f.Root, next))
		if err != nil {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "resolve", Path: name, Err: errors.New("too many levels of symbolic links")}
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return filepath.Join(f.Root, at), nil
}

// ReadFile reads a whole file of at most limit bytes; limit 0 means 1 MiB.
func (f FS) ReadFile(name string, limit int64) ([]byte, error) {
	if limit == 0 {
		limit = 1 << 20
	}
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: longer than %d bytes", name, limit)
	}
	return data, nil
}

// Open opens a file for reading.
func (f FS) Open(name string) (*os.File, error) {
	p, err := f.Path(name)
	if err != nil {
		return nil, err
	}
	return os.Open(p)
}

// Stat describes a file, symbolic links followed inside the root.
func (f FS) Stat(name string) (fs.FileInfo, error) {
	p, err := f.Path(name)
	if err != nil {
		return nil, err
	}
	return os.Stat(p)
}

// Lstat describes a file, or the symbolic link itself.
func (f FS) Lstat(name string) (fs.FileInfo, error) {
	p, err := f.linkPath(name)
	if err != nil {
		return nil, err
	}
	return os.Lstat(p)
}

// Readlink returns a symbolic link's target as it stands.
func (f FS) Readlink(name string) (string, error) {
	p, err := f.linkPath(name)
	if err != nil {
		return "", err
	}
	return os.Readlink(p)
}

func (f FS) linkPath(name string) (string, error) {
	if f.Live() {
		return filepath.Clean("/" + name), nil
	}
	return f.resolve(name, false)
}

// List returns the names in a directory, sorted; a directory that does not exist has none.
func (f FS) List(name string) ([]string, error) {
	p, err := f.Path(name)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	sort.Strings(names)
	return names, err
}
