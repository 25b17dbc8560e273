package confine

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Outside is the thread that Landlock does not bind. Nothing but what it is handed ever runs on it.
type Outside struct{ work chan func() }

// Do runs fn on the thread and waits for it; without such a thread it runs here.
func (o *Outside) Do(fn func()) {
	if o == nil {
		fn()
		return
	}
	done := make(chan struct{})
	o.work <- func() { defer close(done); fn() }
	<-done
}

// newOutside starts the thread. It is told to Landlock as to all others, by a call that must have the same
// result on each; a filter of its own answers that call for it.
func newOutside() (*Outside, error) {
	o := &Outside{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: it lives as long as the process
		err := filterThread()
		ready <- err
		if err != nil {
			return // and the thread with it
		}
		for fn := range o.work {
			fn()
		}
	}()
	if err := <-ready; err != nil {
		return nil, errors.Join(errors.New("no thread could be kept outside"), err)
	}
	return o, nil
}

// filterThread makes landlock_restrict_self succeed on this thread without an effect.
func filterThread() error {
	p := program{
		load(offsetNumber),
		unless(unix.SYS_LANDLOCK_RESTRICT_SELF, 1),
		answer(unix.SECCOMP_RET_ERRNO), // of the error 0
		answer(unix.SECCOMP_RET_ALLOW),
	}
	prog := p.kernel()
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return errno
	}
	return nil
}
