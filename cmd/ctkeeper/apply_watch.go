package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ctkeeper/internal/action/apply"
)

const (
	// watchFlag marks the process that outlives an apply with --confirm-within.
	watchFlag = "watch-over"
	// watchPoll is how often it looks for the confirmation, watchTries how often it tries to put back.
	watchPoll  = 500 * time.Millisecond
	watchTries = 600
)

// watch starts this very program in a session of its own, before anything is changed, so that a killed
// foreground cannot leave values that nobody confirmed. The other end of a pipe tells it when to look:
// release closes it, and so does the death of this process.
func (f *applyFlags) watch() (release func() error, err error) {
	if f.within <= 0 {
		return func() error { return nil }, nil
	}
	dir, err := filepath.Abs(f.stateDir)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the watcher's pipe: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	p, err := os.StartProcess("/proc/self/exe", []string{"ctkeeper", "apply", "--" + watchFlag, "--state-dir", dir}, &os.ProcAttr{
		Dir: "/", Files: []*os.File{r, null, null}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	err = errors.Join(err, r.Close(), null.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the watcher: %w", err), w.Close())
	}
	return w.Close, p.Release()
}

// watchOver is the watcher: once the apply stands or its process is dead, it puts back what was cut off, and
// at the deadline what nobody confirmed. The deadline is the journal's, so whoever comes first does it.
func (a *app) watchOver(ctx context.Context, f *applyFlags) error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	if _, err := io.Copy(io.Discard, a.in); err != nil {
		return fmt.Errorf("wait for the apply: %w", err)
	}
	r, err := a.runner(f.stateDir)
	if err != nil {
		return err
	}
	for range watchTries {
		_, err = r.Recover(ctx)
		var waiting *apply.WaitingError
		if errors.As(err, &waiting) {
			_, err = r.Await(ctx, waiting.ID, watchPoll)
		}
		if err == nil {
			return nil
		}
		time.Sleep(watchPoll)
	}
	return err
}
