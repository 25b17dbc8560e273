package kernlog

import (
	"bufio"
	"context"
	"io"
	"os"
	"path"
	"regexp"
	"sort"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/ulikunitz/xz"
)

// rotated matches what log rotation adds to a name: .1, .2.gz, -20240101, -20240101-1704067200.xz, .old, .0
var rotated = regexp.MustCompile(`^(\.\d{1,3}|-\d{8}(-\d+)?|\.\d{8}(-\d+)?|\.old)?(\.gz|\.xz)?$`)

// logNames are the files below /var/log that syslog daemons write the kernel's messages to.
func logNames() []string {
	return []string{"kern.log", "messages", "syslog", "kern", "kernel.log", "dmesg"}
}

// reportNames are the files that people put beside a copied /proc: the outputs of dmesg and journalctl.
func reportNames() []string {
	return []string{"/dmesg", "/dmesg.txt", "/dmesg.log", "/journal", "/journal.txt", "/journal.json", "/journal.log",
		"/journalctl", "/journalctl.txt", "/kern.log", "/sos_commands/kernel/dmesg", "/sos_commands/kernel/dmesg_-T"}
}

// Sources lists the logs of a host besides /dev/kmsg, newest first: the journal of a live host, then
// log files and their rotations.
func Sources(files FS) []Source {
	var all []Source
	if files.Live() {
		if src, ok := journal(files); ok {
			all = append(all, src)
		}
	} else {
		for _, name := range append(reportNames(), "/dev/kmsg") {
			if info, err := files.Stat(name); err == nil && info.Mode().IsRegular() {
				all = append(all, file(files, name, name))
			}
		}
	}
	return append(all, varLog(files)...)
}

// varLog lists /var/log's files. A directory that cannot be listed has the well-known names tried.
func varLog(files FS) []Source {
	names, _ := files.List("/var/log")
	var all []Source
	for _, n := range names {
		for _, base := range logNames() {
			suffix, ok := strings.CutPrefix(n, base)
			if ok && rotated.MatchString(suffix) {
				all = append(all, file(files, path.Join("/var/log", n), base))
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].ModTime.After(all[j].ModTime) })
	regular := all[:0]
	for _, s := range all {
		if s.Open != nil {
			regular = append(regular, s)
		}
	}
	return regular
}

// file describes one file; its Open is nil when it is no regular file.
func file(files FS, name, channel string) Source {
	src := Source{Name: name, Channel: channel}
	info, err := files.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return src
	}
	src.ModTime, src.Size = info.ModTime(), info.Size()
	src.Open = func(context.Context) (io.ReadCloser, error) {
		f, err := files.Open(name)
		if err != nil {
			return nil, err
		}
		return decompress(f)
	}
	return src
}

// File is one log file by its path on this machine, compressed or not.
func File(name string) Source {
	return Source{Name: name, Open: func(context.Context) (io.ReadCloser, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		return decompress(f)
	}}
}

// Stream is a log that is read from r, which is not closed.
func Stream(name string, r io.Reader) Source {
	return Source{Name: name, Open: func(context.Context) (io.ReadCloser, error) {
		b := bufio.NewReaderSize(r, 64<<10)
		return withMagic(b, io.NopCloser(r))
	}}
}

type bothCloser struct {
	io.Reader
	closers []io.Closer
}

// Close closes all of them.
func (b bothCloser) Close() error {
	var first error
	for _, c := range b.closers {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func decompress(f *os.File) (io.ReadCloser, error) {
	r, err := withMagic(bufio.NewReaderSize(f, 64<<10), f)
	if err != nil {
		f.Close()
	}
	return r, err
}

// withMagic unpacks what starts as gzip or xz do, whatever the file is called.
func withMagic(b *bufio.Reader, c io.Closer) (io.ReadCloser, error) {
	head, _ := b.Peek(6)
	switch {
	case strings.HasPrefix(string(head), "\x1f\x8b"):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		return bothCloser{z, []io.Closer{z, c}}, nil
	case string(head) == "\xfd7zXZ\x00":
		z, err := xz.ReaderConfig{DictCap: 64 << 20}.NewReader(b)
		if err != nil {
			return nil, err
		}
		return bothCloser{z, []io.Closer{c}}, nil
	}
	return bothCloser{b, []io.Closer{c}}, nil
}
