package main

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctkeeper/internal/lab"
)

// terminal is a program that runs in a terminal of its own.
type terminal struct {
	t      *testing.T
	pty    *lab.Pty
	cmd    *exec.Cmd
	before string // the terminal's modes
	ended  chan error
	read   chan struct{}

	mu     sync.Mutex
	screen *screen
}

// startTerminal runs ctkeeper in a terminal of a size, with these variables beside the usual ones.
func startTerminal(t *testing.T, columns, rows int, env []string, args ...string) *terminal {
	t.Helper()
	pty, err := lab.OpenPty(columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	m := &terminal{t: t, pty: pty, ended: make(chan error, 1), read: make(chan struct{}), screen: newScreen(columns, rows)}
	if m.before, err = pty.Modes(); err != nil {
		t.Fatal(err)
	}
	m.cmd = exec.Command("ctkeeper", args...)
	m.cmd.Stdin, m.cmd.Stdout, m.cmd.Stderr = pty.Program, pty.Program, pty.Program
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	m.cmd.Env = append([]string{"TERM=xterm-256color", "LANG=C.UTF-8", "PATH=" + os.Getenv("PATH")}, env...)
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go m.follow()
	go func() { m.ended <- m.cmd.Wait() }()
	t.Cleanup(func() {
		_ = m.cmd.Process.Kill()
		_ = pty.Close()
		<-m.read
	})
	return m
}

// follow shows on the screen what the program prints.
func (m *terminal) follow() {
	defer close(m.read)
	buf := make([]byte, 64<<10)
	for {
		n, err := m.pty.Test.Read(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.screen.Write(buf[:n])
		m.mu.Unlock()
	}
}

// text is what is on the screen now.
func (m *terminal) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.String()
}

// typed types keys.
func (m *terminal) typed(keys string) {
	m.t.Helper()
	if _, err := m.pty.Test.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// sees waits until the screen shows all of these, and returns it.
func (m *terminal) sees(all ...string) string {
	m.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		text, missing := m.text(), ""
		for _, s := range all {
			if !strings.Contains(text, s) {
				missing = s
			}
		}
		if missing == "" {
			return text
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("no %q on the screen:\n%s", missing, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// resize gives the terminal another size.
func (m *terminal) resize(columns, rows int) {
	m.t.Helper()
	m.mu.Lock()
	m.screen.resize(columns, rows)
	m.mu.Unlock()
	if err := m.pty.Resize(columns, rows); err != nil {
		m.t.Fatal(err)
	}
}

// end waits for the program's end, and holds that the terminal is as it was. It returns the exit code.
func (m *terminal) end() int {
	m.t.Helper()
	select {
	case <-m.ended:
	case <-time.After(10 * time.Second):
		m.t.Fatalf("the program does not end:\n%s", m.text())
	}
	time.Sleep(50 * time.Millisecond) // what it printed last is read
	after, err := m.pty.Modes()
	if err != nil || after != m.before {
		m.t.Errorf("terminal modes %s, before %s; %v", after, m.before, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for mode, want := range map[string]bool{"1049": false, "25": true, "2004": false, "1000": false, "1006": false} {
		if m.screen.modes[mode] != want {
			m.t.Errorf("private mode %s is %v at the end", mode, !want)
		}
	}
	if len(m.screen.unknown) > 0 {
		m.t.Errorf("sequences that the screen does not know: %q", m.screen.unknown)
	}
	return m.cmd.ProcessState.ExitCode()
}
