package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockWait is how long a second apply waits for the first.
const lockWait = 5 * time.Second

// LockedError says that another run holds the lock.
type LockedError struct{ Holder string }

// Error names the holder.
func (e *LockedError) Error() string { return "another run holds the lock: " + e.Holder }

// lock takes the one lock over every change to this host, and waits a little for it. The kernel frees it
// when its holder dies.
func (r *Runner) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(r.LockPath), 0o700); err != nil {
		return nil, fmt.Errorf("make the lock's directory: %w", err)
	}
	f, err := os.OpenFile(r.LockPath, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	for start := time.Now(); ; {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || ctx.Err() != nil || time.Since(start) > lockWait {
			holder, _ := os.ReadFile(r.LockPath) // what can be told of it
			return nil, errors.Join(&LockedError{Holder: strings.TrimSpace(string(holder))}, ctx.Err(), f.Close())
		}
		time.Sleep(50 * time.Millisecond)
	}
	holder := fmt.Sprintf("process %d (%s) since %s\n", os.Getpid(), r.Command, time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(f.Truncate(0), write(f, holder)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // closing frees the lock; nothing was buffered
}

func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}
