// Package apply carries out a plan as one transaction: lock, checks, journal, running values read back,
// files, and a simulated boot that must equal the running values. It chooses nothing.
//
//	r := apply.Runner{FS: hostfs.FS{}, StateDir: "/var/lib/ctkeeper", …}
//	entry, err := r.Apply(ctx, plan, apply.Options{})
//	entry, err := r.Undo(ctx, "")
//
// Before anything is changed the journal holds what stands there, down to the bytes and modes of each file.
// A run that fails puts everything back; one that is killed is put back by the next ([Runner.Recover]). So
// the host is always as before or as planned. Nothing restarts the network.
package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// FS is the host's file system, live or below a root directory; hostfs.FS is one.
type FS interface {
	ReadFile(name string, limit int64) ([]byte, error)
	Lstat(name string) (fs.FileInfo, error)
	List(name string) ([]string, error)
	WriteFile(name string, data []byte, mode fs.FileMode) error
	WriteSysctl(name, value string) error
	Remove(name string) error
	MkdirAll(name string, mode fs.FileMode) error
}

// Runner carries out plans on one host.
type Runner struct {
	FS FS
	// StateDir holds the lock and the journal, as a path of the FS.
	StateDir string
	// LockPath is the lock's path on this machine.
	LockPath string
	// Netns reaches other network namespaces; nil where there are none but the present one.
	Netns Netns
	// Boot describes what decides the next boot, read anew after the lock is held.
	Boot func(ctx context.Context) (boot.Input, error)
	// Now is the clock; BootID the running boot's.
	Now    func() time.Time
	BootID string
	// Who and Command are written into the journal.
	Who, Command string
}

// Options of one apply. The zero value sets and persists.
type Options struct {
	// RunningOnly sets the running values and writes no file.
	RunningOnly bool
	// KeepConflicts leaves other files' lines as they are and reports them.
	KeepConflicts bool
	// ConfirmWithin, when not 0, writes files only once [Runner.Confirm] comes in that time.
	ConfirmWithin time.Duration
	// Force lets max go below the flows that are there, so that new ones are refused at once.
	Force bool
}

// errNotPersisted says that the files do not bring what they should.
var errNotPersisted = errors.New("the simulated boot does not come to the planned values")

// Apply carries out the plan. On an error the host is as it was before, and the error says what failed.
func (r *Runner) Apply(ctx context.Context, p plan.Plan, o Options) (Entry, error) {
	unlock, err := r.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if _, err := r.recoverLocked(ctx); err != nil {
		return Entry{}, err
	}
	if err := r.check(p, o); err != nil {
		return Entry{}, err
	}
	e, err := r.prepare(ctx, p, o)
	if err != nil {
		return Entry{}, err
	}
	if err := r.save(&e); err != nil {
		return Entry{}, fmt.Errorf("write the journal: %w", err)
	}
	if err := r.carryOut(ctx, &e, o); err != nil {
		return e, r.putBack(&e, err)
	}
	return e, nil
}

// carryOut does what the entry says, up to the confirmation.
func (r *Runner) carryOut(ctx context.Context, e *Entry, o Options) error {
	if err := r.setAll(e); err != nil {
		return err
	}
	if o.ConfirmWithin > 0 {
		deadline := r.Now().UTC().Add(o.ConfirmWithin)
		e.Deadline, e.State = &deadline, Waiting
		return r.save(e)
	}
	return r.persist(ctx, e)
}

// persist writes the files, proves the next boot, and closes the entry.
func (r *Runner) persist(ctx context.Context, e *Entry) error {
	for _, f := range e.Files {
		if err := r.writeFile(f); err != nil {
			return err
		}
	}
	if len(e.Files) > 0 || e.Persisted {
		if err := r.prove(ctx, e); err != nil {
			return err
		}
	}
	if err := r.readBackAll(e); err != nil {
		return err
	}
	e.State = Done
	return r.save(e)
}

// prepare makes the journal's entry: what stands there now, and what will.
func (r *Runner) prepare(ctx context.Context, p plan.Plan, o Options) (Entry, error) {
	now := r.Now().UTC()
	e := Entry{Schema: Schema, At: now, Who: r.Who, Command: r.Command, BootID: r.BootID, Namespace: p.Namespace, Path: p.Path, State: Begun}
	e.ID = r.newID(now)
	var err error
	if e.NamespaceInode, err = r.inode(p.Path); err != nil {
		return Entry{}, fmt.Errorf("look at the namespace: %w", err)
	}
	wanted := map[string]int64{}
	for _, st := range plan.Ordered(p.Steps) {
		from, err := r.readInt(p.Path, st.Path)
		if err != nil {
			return Entry{}, fmt.Errorf("read %s: %w", st.Path, err)
		}
		e.Settings = append(e.Settings, SettingChange{Setting: st.Setting, Key: st.Key, Path: st.Path, From: from, To: st.To, Why: st.Reason})
		if s, _ := settings.Lookup(st.Setting); p.Initial || s.Scope == settings.Machine {
			wanted[st.Setting] = st.To // no file reaches another namespace's own
		}
	}
	if o.RunningOnly || len(wanted) == 0 {
		return e, nil
	}
	in, err := r.Boot(ctx)
	if err != nil {
		return Entry{}, err
	}
	changes, err := boot.Persist(in, wanted)
	if err != nil {
		return Entry{}, err
	}
	e.Persisted, e.Overwriters, e.Conflicts = true, changes.Writers, changes.Conflicts
	return e, r.prepareFiles(&e, changes, o)
}

func (r *Runner) prepareFiles(e *Entry, changes boot.Changes, o Options) error {
	for _, f := range changes.Files {
		if o.KeepConflicts && f.Reason.Code == "persist_conflict" {
			continue
		}
		c := FileChange{Path: f.Path, New: f.New, Mode: f.Mode, Why: f.Reason}
		info, err := r.FS.Lstat(f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.Created, c.Dirs = true, r.missingDirs(f.Path)
		case err != nil:
			return fmt.Errorf("look at %s: %w", f.Path, err)
		default:
			if c.Old, err = r.FS.ReadFile(f.Path, 0); err != nil {
				return fmt.Errorf("read %s: %w", f.Path, err)
			}
			if info.Mode().IsRegular() {
				c.Mode = uint32(info.Mode().Perm())
			}
			if c.Old == nil {
				c.Old = []byte{}
			}
		}
		e.Files = append(e.Files, c)
	}
	e.KeptConflicts = o.KeepConflicts
	return nil
}

// missingDirs lists the directories above a file that do not exist, outermost first.
func (r *Runner) missingDirs(name string) []string {
	var dirs []string
	for d := path.Dir(name); d != "/"; d = path.Dir(d) {
		if _, err := r.FS.Lstat(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dirs = append([]string{d}, dirs...)
	}
	return dirs
}

// prove simulates the next boot over the files as they are now.
func (r *Runner) prove(ctx context.Context, e *Entry) error {
	in, err := r.Boot(ctx)
	if err != nil {
		return err
	}
	prediction := boot.Predict(in)
	var wrong []string
	for _, c := range e.Settings {
		if s, _ := settings.Lookup(c.Setting); e.Path != "" && s.Scope == settings.Namespace {
			continue
		}
		f, ok := prediction.Setting(c.Setting)
		if ok && holds(f.Systemd, c.To) && holds(f.Procps, c.To) {
			continue
		}
		wrong = append(wrong, c.Setting)
	}
	if len(wrong) > 0 && !e.KeptConflicts {
		return fmt.Errorf("%w: %s", errNotPersisted, strings.Join(wrong, ", "))
	}
	e.Unmet = wrong
	return nil
}

func holds(o boot.Outcome, v int64) bool { return o.Value != nil && *o.Value == v }

// writeFile writes one file of an entry; directories above it are made as needed. What somebody wrote since
// the entry was made is not overwritten.
func (r *Runner) writeFile(f FileChange) error {
	now, err := r.FS.ReadFile(f.Path, 0)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	asBefore := gone == f.Created && (gone || bytes.Equal(now, f.Old))
	asPlanned := !gone && bytes.Equal(now, f.New) // through another of the entry's files: a link to this one
	if !asBefore && !asPlanned {
		return &FileChangedError{Path: f.Path}
	}
	if f.Created {
		if err := r.FS.MkdirAll(path.Dir(f.Path), 0o755); err != nil {
			return fmt.Errorf("make %s: %w", path.Dir(f.Path), err)
		}
	}
	return r.FS.WriteFile(f.Path, f.New, fs.FileMode(f.Mode))
}

// setAll writes the running values in order and reads each back.
func (r *Runner) setAll(e *Entry) error {
	for _, c := range e.Settings {
		if err := r.set(e.Path, c.Path, c.To); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) set(netns, name string, v int64) error {
	if err := r.hands(netns, name).WriteSysctl(name, strconv.FormatInt(v, 10)); err != nil {
		return fmt.Errorf("set %s to %d: %w", name, v, err)
	}
	return r.readBack(netns, name, v)
}

func (r *Runner) readBackAll(e *Entry) error {
	for _, c := range e.Settings {
		if err := r.readBack(e.Path, c.Path, c.To); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) readBack(netns, name string, v int64) error {
	got, err := r.readInt(netns, name)
	if err != nil {
		return fmt.Errorf("read %s back: %w", name, err)
	}
	if got != v {
		return fmt.Errorf("%s reads %d after %d was written", name, got, v)
	}
	return nil
}

// InputFrom is the usual Boot function: a fresh snapshot's input.
func InputFrom(take func(ctx context.Context) (snapshot.Snapshot, error)) func(ctx context.Context) (boot.Input, error) {
	return func(ctx context.Context) (boot.Input, error) {
		s, err := take(ctx)
		return boot.FromSnapshot(s), err
	}
}
