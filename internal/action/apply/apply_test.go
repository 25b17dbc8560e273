package apply_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctkeeper/internal/action/apply"
	"ctkeeper/internal/advice/boot"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/hostfs"
)

// errInjected is what a failing write says.
var errInjected = errors.New("injected fault")

// crash is the panic of a process that is killed.
type crash struct{}

// faulty fails or dies at the nth write, before it or after it.
type faulty struct {
	hostfs.FS
	n     int // counts writes
	at    int // 0: never
	kill  bool
	after bool
}

func (f *faulty) write(do func() error) error {
	f.n++
	if f.n != f.at {
		return do()
	}
	var err error
	if f.after {
		err = do()
	}
	if f.kill {
		panic(crash{})
	}
	return errors.Join(err, errInjected)
}

func (f *faulty) WriteFile(name string, data []byte, mode fs.FileMode) error {
	return f.write(func() error { return f.FS.WriteFile(name, data, mode) })
}

func (f *faulty) WriteSysctl(name, value string) error {
	return f.write(func() error { return f.FS.WriteSysctl(name, value) })
}

func (f *faulty) Remove(name string) error {
	return f.write(func() error { return f.FS.Remove(name) })
}

func (f *faulty) MkdirAll(name string, mode fs.FileMode) error {
	return f.write(func() error { return f.FS.MkdirAll(name, mode) })
}

// host is a root directory of a 6.18 machine whose files disagree with what is wanted.
func host(t *testing.T) hostfs.FS {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"proc/sys/kernel/osrelease":                                   "6.18.44\n",
		"proc/meminfo":                                                "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n",
		"proc/sys/net/netfilter/nf_conntrack_max":                     "65536\n",
		"proc/sys/net/netfilter/nf_conntrack_count":                   "65000\n",
		"proc/sys/net/netfilter/nf_conntrack_buckets":                 "65536\n",
		"proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established": "432000\n",
		"etc/sysctl.conf":                                             "# mine\nnet.netfilter.nf_conntrack_max = 65536\nvm.swappiness=10\n",
		"etc/sysctl.d/99-zzz.conf":                                    "net/netfilter/nf_conntrack_buckets=1024\r\n",
		"usr/lib/sysctl.d/50-default.conf":                            "kernel.sysrq = 16\n",
		"usr/lib/systemd/systemd-sysctl":                              "",
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return hostfs.FS{Root: root}
}

// state is every file of the host outside the journal, with its mode: what must be as before or as planned.
func state(t *testing.T, f hostfs.FS) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(f.Root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, f.Root)
		if strings.HasPrefix(name, "/var") {
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", name, info.Mode())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func take(f hostfs.FS) func(context.Context) (snapshot.Snapshot, error) {
	return func(ctx context.Context) (snapshot.Snapshot, error) {
		return collect.Root(ctx, f.Root, collect.Options{NoLog: true, NoFlows: true})
	}
}

func runner(f hostfs.FS, through apply.FS) *apply.Runner {
	return &apply.Runner{
		FS: through, StateDir: "/var/lib/ctkeeper", LockPath: filepath.Join(f.Root, "var/lock"),
		Boot: apply.InputFrom(take(f)), Now: func() time.Time { return time.Unix(1700000000, 0) }, BootID: "boot-1", Who: "test", Command: "apply",
	}
}

func makePlan(t *testing.T, f hostfs.FS) plan.Plan {
	t.Helper()
	s, err := take(f)(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(s, plan.Options{Only: true, Wishes: []plan.Wish{
		{Setting: "max", Value: 131072}, {Setting: "buckets", Value: 131072}, {Setting: "tcp_timeout_established", Value: 86400}}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// asPlanned holds that running values, files and the simulated boot agree.
func asPlanned(t *testing.T, f hostfs.FS, p plan.Plan) {
	t.Helper()
	s, err := take(f)(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	prediction := boot.Predict(boot.FromSnapshot(s))
	for _, st := range p.Steps {
		running, _ := s.Namespaces[0].Setting(st.Setting)
		next, ok := prediction.Setting(st.Setting)
		if !ok || next.Systemd.Value == nil || next.Procps.Value == nil || running != st.To || *next.Systemd.Value != st.To || *next.Procps.Value != st.To {
			t.Errorf("%s: running %d, next boot %+v; want %d everywhere", st.Setting, running, next, st.To)
		}
	}
}

func TestApplyAndUndo(t *testing.T) {
	f := host(t)
	before := state(t, f)
	p := makePlan(t, f)
	r := runner(f, f)
	e, err := r.Apply(context.Background(), p, apply.Options{})
	if err != nil || e.State != apply.Done || !e.Persisted || len(e.Conflicts) != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	asPlanned(t, f, p)
	conf, err := f.ReadFile("/etc/sysctl.conf", 0)
	if err != nil || !strings.Contains(string(conf), "vm.swappiness=10") || strings.Contains(string(conf), "\nnet.netfilter.nf_conntrack_max") {
		t.Errorf("sysctl.conf: %q, %v", conf, err)
	}
	if info, err := f.Stat("/var/lib/ctkeeper/journal/" + e.ID + ".json"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("journal: %v, %v", info, err)
	}
	if e, err = r.Undo(context.Background(), ""); err != nil || e.State != apply.Undone || len(e.Left) != 0 {
		t.Fatalf("undo: %+v, %v", e, err)
	}
	if after := state(t, f); after != before {
		t.Errorf("undo left:\n%s\nwant:\n%s", after, before)
	}
	if _, err := r.Undo(context.Background(), ""); !errors.Is(err, apply.ErrNothingToUndo) {
		t.Errorf("a second undo: %v", err)
	}
}

// died runs fn and reports whether it was killed on the way.
func died(fn func()) (killed bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			killed = true
		}
	}()
	fn()
	return false
}

// TestEveryFaultLeavesAWholeHost fails and kills apply, and undo, before and after every single write.
func TestEveryFaultLeavesAWholeHost(t *testing.T) {
	for _, kill := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for _, undo := range []bool{false, true} {
				steps := 0
				for at := 1; faultAt(t, at, kill, after, undo); at++ {
					steps = at
				}
				if steps < 8 {
					t.Errorf("kill %v after %v undo %v: only %d writes were reached", kill, after, undo, steps)
				}
			}
		}
	}
}

// faultAt injects one fault and reports whether it was reached.
func faultAt(t *testing.T, at int, kill, after, undo bool) bool {
	t.Helper()
	f := host(t)
	before := state(t, f)
	p := makePlan(t, f)
	planned := ""
	if undo {
		if _, err := runner(f, f).Apply(context.Background(), p, apply.Options{}); err != nil {
			t.Fatal(err)
		}
		planned = state(t, f)
	}
	through := &faulty{FS: f, at: at, kill: kill, after: after}
	died(func() {
		var err error
		if undo {
			_, err = runner(f, through).Undo(context.Background(), "")
		} else {
			_, err = runner(f, through).Apply(context.Background(), p, apply.Options{})
		}
		if err != nil && !errors.Is(err, errInjected) {
			t.Errorf("write %d: %v", at, err)
		}
	})
	if _, err := runner(f, f).Recover(context.Background()); err != nil {
		t.Errorf("write %d (kill %v, after %v, undo %v): recover: %v", at, kill, after, undo, err)
	}
	now := state(t, f)
	switch {
	case now == before, undo && now == planned:
	case undo:
		t.Errorf("write %d (kill %v, after %v): undo left neither the plan nor what was before:\n%s", at, kill, after, now)
	default:
		asPlanned(t, f, p)
	}
	return through.n >= at
}

func TestChangedSinceThePlan(t *testing.T) {
	f := host(t)
	p := makePlan(t, f)
	if err := f.WriteSysctl("/proc/sys/net/netfilter/nf_conntrack_max", "70000"); err != nil {
		t.Fatal(err)
	}
	before := state(t, f)
	_, err := runner(f, f).Apply(context.Background(), p, apply.Options{})
	var changed *apply.ChangedError
	if !errors.As(err, &changed) || changed.Now != 70000 || state(t, f) != before {
		t.Errorf("%v", err)
	}
}

func TestUndoLeavesWhatSomebodyElseChanged(t *testing.T) {
	f := host(t)
	p := makePlan(t, f)
	r := runner(f, f)
	if _, err := r.Apply(context.Background(), p, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/etc/sysctl.conf", []byte("by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := r.Undo(context.Background(), "")
	if err != nil || len(e.Left) != 1 || e.Left[0] != "/etc/sysctl.conf" {
		t.Errorf("%+v, %v", e.Left, err)
	}
	if got, _ := f.ReadFile("/etc/sysctl.conf", 0); string(got) != "by hand\n" {
		t.Errorf("the other's change was lost: %q", got)
	}
}

func TestConfirmWithin(t *testing.T) {
	f := host(t)
	before := state(t, f)
	p := makePlan(t, f)
	r := runner(f, f)
	now := time.Unix(1700000000, 0)
	r.Now = func() time.Time { return now }
	o := apply.Options{ConfirmWithin: time.Minute}
	e, err := r.Apply(context.Background(), p, o)
	if err != nil || e.State != apply.Waiting {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := f.Stat(boot.DropIn); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was written before the confirmation")
	}
	var waiting *apply.WaitingError
	if _, err := r.Apply(context.Background(), p, o); !errors.As(err, &waiting) || waiting.ID != e.ID {
		t.Errorf("a second apply while one waits: %v", err)
	}
	if e, err = r.Confirm(context.Background()); err != nil || e.State != apply.Done {
		t.Fatalf("confirm: %+v, %v", e, err)
	}
	asPlanned(t, f, p)
	if _, err = r.Undo(context.Background(), e.ID); err != nil || state(t, f) != before {
		t.Fatalf("undo: %v", err)
	}

	if e, err = r.Apply(context.Background(), p, o); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	if e, err = r.Await(context.Background(), e.ID, time.Millisecond); err != nil || e.State != apply.Undone || state(t, f) != before {
		t.Errorf("nobody confirmed: %+v, %v", e, err)
	}
	if _, err := r.Confirm(context.Background()); !errors.Is(err, apply.ErrNothingToConfirm) {
		t.Errorf("confirming what is over: %v", err)
	}

	if _, err = r.Apply(context.Background(), p, o); err != nil {
		t.Fatal(err)
	}
	r.BootID = "boot-2" // the machine was restarted; its values stay where the test's files are
	if closed, err := r.Recover(context.Background()); err != nil || len(closed) != 1 || state(t, f) != before {
		t.Errorf("after a restart: %+v, %v", closed, err)
	}
}

func TestKeepConflictsSaysWhatIsUnmet(t *testing.T) {
	f := host(t)
	e, err := runner(f, f).Apply(context.Background(), makePlan(t, f), apply.Options{KeepConflicts: true})
	if err != nil || len(e.Unmet) == 0 || e.State != apply.Done {
		t.Errorf("%+v, %v", e.Unmet, err)
	}
	if got, _ := f.ReadFile("/etc/sysctl.conf", 0); !strings.Contains(string(got), "\nnet.netfilter.nf_conntrack_max = 65536") {
		t.Errorf("a kept conflict was changed: %q", got)
	}
}

func TestSecondApplyIsToldWhoHoldsTheLock(t *testing.T) {
	f := host(t)
	r := runner(f, f)
	entered, leave := make(chan bool), make(chan bool)
	r.Boot = func(ctx context.Context) (boot.Input, error) {
		entered <- true
		<-leave
		return boot.Input{}, errInjected
	}
	done := make(chan error)
	p := makePlan(t, f)
	go func() {
		_, err := r.Apply(context.Background(), p, apply.Options{})
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := runner(f, f).Apply(ctx, p, apply.Options{})
	var locked *apply.LockedError
	if !errors.As(err, &locked) || !strings.Contains(locked.Holder, fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("%v", err)
	}
	close(leave)
	if err := <-done; !errors.Is(err, errInjected) {
		t.Errorf("the first: %v", err)
	}
}

func TestTornJournalIsNamed(t *testing.T) {
	f := host(t)
	if err := f.MkdirAll("/var/lib/ctkeeper/journal", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteFile("/var/lib/ctkeeper/journal/20260101T000000Z.json", []byte(`{"schema":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runner(f, f).Undo(context.Background(), ""); err == nil || !strings.Contains(err.Error(), "20260101T000000Z.json") {
		t.Errorf("%v", err)
	}
}
