package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// ErrNothingToUndo says that the journal holds no apply that stands.
var ErrNothingToUndo = errors.New("there is no apply to take back")

// Undo takes back the apply with the id, or the last one: bytes, modes and running values. A file or a
// value that somebody changed since is left alone and named in the entry's Left.
func (r *Runner) Undo(ctx context.Context, id string) (Entry, error) {
	unlock, err := r.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if _, err := r.recoverLocked(ctx); err != nil {
		return Entry{}, err
	}
	e, err := r.entry(id)
	if err != nil {
		return Entry{}, err
	}
	if e.State == Undone {
		return e, fmt.Errorf("apply %s was taken back already", e.ID)
	}
	e.State = Undoing
	if err := r.save(&e); err != nil {
		return e, fmt.Errorf("write the journal: %w", err)
	}
	return e, r.restore(&e)
}

// Peek is what Undo would take back.
func (r *Runner) Peek(id string) (Entry, error) { return r.entry(id) }

// Recover puts back what a killed run left half done, and what waited for a confirmation that did not
// come. It returns the entries that it closed.
func (r *Runner) Recover(ctx context.Context) ([]Entry, error) {
	unlock, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return r.recoverLocked(ctx)
}

func (r *Runner) recoverLocked(context.Context) ([]Entry, error) {
	all, err := r.Entries()
	if err != nil {
		return nil, err
	}
	var closed []Entry
	for _, e := range slices.Backward(all) {
		switch {
		case e.State == Begun, e.State == Undoing:
		case e.State == Waiting && (e.BootID != r.BootID || r.Now().After(*e.Deadline)):
		case e.State == Waiting:
			return closed, &WaitingError{ID: e.ID, Deadline: *e.Deadline}
		default:
			continue
		}
		if err := r.restore(&e); err != nil {
			return closed, fmt.Errorf("put back the unfinished apply %s: %w", e.ID, err)
		}
		closed = append(closed, e)
	}
	return closed, nil
}

// putBack restores after a failure, and joins what fails on the way.
func (r *Runner) putBack(e *Entry, cause error) error {
	if err := r.restore(e); err != nil {
		return errors.Join(cause, fmt.Errorf("put everything back: %w; the next run tries again", err))
	}
	if kept := slices.Concat(e.Left, e.Unreached); len(kept) > 0 {
		return fmt.Errorf("%w; put back but for %s", cause, strings.Join(kept, ", "))
	}
	return fmt.Errorf("%w; everything was put back", cause)
}

// restore undoes an entry, last change first, and closes it. What is as it was before needs nothing;
// what is neither as before nor as planned was changed by somebody else.
func (r *Runner) restore(e *Entry) error {
	e.Left, e.Unreached = nil, nil
	for _, f := range slices.Backward(e.Files) {
		if err := r.restoreFile(e, f); err != nil {
			return err
		}
	}
	for _, c := range slices.Backward(e.Settings) {
		if err := r.restoreSetting(e, c); err != nil {
			return err
		}
	}
	e.State = Undone
	return r.save(e)
}

func (r *Runner) restoreFile(e *Entry, f FileChange) error {
	if err := r.sweep(f.Path); err != nil {
		return err
	}
	now, err := r.FS.ReadFile(f.Path, 0)
	gone := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !gone:
		return fmt.Errorf("read %s: %w", f.Path, err)
	case gone && f.Created:
		return r.removeDirs(f)
	case !gone && !f.Created && bytes.Equal(now, f.Old):
		return nil
	case gone || !bytes.Equal(now, f.New):
		e.Left = append(e.Left, f.Path)
		return nil
	case f.Created:
		if err := r.FS.Remove(f.Path); err != nil {
			return err
		}
		return r.removeDirs(f)
	}
	return r.FS.WriteFile(f.Path, f.Old, fs.FileMode(f.Mode))
}

// removeDirs removes the directories that were made for a file, but one that holds something by now.
func (r *Runner) removeDirs(f FileChange) error {
	for _, d := range slices.Backward(f.Dirs) {
		names, err := r.FS.List(d)
		if err != nil || len(names) > 0 {
			return err
		}
		if err := r.FS.Remove(d); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes temporary files that a killed write left beside a file.
func (r *Runner) sweep(name string) error {
	names, err := r.FS.List(path.Dir(name))
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n, "."+path.Base(name)+".ctkeeper-") {
			if err := r.FS.Remove(path.Join(path.Dir(name), n)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Runner) restoreSetting(e *Entry, c SettingChange) error {
	if !r.reachable(e, c) {
		e.Unreached = append(e.Unreached, c.Key)
		return nil
	}
	now, err := r.readInt(e.Path, c.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Unreached = append(e.Unreached, c.Key) // the namespace or the module is gone
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", c.Path, err)
	case now == c.From:
		return nil
	case now != c.To:
		e.Left = append(e.Left, c.Key)
		return nil
	}
	return r.set(e.Path, c.Path, c.From)
}
