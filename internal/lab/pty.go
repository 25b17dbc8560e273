package lab

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Pty is a pseudo-terminal: a test reads and writes one end, a program stands at the other.
type Pty struct {
	// Test is the test's end; Program is the terminal that the program gets.
	Test, Program *os.File
}

// OpenPty makes a pseudo-terminal of a size.
func OpenPty(columns, rows int) (*Pty, error) {
	end, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	p := &Pty{Test: end}
	if err := p.open(columns, rows); err != nil {
		_ = end.Close()
		return nil, fmt.Errorf("open a pseudo-terminal: %w", err)
	}
	return p, nil
}

func (p *Pty) open(columns, rows int) error {
	var n uint32
	err := p.control(func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetUint32(fd, unix.TIOCGPTN)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := p.Resize(columns, rows); err != nil {
		return err
	}
	p.Program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	return err
}

// control calls fn with the test's end, which stays as it is: reading from it can still be ended.
func (p *Pty) control(fn func(fd int) error) error {
	raw, err := p.Test.SyscallConn()
	if err != nil {
		return err
	}
	var fnErr error
	err = raw.Control(func(fd uintptr) { fnErr = fn(int(fd)) })
	if err == nil {
		err = fnErr
	}
	return err
}

// Resize gives the terminal another size; the program is told by a signal.
func (p *Pty) Resize(columns, rows int) error {
	return p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)})
	})
}

// Modes are the terminal's modes, to compare.
func (p *Pty) Modes() (string, error) {
	var t *unix.Termios
	err := p.control(func(fd int) (err error) {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return fmt.Sprintf("%+v", t), err
}

// Close closes both ends; what the program printed and nobody read is lost.
func (p *Pty) Close() error {
	err := p.Test.Close()
	if closeErr := p.Program.Close(); err == nil {
		err = closeErr
	}
	return err
}
