package netns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls fn inside the namespace at path, on a goroutine and a thread of its own, and waits for it. A
// thread that cannot come back is left to die with its goroutine, so that no other code ever runs on it.
func Do(path string, fn func() error) error { return DoFrom(nil, path, fn) }

// DoFrom is Do for a process whose threads may not all open the path: outside calls a function on one that
// may. nil: the calling one may.
func DoFrom(outside func(func()), path string, fn func() error) error {
	var there int
	var err error
	open := func() { there, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) }
	if outside == nil {
		open()
	} else {
		outside(open)
	}
	if err != nil {
		return fmt.Errorf("open namespace %s: %w", path, err)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		restored, err := within(there, path, fn)
		if restored {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return errors.Join(<-done, unix.Close(there))
}

// within enters, calls and comes back; it reports whether the thread is where it was.
func within(there int, path string, fn func() error) (restored bool, err error) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true, fmt.Errorf("open own namespace: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(home)) }()
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		return true, fmt.Errorf("enter namespace %s: %w", path, err)
	}
	err = fn()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		return false, errors.Join(err, fmt.Errorf("leave namespace %s: %w", path, back))
	}
	return true, err
}
