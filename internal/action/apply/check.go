package apply

import (
	"errors"
	"fmt"
	"io/fs"

	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/settings"
)

// check refuses a plan that does not fit the host as it is now.
func (r *Runner) check(p plan.Plan, o Options) error {
	for _, st := range p.Steps {
		now, err := r.readInt(p.Path, st.Path)
		if err != nil {
			return fmt.Errorf("read %s: %w", st.Path, err)
		}
		if st.From != nil && now != *st.From {
			return &ChangedError{Setting: st.Setting, Planned: *st.From, Now: now}
		}
		if err := r.writable(p.Path, st); err != nil {
			return err
		}
		if st.Setting == "max" && !o.Force {
			if err := r.belowCount(p.Path, now, st.To); err != nil {
				return err
			}
		}
	}
	return nil
}

// belowCount refuses to lower max under the flows that are there by now, here and in the plan's namespace:
// a plan may be old, and made by hand.
func (r *Runner) belowCount(netns string, now, to int64) error {
	if now > 0 && to >= now {
		return nil
	}
	s, _ := settings.Lookup("count")
	for _, key := range s.Keys {
		for _, where := range []string{"", netns} {
			count, err := r.readInt(where, key.Path())
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", key.Path(), err)
			}
			if to < count {
				return &BelowCountError{Max: to, Count: count}
			}
		}
	}
	return nil
}

// writable refuses what cannot be written here, before anything is.
func (r *Runner) writable(netns string, st plan.Step) error {
	s, _ := settings.Lookup(st.Setting)
	info, err := r.FS.Lstat(st.Path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", st.Path, err)
	}
	if info.Mode().Perm()&0o222 == 0 && (netns == "" || r.Netns == nil || s.Scope == settings.Machine) {
		return &ReadOnlyError{Setting: st.Setting, Machine: s.Scope == settings.Machine}
	}
	return nil
}

// ChangedError says that somebody changed a setting since the plan was made.
type ChangedError struct {
	Setting      string
	Planned, Now int64
}

// Error names the setting and both values.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s is %d now, and was %d when the plan was made", e.Setting, e.Now, e.Planned)
}

// FileChangedError says that somebody changed a file between the look at it and the write.
type FileChangedError struct{ Path string }

// Error names the file.
func (e *FileChangedError) Error() string { return e.Path + " was changed by somebody else meanwhile" }

// BelowCountError says that max would be under the flows that are there.
type BelowCountError struct{ Max, Count int64 }

// Error gives both figures.
func (e *BelowCountError) Error() string {
	return fmt.Sprintf("max=%d: the table holds %d flows now: every new flow would be refused (--force sets it all the same)", e.Max, e.Count)
}

// ReadOnlyError says that a setting cannot be written from here.
type ReadOnlyError struct {
	Setting string
	Machine bool
}

// Error says why.
func (e *ReadOnlyError) Error() string {
	if e.Machine {
		return e.Setting + " can be written in the machine's first network namespace only"
	}
	return e.Setting + " cannot be written here"
}
