package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"ctkeeper/internal/host/capture"
	"ctkeeper/internal/host/hostfs"
	"ctkeeper/internal/surface/report"
)

// replayOutputs are files to write beside what is printed.
type replayOutputs struct{ plot, csv, parquet, report string }

func (o *replayOutputs) flags(f *pflag.FlagSet) {
	f.StringVar(&o.plot, "plot", "", "draw the counts over time to `FILE`: a PNG picture when its name ends so, else SVG")
	f.StringVar(&o.csv, "csv", "", "write the curves to `FILE` as CSV")
	f.StringVar(&o.parquet, "parquet", "", "write the curves to `FILE` as Parquet")
	f.StringVar(&o.report, "report", "", "write the comparison to `FILE` as one HTML page")
}

// write writes the files that were asked for.
func (p *playback) write() error {
	o := p.options.outputs
	var errs []error
	if o.plot != "" {
		c := report.Chart(p.document())
		errs = append(errs, writeFile(o.plot, func(w io.Writer) error {
			if strings.EqualFold(filepath.Ext(o.plot), ".png") {
				return c.PNG(w)
			}
			_, err := io.WriteString(w, c.SVG())
			return err
		}))
	}
	if o.csv != "" {
		errs = append(errs, writeFile(o.csv, p.curvesCSV))
	}
	if o.parquet != "" {
		errs = append(errs, writeFile(o.parquet, func(w io.Writer) error { return capture.WriteCurves(w, p.curvePoints) }))
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

// curvePoints are the steps of every run.
func (p *playback) curvePoints(yield func(capture.CurvePoint) bool) {
	for i := range p.results {
		r := &p.results[i]
		established, _ := r.Settings.Get("tcp_timeout_established")
		for n, b := range r.Curve {
			if !yield(capture.CurvePoint{Run: i, Name: p.title(i), At: r.From.Add(time.Duration(n) * r.BinWidth), Count: b.Count, Held: b.Held, Refused: b.Refused,
				EarlyDrops: b.EarlyDrops, Max: r.Settings.Max, Buckets: r.Settings.Buckets, Established: established}) {
				return
			}
		}
	}
}

// curvesCSV is a line for each run and step.
func (p *playback) curvesCSV(w io.Writer) error {
	_, err := fmt.Fprintln(w, "run,time,count,held,refused,early_drops")
	for c := range p.curvePoints {
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%d,%s,%d,%d,%d,%d\n", c.Run, c.At.Format("2006-01-02T15:04:05.000Z"), c.Count, c.Held, c.Refused, c.EarlyDrops)
	}
	return err
}

// document is the outcome as the report shows it.
func (p *playback) document() *report.Document {
	h := p.head()
	d := &report.Document{Lang: p.app.language(), Source: p.sourceNames(), Base: p.say("replay_source_" + h.Source), Notes: p.boundLines(),
		Version: versionText(), Packets: h.Packets, Span: h.Last.Sub(h.First)}
	for i := range p.results {
		v := &p.variants[i]
		r := report.Run{Title: p.title(i), Kernel: v.profile.Name, Result: p.results[i], Memory: v.memory(int64(p.results[i].Peak))}
		if p.silent != nil {
			r.Low = &p.silent[i]
		}
		d.Runs = append(d.Runs, r)
	}
	return d
}

// mostNames bounds the sources that are named.
const mostNames = 5

// sourceNames are the files that were played, the first of them when there are many.
func (p *playback) sourceNames() string {
	var names []string
	if p.options.live {
		names = append(names, p.say("report_live"))
	}
	for _, f := range slices.Concat(p.files, p.options.workloads) {
		names = append(names, filepath.Base(f))
	}
	if n := len(names); n > mostNames {
		return strings.Join(names[:mostNames], ", ") + ", … (" + p.count(n) + ")"
	}
	return strings.Join(names, ", ")
}
