package tui

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	tea "charm.land/bubbletea/v2"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/surface/wording"
)

// Options of a live view.
type Options struct {
	Source Source
	// Change acts on marked rows. Nil: this view only looks, for the reason in ReadOnly.
	Change   Change
	ReadOnly message.Message

	By     rank.By
	Filter filter.Filter
	Name   string // of the table, as its namespace is called; "" for this host's
	Lang   wording.Lang
	ASCII  bool // the terminal's locale knows no more
	// In and Out are the terminal.
	In  io.Reader
	Out io.Writer
	// Environ is where TERM and NO_COLOR are looked up.
	Environ []string
}

// framesPerSecond is how often the screen is drawn at most.
const framesPerSecond = 20

// Run shows the view until the user quits, ctx is done or the terminal hangs up. When it returns, all
// that it started has ended and the terminal is as it was.
func Run(ctx context.Context, o Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP)
	defer stop()
	w := newWork(ctx)
	p := tea.NewProgram(newModel(o, w), tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithEnvironment(o.Environ),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())
	ended := make(chan struct{})
	var quit sync.WaitGroup
	quit.Go(func() {
		select {
		case <-ctx.Done():
			p.Quit()
		case <-ended:
		}
	})
	_, err := p.Run()
	close(ended)
	quit.Wait()
	if panicked := w.join(); panicked != nil {
		return panicked
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// work runs what takes time beside the view, and ends it with the view.
type work struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	panicked error
}

func newWork(ctx context.Context) *work {
	w := &work{}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// do returns a command that calls fn, unless the view has ended. A panic ends the view, which gives the
// terminal back before it is told.
func (w *work) do(fn func(ctx context.Context) tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		w.mu.Lock()
		if w.ctx.Err() != nil {
			w.mu.Unlock()
			return nil
		}
		w.wg.Add(1)
		w.mu.Unlock()
		defer w.wg.Done()
		defer func() {
			if r := recover(); r != nil {
				w.mu.Lock()
				w.panicked = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
				w.mu.Unlock()
				msg = tea.Quit()
			}
		}()
		return fn(w.ctx)
	}
}

// join ends all work, waits for it, and returns what panicked in it.
func (w *work) join() error {
	w.mu.Lock()
	w.cancel()
	w.mu.Unlock()
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.panicked
}
