package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// WaitingError says that an apply waits for its confirmation.
type WaitingError struct {
	ID       string
	Deadline time.Time
}

// Error says which, and until when.
func (e *WaitingError) Error() string {
	return fmt.Sprintf("apply %s waits for its confirmation until %s", e.ID, e.Deadline.Format(time.RFC3339))
}

// ErrNothingToConfirm says that no apply waits.
var ErrNothingToConfirm = errors.New("no apply waits for a confirmation")

// Confirm writes the files of the apply that waits.
func (r *Runner) Confirm(ctx context.Context) (Entry, error) {
	unlock, err := r.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	e, err := r.waiting()
	if err != nil {
		return Entry{}, err
	}
	if e.BootID != r.BootID || r.Now().After(*e.Deadline) {
		return e, errors.Join(fmt.Errorf("the time to confirm apply %s is over: it was put back", e.ID), r.restore(&e))
	}
	if err := r.here(&e); err != nil {
		return e, err // it goes on waiting
	}
	if err := r.persist(ctx, &e); err != nil {
		return e, r.putBack(&e, err)
	}
	return e, nil
}

func (r *Runner) waiting() (Entry, error) {
	all, err := r.Entries()
	if err != nil {
		return Entry{}, err
	}
	for _, e := range slices.Backward(all) {
		if e.State == Waiting {
			return e, nil
		}
	}
	return Entry{}, ErrNothingToConfirm
}

// Await waits until the entry is confirmed or its deadline has passed; then it puts everything back. The
// lock is not held meanwhile, so that Confirm can come. It returns the entry as it ended.
func (r *Runner) Await(ctx context.Context, id string, poll time.Duration) (Entry, error) {
	for {
		e, err := r.entry(id)
		if err != nil || e.State != Waiting {
			return e, err
		}
		if !r.Now().Before(*e.Deadline) || ctx.Err() != nil {
			return r.expire(id)
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
}

// expire puts an entry back that nobody confirmed.
func (r *Runner) expire(id string) (Entry, error) {
	unlock, err := r.lock(context.Background())
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	e, err := r.entry(id)
	if err != nil || e.State != Waiting {
		return e, err
	}
	return e, r.restore(&e)
}
