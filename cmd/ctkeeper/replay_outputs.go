package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/surface/report"
)

// replayOutputs are files to write beside what is printed.
type replayOutputs struct{ plot, csv, report string }

func (o *replayOutputs) flags(f *pflag.FlagSet) {
	f.StringVar(&o.plot, "plot", "", "draw the counts over time to `FILE` as SVG")
	f.StringVar(&o.csv, "csv", "", "write the curves to `FILE` as CSV")
	f.StringVar(&o.report, "report", "", "write the comparison to `FILE` as one HTML page")
}

// write writes the files that were asked for.
func (p *playback) write() error {
	o := p.options.outputs
	var errs []error
	if o.plot != "" {
		c := report.Chart(p.document())
		errs = append(errs, writeFile(o.plot, func(w io.Writer) error { _, err := io.WriteString(w, c.SVG()); return err }))
	}
	if o.csv != "" {
		errs = append(errs, writeFile(o.csv, p.curvesCSV))
	}
	if o.report != "" {
		errs = append(errs, writeFile(o.report, p.document().Write))
	}
	return errors.Join(errs...)
}

// writeFile writes a whole file or none.
func writeFile(path string, write func(io.Writer) error) error {
	full, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return hostfs.FS{}.WriteFile(full, b.Bytes(), 0o644)
}

// curvesCSV is a line for each run and step.
func (p *playback) curvesCSV(w io.Writer) error {
	if _, err := fmt.Fprintln(w, "run,time,count,held,refused,early_drops"); err != nil {
		return err
	}
	for i := range p.results {
		r := &p.results[i]
		for n, b := range r.Curve {
			at := r.From.Add(time.Duration(n) * r.BinWidth).Format("2006-01-02T15:04:05.000Z")
			if _, err := fmt.Fprintf(w, "%d,%s,%d,%d,%d,%d\n", i, at, b.Count, b.Held, b.Refused, b.EarlyDrops); err != nil {
				return err
			}
		}
	}
	return nil
}

// document is the outcome as the report shows it.
func (p *playback) document() *report.Document {
	h := p.head()
	names := make([]string, len(p.files))
	for i, f := range p.files {
		names[i] = filepath.Base(f)
	}
	d := &report.Document{Lang: p.app.language(), Source: strings.Join(names, ", "), Base: p.say("replay_source_" + h.Source), Version: versionText(),
		Packets: h.Packets, Span: h.Last.Sub(h.First)}
	for i := range p.results {
		v := &p.variants[i]
		d.Runs = append(d.Runs, report.Run{Title: p.title(i), Kernel: v.profile.Name, Result: p.results[i], Memory: v.memory(int64(p.results[i].Peak))})
	}
	return d
}
