package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	netnsDir = "/run/netns"        // where iproute2 and discovery look
	ownerDir = "/run/ctkeeper-lab" // one locked file for each namespace, so that leftovers are known
	prefix   = "ctk-"              // of every namespace made here
	selfNet  = "/proc/thread-self/ns/net"
)

// Namespace is a network namespace that this process made.
type Namespace struct {
	Name  string // as `ip netns` shows it
	Path  string // the bind mount that keeps it
	Inode uint64 // as the kernel's log names it
	file  *os.File
	owner *os.File
}

// namespaces numbers the namespaces of this process, so that names never repeat.
var namespaces atomic.Int64

// Create makes a namespace whose name starts with ctk-AREA, and first removes those that a killed
// process left. Its loopback is up.
func Create(area string) (*Namespace, error) {
	sweep()
	ns := &Namespace{Name: prefix + area + "-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatInt(namespaces.Add(1), 10)}
	ns.Path = filepath.Join(netnsDir, ns.Name)
	if err := ns.make(); err != nil {
		return nil, errors.Join(fmt.Errorf("create namespace %s: %w", ns.Name, err), ns.Close())
	}
	return ns, nil
}

// Anonymous makes a namespace that has a name only for messages: nothing keeps it but this process, so that it
// is gone however the process ends. Its loopback is up.
func Anonymous(area string) (*Namespace, error) {
	ns := &Namespace{Name: prefix + area + "-" + strconv.FormatInt(namespaces.Add(1), 10)}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			ns.file, err = os.Open(selfNet)
		}
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("create a namespace: %w", err)
	}
	ns.Path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.FD())
	var st unix.Stat_t
	err := unix.Fstat(ns.FD(), &st)
	ns.Inode = st.Ino
	if err == nil {
		err = LinkUp(ns, "lo")
	}
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return ns, nil
}

// NewNamespace makes a namespace that is removed when the test ends.
func NewNamespace(t TB) *Namespace {
	t.Helper()
	Need(t)
	ns, err := Create("lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ns.Close(); err != nil {
			t.Error(err)
		}
	})
	return ns
}

func (ns *Namespace) make() error {
	for _, dir := range []string{netnsDir, ownerDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := ns.own(); err != nil {
		return err
	}
	if err := mountNew(ns.Path); err != nil {
		return err
	}
	var err error
	if ns.file, err = os.Open(ns.Path); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(ns.FD(), &st); err != nil {
		return err
	}
	ns.Inode = st.Ino
	return LinkUp(ns, "lo")
}

// own says whose the namespace is. The file gets its name when it is locked: until then a sweep would take it for a leftover.
func (ns *Namespace) own() error {
	path := filepath.Join(ownerDir, ns.Name)
	owner, err := os.OpenFile(filepath.Join(ownerDir, "."+ns.Name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = unix.Flock(int(owner.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = os.Rename(owner.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(owner.Name()), owner.Close())
	}
	ns.owner = owner
	return nil
}

// mountNew makes a namespace on a thread that is thrown away, and keeps it by a bind mount at path.
func mountNew(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("unshare: %w", err)
			return
		}
		if err := unix.Mount(selfNet, path, "none", unix.MS_BIND, ""); err != nil {
			done <- fmt.Errorf("mount %s: %w", path, err)
			return
		}
		done <- nil
	}()
	return <-done
}

// FD is a descriptor of the namespace, valid until Close.
func (ns *Namespace) FD() int { return int(ns.file.Fd()) }

// Close removes the namespace; the kernel frees it when its last user is gone.
func (ns *Namespace) Close() error {
	var errs []error
	if ns.file != nil {
		errs = append(errs, ns.file.Close())
		ns.file = nil
	}
	if ns.owner != nil {
		errs = append(errs, unmount(ns.Path))
		errs = append(errs, os.Remove(filepath.Join(ownerDir, ns.Name)), ns.owner.Close())
		ns.owner = nil
	}
	return errors.Join(errs...)
}

func unmount(path string) error {
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// sweep removes the namespaces of processes that ended without doing so: their owner's file has no lock.
func sweep() {
	entries, err := os.ReadDir(ownerDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			sweepOne(e.Name())
		}
	}
}

func sweepOne(name string) {
	f, err := os.Open(filepath.Join(ownerDir, name))
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	if unmount(filepath.Join(netnsDir, name)) == nil {
		_ = os.Remove(f.Name())
	}
}

// Run calls fn in the namespace, on the calling goroutine, whose thread is locked meanwhile. Goroutines
// that fn starts are elsewhere; children that it executes are inside. A thread that cannot come back is
// never used again.
func (ns *Namespace) Run(fn func() error) error {
	runtime.LockOSThread()
	home, err := os.Open(selfNet)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() { _ = home.Close() }()
	if err := unix.Setns(ns.FD(), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", ns.Name, err)
	}
	defer func() {
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}

// Do is Run for tests: fn may end the test, and a namespace that cannot be entered panics.
func (ns *Namespace) Do(fn func()) {
	if err := ns.Run(func() error { fn(); return nil }); err != nil {
		panic(err)
	}
}

// SetSysctl writes a key, given by its path below /proc/sys, as the namespace sees it.
func (ns *Namespace) SetSysctl(key, value string) error {
	return ns.Run(func() error { return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0) })
}

// Sysctl reads a key, given by its path below /proc/sys, as the namespace sees it.
func (ns *Namespace) Sysctl(key string) (string, error) {
	var text []byte
	err := ns.Run(func() (err error) {
		text, err = os.ReadFile(filepath.Join("/proc/sys", key))
		return err
	})
	return strings.TrimSpace(string(text)), err
}
