package tui

import (
	"context"
	"io"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
)

// slow is a source whose readings last until they are cancelled, or panic.
type slow struct {
	*fake
	panics bool
	mu     sync.Mutex
	open   int
}

func (s *slow) Rank(ctx context.Context, _ Request) (Ranking, error) {
	s.count(1)
	defer s.count(-1)
	if s.panics {
		time.Sleep(200 * time.Millisecond) // until the screen is drawn
		panic("a reading that panics")
	}
	<-ctx.Done()
	time.Sleep(20 * time.Millisecond)
	return Ranking{}, ctx.Err()
}

func (s *slow) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
}

func (s *slow) readings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// inTerminal runs the view in a terminal, where do acts as the user, and returns what Run did.
// The terminal must be as before, and nothing may still run.
func inTerminal(t *testing.T, s *slow, do func(pty *lab.Pty, cancel context.CancelFunc)) error {
	t.Helper()
	pty, err := lab.OpenPty(80, 24)
	if err != nil {
		t.Fatal(err)
	}
	before, err := pty.Modes()
	if err != nil {
		t.Fatal(err)
	}
	_, stop := signal.NotifyContext(t.Context(), syscall.SIGHUP) // its goroutine stays for good
	stop()
	goroutines := runtime.NumGoroutine()
	var shown strings.Builder
	var reader sync.WaitGroup
	reader.Go(func() { _, _ = io.Copy(&shown, pty.Test) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		o := options(t, "src", "")
		o.Source, o.In, o.Out, o.Environ = s, pty.Program, pty.Program, []string{"TERM=xterm"}
		ended <- Run(ctx, o)
	}()
	do(pty, cancel)
	select {
	case err = <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the view does not end")
	}
	if n := s.readings(); n != 0 {
		t.Errorf("%d readings still run", n)
	}
	if after, modeErr := pty.Modes(); modeErr != nil || after != before {
		t.Errorf("modes %s, before %s; %v", after, before, modeErr)
	}
	if closeErr := pty.Program.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	reader.Wait() // until all that was shown is read
	if closeErr := pty.Test.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if !strings.Contains(shown.String(), "\x1b[?1049l") {
		t.Error("the first screen did not come back")
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines, before %d:\n%s", n, goroutines, buf[:runtime.Stack(buf, true)])
	}
	return err
}

// reads waits until a reading of the table runs.
func (s *slow) reads(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); s.readings() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the table is not read")
		}
	}
}

func newSlow() *slow { return &slow{fake: &fake{now: time.Now(), count: 1, max: 2}} }

func TestQuitEndsAReading(t *testing.T) {
	s := newSlow()
	err := inTerminal(t, s, func(pty *lab.Pty, _ context.CancelFunc) {
		s.reads(t)
		if _, err := pty.Test.WriteString("q"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCancelEndsAReading(t *testing.T) {
	s := newSlow()
	err := inTerminal(t, s, func(_ *lab.Pty, cancel context.CancelFunc) {
		s.reads(t)
		cancel()
	})
	if err == nil {
		t.Error("no error says why the view ended")
	}
}

func TestPanicGivesTheTerminalBack(t *testing.T) {
	s := newSlow()
	s.panics = true
	err := inTerminal(t, s, func(*lab.Pty, context.CancelFunc) {})
	if err == nil || !strings.Contains(err.Error(), "a reading that panics") || !strings.Contains(err.Error(), "live_test.go") {
		t.Errorf("the error does not say what panicked, and where: %v", err)
	}
}
