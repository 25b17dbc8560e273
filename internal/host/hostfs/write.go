package hostfs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// WriteFile puts data in place of name whole or not at all: temporary file in the same directory, fsync,
// rename, directory fsync. An existing file keeps its mode and owner; a new one gets mode. A symbolic
// link is followed, so that the file it leads to changes and the link stays.
func (f FS) WriteFile(name string, data []byte, mode fs.FileMode) error {
	p, err := f.Path(name)
	if err != nil {
		return err
	}
	if f.Live() {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
	}
	dir := filepath.Dir(p)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(p)+".ctkeeper-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already once it is renamed
	if err := fill(tmp, p, data, mode); err != nil {
		tmp.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(tmp.Name(), p); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return syncDir(dir)
}

func fill(tmp *os.File, target string, data []byte, mode fs.FileMode) error {
	if info, err := os.Stat(target); err == nil {
		mode = info.Mode().Perm()
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := tmp.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err := tmp.Write(data); err != nil {
		return err
	}
	return tmp.Sync()
}

// Remove removes a file and syncs its directory; a file that does not exist is no error.
func (f FS) Remove(name string) error {
	p, err := f.linkPath(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil && !os.IsNotExist(err) {
		return err
	}
	return syncDir(filepath.Dir(p))
}

// MkdirAll makes a directory and its parents.
func (f FS) MkdirAll(name string, mode fs.FileMode) error {
	p, err := f.Path(name)
	if err != nil {
		return err
	}
	return os.MkdirAll(p, mode)
}

// WriteSysctl writes a value to a /proc/sys or /sys file in one write call, as the kernel wants it.
func (f FS) WriteSysctl(name, value string) error {
	p, err := f.Path(name)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value + "\n")
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return err
	}
	defer d.Close()
	return d.Sync()
}
