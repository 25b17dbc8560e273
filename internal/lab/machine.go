package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Keys below /proc/sys that all namespaces share and that a [Machine] may change. The garbage collector's
// pace is global too, but follows from the flows of all namespaces and has no key: who measures it holds
// the lock, so that nobody else's table changes it.
const (
	Max          = "net/netfilter/nf_conntrack_max"
	Buckets      = "net/netfilter/nf_conntrack_buckets"
	ExpectMax    = "net/netfilter/nf_conntrack_expect_max"
	MessageCost  = "net/core/message_cost"
	MessageBurst = "net/core/message_burst"
)

// Machine is the lock over what the whole machine shares. While one process holds it alone, no other
// changes these values; while some share it, none does.
type Machine struct {
	dir    string // of the lock and the journal
	root   string // of the keys: /proc/sys
	file   *os.File
	shared bool
	before map[string]string
}

// Lock holds the machine alone for a test, and puts everything back at its end.
func Lock(t TB) *Machine {
	t.Helper()
	Need(t)
	return forTest(t, false)
}

// Share holds the machine with others for a test: nobody changes what is global until it ends. It must
// not be taken by a test that holds Lock.
func Share(t TB) *Machine {
	t.Helper()
	Need(t)
	return forTest(t, true)
}

func forTest(t TB, shared bool) *Machine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	m, err := LockMachine(ctx, shared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Unlock(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// LockMachine waits for the machine-wide lock until the context ends, then restores what a holder that
// was killed left behind.
func LockMachine(ctx context.Context, shared bool) (*Machine, error) {
	return lockAt(ctx, "/run/ctkeeper-lab", "/proc/sys", shared)
}

func lockAt(ctx context.Context, dir, root string, shared bool) (*Machine, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir, root: root, file: f, shared: shared, before: map[string]string{}}
	if err := m.queue(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the machine's shared settings: %w", err), f.Close())
	}
	return m, nil
}

// queue waits for its turn, then for the lock: who wants it alone is not passed by for ever by those who share it.
func (m *Machine) queue(ctx context.Context) error {
	turn, err := os.OpenFile(filepath.Join(m.dir, "turn"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = turn.Close() }()
	for {
		err := unix.Flock(int(turn.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return m.acquire(ctx)
		}
		if err := patience(ctx, err); err != nil {
			return err
		}
	}
}

// patience waits a little when a lock is held by another, and passes on any other error.
func patience(ctx context.Context, err error) error {
	if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("held by another: %w", ctx.Err())
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}

// acquire takes the lock. Who wants to share it takes it alone as long as a journal waits to be replayed.
func (m *Machine) acquire(ctx context.Context) error {
	for {
		how := unix.LOCK_EX
		if m.shared && !m.journalExists() {
			how = unix.LOCK_SH
		}
		err := unix.Flock(int(m.file.Fd()), how|unix.LOCK_NB)
		if err == nil {
			done, err := m.settle(how)
			if done || err != nil {
				return err
			}
			continue
		}
		if err := patience(ctx, err); err != nil {
			return err
		}
	}
}

// settle replays a dead holder's journal, and reports whether the lock is now held as it should be.
func (m *Machine) settle(how int) (bool, error) {
	waiting := m.journalExists()
	if waiting && how == unix.LOCK_EX {
		if err := m.replay(); err != nil {
			return false, fmt.Errorf("restore what the last holder left: %w", err)
		}
		waiting = false
	}
	if !waiting && (how == unix.LOCK_SH) == m.shared {
		return true, nil
	}
	return false, unix.Flock(int(m.file.Fd()), unix.LOCK_UN)
}

func (m *Machine) journal() string { return filepath.Join(m.dir, "journal") }

func (m *Machine) journalExists() bool {
	_, err := os.Stat(m.journal())
	return err == nil
}

func (m *Machine) replay() error {
	text, err := os.ReadFile(m.journal())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &m.before); err != nil {
		// A journal is renamed into place whole: one that does not parse is not ours to act on.
		return fmt.Errorf("read %s: %w", m.journal(), err)
	}
	return m.restore()
}

// Set changes one of the shared values. What it was is on disk before it changes.
func (m *Machine) Set(key, value string) error {
	if m.shared {
		return errors.New("the machine is held with others: nothing may be changed")
	}
	if !slices.Contains([]string{Max, Buckets, ExpectMax, MessageCost, MessageBurst}, key) {
		return fmt.Errorf("set %s: not one of the machine's shared settings", key)
	}
	path := filepath.Join(m.root, key)
	if _, known := m.before[key]; !known {
		now, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m.before[key] = strings.TrimSpace(string(now))
		if err := m.writeJournal(); err != nil {
			delete(m.before, key)
			return err
		}
	}
	return os.WriteFile(path, []byte(value), 0)
}

func (m *Machine) writeJournal() error {
	text, err := json.Marshal(m.before)
	if err != nil {
		return err
	}
	temp := m.journal() + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temp, m.journal())
}

// restore writes back what was changed, and only then forgets the journal.
func (m *Machine) restore() error {
	var errs []error
	for _, key := range []string{Buckets, Max, ExpectMax, MessageCost, MessageBurst} {
		if value, changed := m.before[key]; changed {
			errs = append(errs, os.WriteFile(filepath.Join(m.root, key), []byte(value), 0))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	m.before = map[string]string{}
	if err := os.Remove(m.journal()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Unlock puts everything back and lets the next one in.
func (m *Machine) Unlock() error {
	var err error
	if !m.shared {
		err = m.restore()
	}
	return errors.Join(err, m.file.Close())
}
