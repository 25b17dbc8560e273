package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/collect"
	"ctkeeper/internal/host/hostfs"
)

// secretMode: a snapshot tells who talks to whom.
const secretMode = 0o600

func newSnapshot(a *app) *cobra.Command {
	var out string
	var redact, flows bool
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Write all that is known of this host as one JSON value",
		Long: "Write all that is known of this host as one JSON value: settings, counters at two moments, the table\n" +
			"ranked, the kernel log summed, the files that the boot reads, and the other limits. Every reading\n" +
			"command takes it with --from. It is written whole or not at all, readable by its owner only.",
		Example: "  ctkeeper snapshot -o host.json\n  ctkeeper snapshot --redact | gzip > host.json.gz\n  ctkeeper doctor --from host.json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.writeSnapshot(cmd, out, redact, flows)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of standard output")
	cmd.Flags().BoolVar(&redact, "redact", false, "replace addresses and host names by stand-ins that keep prefixes comparable")
	cmd.Flags().BoolVar(&flows, "flows", false, "with -o: write every flow beside it, one JSON object a line, to FILE.flows.jsonl")
	return cmd
}

func (a *app) writeSnapshot(cmd *cobra.Command, out string, redact, flows bool) (err error) {
	if flows && out == "" {
		return usageError{errors.New("--flows needs -o FILE: the flows go to FILE.flows.jsonl")}
	}
	r, err := newRedactor()
	if err != nil {
		return err
	}
	o := collect.Options{Tracking: true}
	if flows {
		f, err := newFlowFile(out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.abandon()) }()
		o.Flow = func(namespace string, fl *flow.Flow) error { return f.write(namespace, fl, r, redact) }
		defer func() {
			if err == nil {
				err = f.commit()
			}
		}()
	}
	s, err := a.snapshot(cmd.Context(), o)
	if err != nil {
		return err
	}
	if redact {
		s = r.Snapshot(s)
	}
	return a.putSnapshot(out, s)
}

func newRedactor() (snapshot.Redactor, error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return snapshot.Redactor{}, err
	}
	return snapshot.NewRedactor(secret), nil
}

func (a *app) putSnapshot(out string, s snapshot.Snapshot) error {
	if out == "" {
		return snapshot.Encode(a.out, s)
	}
	var b bytes.Buffer
	if err := snapshot.Encode(&b, s); err != nil {
		return err
	}
	name, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	return hostfs.FS{}.WriteFile(name, b.Bytes(), secretMode)
}

// flowFile is a jsonl file of flows that appears whole or not at all.
type flowFile struct {
	tmp  *os.File
	name string
	buf  []byte
}

func newFlowFile(out string) (*flowFile, error) {
	name := strings.TrimSuffix(out, ".json") + ".flows.jsonl"
	tmp, err := os.CreateTemp(filepath.Dir(name), ".flows-*")
	if err != nil {
		return nil, fmt.Errorf("write flows: %w", err)
	}
	return &flowFile{tmp: tmp, name: name}, nil
}

// write appends one flow and the namespace that it was in; the buffer goes to the file a page at a time.
func (f *flowFile) write(namespace string, fl *flow.Flow, r snapshot.Redactor, redact bool) error {
	if redact {
		clean := fl.Clone()
		for _, t := range []*flow.Tuple{&clean.Orig, &clean.Reply, &clean.Master} {
			t.Src, t.Dst = r.Addr(t.Src), r.Addr(t.Dst)
		}
		fl = &clean
	}
	name, err := json.Marshal(namespace)
	if err != nil {
		return err
	}
	f.buf = fl.AppendJSON(f.buf)
	f.buf = append(append(f.buf[:len(f.buf)-1], `,"namespace":`...), name...)
	f.buf = append(f.buf, "}\n"...)
	if len(f.buf) < 64<<10 {
		return nil
	}
	return f.flush()
}

func (f *flowFile) flush() error {
	n, err := f.tmp.Write(f.buf)
	if err == nil && n < len(f.buf) {
		err = io.ErrShortWrite
	}
	f.buf = f.buf[:0]
	return err
}

func (f *flowFile) commit() error {
	if err := errors.Join(f.flush(), f.tmp.Chmod(secretMode), f.tmp.Sync()); err != nil {
		return err
	}
	return os.Rename(f.tmp.Name(), f.name)
}

// abandon closes the file and removes it unless it was committed.
func (f *flowFile) abandon() error {
	err := f.tmp.Close()
	if rmErr := os.Remove(f.tmp.Name()); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	return err
}
