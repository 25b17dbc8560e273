package netns

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Do calls fn inside the namespace at path, on a goroutine and a thread of its own, and waits for it. A
// thread that cannot come back is left to die with its goroutine, so that no other code ever runs on it.
func Do(path string, fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		restored, err := within(path, fn)
		if restored {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// within enters, calls and comes back; it reports whether the thread is where it was.
func within(path string, fn func() error) (restored bool, err error) {
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true, fmt.Errorf("open own namespace: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(home)) }()
	there, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true, fmt.Errorf("open namespace %s: %w", path, err)
	}
	err = unix.Setns(there, unix.CLONE_NEWNET)
	if closeErr := unix.Close(there); err == nil {
		err = closeErr
	}
	if err != nil {
		return true, fmt.Errorf("enter namespace %s: %w", path, err)
	}
	err = fn()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		return false, errors.Join(err, fmt.Errorf("leave namespace %s: %w", path, back))
	}
	return true, err
}
