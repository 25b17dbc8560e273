package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/record"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/netns"
	"ctkeeper/internal/surface/wording"
)

const recordLong = `Record what becomes of every flow: one row a flow with its tuples, states and their times, counters and
how it ended, in Parquet files that DuckDB, ClickHouse, Spark and pandas read as they are. Ends with
Ctrl-C or after --for; what was lost is counted and stands in the files.

Following events makes the kernel keep event data for new flows while it lasts. On a host where that
costs too much, --every compares readings of the table instead, --sample records a share of the flows.`

// recordFlags are the command's flags.
type recordFlags struct {
	dir, fileSize, keep, buffer, key, budget string
	fileAge, every, length                   time.Duration
	sample                                   float64
	redact                                   bool
}

func newRecord(a *app) *cobra.Command {
	var o recordFlags
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Record flows to Parquet files",
		Long:  recordLong,
		Example: `  ctkeeper record --out /var/lib/ctkeeper/record --keep 10GB
  ctkeeper record --for 10m --sample 0.1 --redact
  duckdb -c "select ended, count(*) from 'record/*.parquet' group by ended"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.record(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "out", "record", "`DIR` of the files")
	f.DurationVar(&o.length, "for", 0, "how long (default: until Ctrl-C)")
	f.StringVar(&o.keep, "keep", "", "`SIZE` of all files together; the oldest go first (default: all are kept)")
	f.StringVar(&o.fileSize, "file-size", "256MiB", "`SIZE` that ends a file")
	f.DurationVar(&o.fileAge, "file-age", time.Hour, "age that ends a file")
	f.Float64Var(&o.sample, "sample", 1, "`SHARE` of the flows, chosen by their tuples")
	f.StringVar(&o.budget, "budget", "", "`SIZE` an hour: the share shrinks when more would come (default: no bound)")
	f.DurationVar(&o.every, "every", 0, "compare readings of the table this far apart, instead of following events")
	f.StringVar(&o.buffer, "buffer", "8MiB", "`SIZE` of events that the kernel may hold")
	f.BoolVar(&o.redact, "redact", false, "replace addresses by a keyed hash that keeps prefixes comparable")
	f.StringVar(&o.key, "redact-key", "", "`FILE` with the key (default: a new one, forgotten at the end)")
	return cmd
}

// options checks the flags.
func (o *recordFlags) options() (record.Options, error) {
	out := record.Options{Dir: o.dir, FileAge: o.fileAge, Every: o.every, Sample: o.sample, Notes: map[string]string{"version": versionText()}}
	for _, size := range []struct {
		flag, text string
		into       *int64
	}{{"--file-size", o.fileSize, &out.FileBytes}, {"--keep", o.keep, &out.Keep}, {"--budget", o.budget, &out.Budget}} {
		if size.text == "" {
			continue
		}
		n, err := parseBytes(size.text)
		if err != nil {
			return out, usageError{fmt.Errorf("%s %w", size.flag, err)}
		}
		*size.into = n
	}
	buffer, err := parseBytes(o.buffer)
	if err != nil || buffer > 1<<30 {
		return out, usageError{fmt.Errorf("--buffer %q: no size up to 1GiB", o.buffer)}
	}
	out.Buffer = int(buffer)
	if !(o.sample > 0 && o.sample <= 1) {
		return out, usageError{fmt.Errorf("--sample %v: not over 0 and up to 1", o.sample)}
	}
	if o.every < 0 || o.fileAge <= 0 || o.length < 0 {
		return out, usageError{errors.New("a time below 0")}
	}
	if o.redact || o.key != "" {
		key, err := recordKey(o.key)
		if err != nil {
			return out, err
		}
		redact := redactCached(key)
		out.Map = func(r *flow.Record) { r.Map(redact) }
		out.Notes["redacted"] = "yes"
	}
	if host, err := os.Hostname(); err == nil && !o.redact {
		out.Notes["host"] = host
	}
	return out, nil
}

// redactCached replaces addresses; the latest are remembered, as a stand-in takes several hashes.
func redactCached(key []byte) func(netip.Addr) netip.Addr {
	r, known := snapshot.NewRedactor(key), map[netip.Addr]netip.Addr{}
	return func(a netip.Addr) netip.Addr {
		b, ok := known[a]
		if !ok {
			if len(known) >= 1<<16 {
				clear(known)
			}
			b = r.Addr(a)
			known[a] = b
		}
		return b
	}
}

// recordKey reads the key, or makes one that nobody knows afterwards.
func recordKey(path string) ([]byte, error) {
	if path == "" {
		return redactKeyNew()
	}
	key, err := os.ReadFile(path)
	if err == nil && len(key) < 16 {
		err = fmt.Errorf("%s: a key has at least 16 bytes", path)
	}
	return key, err
}

func (a *app) record(ctx context.Context, o recordFlags) error {
	if a.from != "" {
		return usageError{errors.New("record reads the running kernel: --from makes no sense")}
	}
	ro, err := o.options()
	if err != nil {
		return err
	}
	if o.length > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.length)
		defer stop()
	}
	ro.Progress = a.recordProgress()
	ro.Torn = func(name string) { a.warn("record_torn", "file", name) }
	if a.netns != "" {
		ns, err := a.oneNamespace(ctx)
		if err != nil {
			return err
		}
		ro.Notes["namespace"] = ns.Name
	}
	var counts record.Counts
	run := func() (err error) {
		counts, err = record.Run(ctx, ro)
		return err
	}
	err = a.within(ctx, run)
	if errors.Is(err, record.ErrBusy) {
		return hintError{err, []string{"--out DIR"}}
	}
	if counts.Events+counts.Reads == 0 && err != nil {
		return err
	}
	return errors.Join(a.recordPrint(counts, o.dir), err)
}

// within runs fn in the namespace that --netns names.
func (a *app) within(ctx context.Context, fn func() error) error {
	if a.netns == "" {
		return fn()
	}
	ns, err := a.oneNamespace(ctx)
	if err != nil {
		return err
	}
	if ns.Present {
		return fn()
	}
	return netns.Do(ns.Path, fn)
}

// recordProgress tells on a terminal how it goes.
func (a *app) recordProgress() func(record.Counts) {
	f, ok := a.err.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(c record.Counts) {
		fmt.Fprintf(f, "\r%s\x1b[K", wording.Say(a.language(), message.New("record_progress", "events", c.Events, "lost", c.Lost, "open", c.Open, "flows", c.Flows)))
	}
}

// recordDocument is the JSON form, schema ctkeeper.record/1.
type recordDocument struct {
	Schema string `json:"schema"`
	Dir    string `json:"dir"`
	record.Counts
}

func (a *app) recordPrint(c record.Counts, dir string) error {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	if a.format == "json" {
		return a.writeJSON(recordDocument{"ctkeeper.record/1", dir, c})
	}
	say := func(code string, pairs ...any) {
		fmt.Fprintln(a.out, wording.Say(a.language(), message.New(code, pairs...)))
	}
	per := 0.0
	if c.Flows > 0 {
		per = float64(c.Bytes) / float64(c.Flows)
	}
	say("record_done", "flows", c.Flows, "files", c.Files, "dir", dir, "bytes", c.Bytes, "per", per)
	if c.Lost > 0 {
		say("record_lost", "lost", c.Lost, "reads", c.Reads)
	}
	if c.Sample < 1 {
		say("record_sample", "share", c.Sample)
	}
	if c.Refused > 0 {
		say("record_refused", "packets", c.Refused)
	}
	if c.Beyond > 0 {
		say("record_beyond", "flows", c.Beyond)
	}
	if c.Unsaved > 0 {
		say("record_unsaved", "flows", c.Unsaved)
	}
	return nil
}
