package kernlog

import (
	"context"
	"io"
	"os/exec"
)

// journalSpan is how far back the journal is read.
const journalSpan = "-30days"

// journal is the systemd journal of a live host, read through journalctl: its files have no stable
// format of their own, and this is the one program that ctkeeper ever starts. A host without a journal
// directory has none.
func journal(files FS) (Source, bool) {
	found := false
	for _, dir := range []string{"/run/log/journal", "/var/log/journal"} {
		if info, err := files.Stat(dir); err == nil && info.IsDir() {
			found = true
		}
	}
	tool := Program(files)
	if !found || tool == "" {
		return Source{}, false
	}
	return Source{Name: "journal", Current: true, Open: func(ctx context.Context) (io.ReadCloser, error) {
		// _TRANSPORT=kernel is what -k selects, but of all boots, and known to the oldest journalctl too.
		return start(ctx, tool, "_TRANSPORT=kernel", "-o", "json", "--no-pager", "-q", "--since", journalSpan)
	}}, true
}

// Program is the one that is started to read the journal, where packages put it: what else PATH names is not
// started. "" is none.
func Program(files FS) string {
	for _, p := range []string{"/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl"} {
		if info, err := files.Stat(p); err == nil && info.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// start runs a program that ends with ctx, and gives what it writes.
func start(ctx context.Context, name string, args ...string) (io.ReadCloser, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER="}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{ReadCloser: out, cmd: cmd}, nil
}

// process is a program's output; closing it waits for the program.
type process struct {
	io.ReadCloser
	cmd *exec.Cmd
}

// Read reports a program that failed at the end of its output, as a short log would hide it.
func (p *process) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err == io.EOF {
		if waitErr := p.cmd.Wait(); waitErr != nil {
			return n, waitErr
		}
	}
	return n, err
}

// Close ends the program when it still runs.
func (p *process) Close() error {
	err := p.ReadCloser.Close()
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return err
}
