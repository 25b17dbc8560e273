package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/conntrack/message"
)

// Schema is the first key of a journal entry.
const Schema = "ctkeeper.journal/1"

// State is how far an entry came.
type State string

// States of an entry.
const (
	Begun   State = "begun"   // writes may have happened: a run that ends here was killed
	Waiting State = "waiting" // running values are set, files wait for a confirmation
	Done    State = "done"
	Undoing State = "undoing" // being taken back: a run that ends here was killed
	Undone  State = "undone"  // everything was put back
)

// Entry is one apply: who, when, from what, to what, why.
type Entry struct {
	Schema    string    `json:"schema"`
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Who       string    `json:"who,omitempty"`
	Command   string    `json:"command,omitempty"`
	BootID    string    `json:"boot_id,omitempty"`
	State     State     `json:"state"`
	Namespace string    `json:"namespace,omitempty"`
	Path      string    `json:"path,omitempty"`
	// NamespaceInode is the namespace itself: names and paths are given anew.
	NamespaceInode uint64          `json:"namespace_inode,omitempty"`
	Deadline       *time.Time      `json:"deadline,omitempty"`
	Settings       []SettingChange `json:"settings"`
	Files          []FileChange    `json:"files,omitempty"`
	// Persisted tells that files make the values hold at the next boot.
	Persisted bool `json:"persisted"`
	// Conflicts are other lines for the same settings; commented out, or with KeptConflicts left.
	Conflicts     []boot.Conflict  `json:"conflicts,omitempty"`
	KeptConflicts bool             `json:"kept_conflicts,omitempty"`
	Overwriters   []boot.Overwrite `json:"overwriters,omitempty"`
	// Unmet are settings that the next boot will bring to another value, because conflicts were kept.
	Unmet []string `json:"unmet,omitempty"`
	// Left is what undoing found changed by somebody else, and left alone.
	Left []string `json:"left,omitempty"`
	// Unreached is what could not be put back: its namespace is gone, or the path leads to another by now.
	Unreached []string `json:"unreached,omitempty"`
}

// SettingChange is one running value.
type SettingChange struct {
	Setting string          `json:"setting"`
	Key     string          `json:"key"`
	Path    string          `json:"path"`
	From    int64           `json:"from"`
	To      int64           `json:"to"`
	Why     message.Message `json:"why"`
}

// FileChange is one file, before and after, to the byte.
type FileChange struct {
	Path string `json:"path"`
	// Created tells that there was no file; else Old and Mode are what it was.
	Created bool `json:"created,omitempty"`
	// Dirs are directories that were made for it, outermost first.
	Dirs []string        `json:"dirs,omitempty"`
	Old  []byte          `json:"old,omitempty"`
	New  []byte          `json:"new"`
	Mode uint32          `json:"mode"`
	Why  message.Message `json:"why"`
}

// journalMode: entries hold whole files.
const journalMode = 0o600

func (r *Runner) journalDir() string { return path.Join(r.StateDir, "journal") }

// newID is the entry's time, with a number when two fall into one second.
func (r *Runner) newID(at time.Time) string {
	base := at.Format("20060102T150405Z")
	names, _ := r.FS.List(r.journalDir()) // none yet
	for n := 1; ; n++ {
		id := base
		if n > 1 {
			id = fmt.Sprintf("%s-%d", base, n)
		}
		if !slices.Contains(names, id+".json") {
			return id
		}
	}
}

// save writes an entry whole or not at all.
func (r *Runner) save(e *Entry) error {
	data, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	if err := r.FS.MkdirAll(r.journalDir(), 0o700); err != nil {
		return err
	}
	return r.FS.WriteFile(path.Join(r.journalDir(), e.ID+".json"), append(data, '\n'), journalMode)
}

// Entries reads the journal, oldest first. One that is torn or of a newer ctkeeper is an error that names it.
func (r *Runner) Entries() ([]Entry, error) {
	names, err := r.FS.List(r.journalDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var all []Entry
	for _, n := range names {
		if !strings.HasSuffix(n, ".json") || strings.HasPrefix(n, ".") {
			continue
		}
		e, err := r.load(n)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func (r *Runner) load(name string) (Entry, error) {
	file := path.Join(r.journalDir(), name)
	data, err := r.FS.ReadFile(file, 64<<20)
	if err != nil {
		return Entry{}, fmt.Errorf("read the journal: %w", err)
	}
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, fmt.Errorf("journal %s: %w", file, err)
	}
	if e.Schema != Schema || e.ID+".json" != name {
		return Entry{}, fmt.Errorf("journal %s: schema %q, id %q", file, e.Schema, e.ID)
	}
	if e.State == Waiting && e.Deadline == nil {
		return Entry{}, fmt.Errorf("journal %s: it waits without a deadline", file)
	}
	return e, nil
}

// entry finds one by id; "" is the last that is done.
func (r *Runner) entry(id string) (Entry, error) {
	all, err := r.Entries()
	if err != nil {
		return Entry{}, err
	}
	for _, e := range slices.Backward(all) {
		if id == "" && e.State == Done || id != "" && e.ID == id {
			return e, nil
		}
	}
	if id == "" {
		return Entry{}, ErrNothingToUndo
	}
	return Entry{}, fmt.Errorf("no apply %q in the journal", id)
}
