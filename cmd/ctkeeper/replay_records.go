package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/host/capture"
)

const (
	recordSuffix = ".parquet"
	tornSuffix   = recordSuffix + ".part"
)

func isRecord(name string) bool { return strings.HasSuffix(name, recordSuffix) }

// sources puts the files of a recording in the place of its directory, and says which are left out: one is not
// whole while it is written, or when its recording died.
func (a *app) sources(names []string) (files []string, err error) {
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.IsDir() {
			files = append(files, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			return nil, err
		}
		before := len(files)
		for _, e := range entries {
			switch full := filepath.Join(name, e.Name()); {
			case isRecord(full):
				files = append(files, full)
			case strings.HasSuffix(full, tornSuffix):
				a.warn("replay_part", "file", full)
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no flow record in it", name)
		}
	}
	return files, nil
}

// recordsOf are the flow records among files, captures all others.
func recordsOf(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(n string) bool { return !isRecord(n) })
}

func captures(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(n string) bool { return isRecord(n) || isTable(n) })
}

// mixRecords reads the flow records and plays them beside all else; of a file that is torn, what could be read
// is used.
func (p *playback) mixRecords(b workload.Between) error {
	var all []flow.Record
	var faults []error
	for _, name := range recordsOf(p.files) {
		faults = append(faults, eachRecord(name, func(r flow.Record) { all = append(all, r) }))
	}
	if len(all) > 0 && p.options.together {
		faults = append(faults, p.align(all))
	}
	if len(all) > 0 {
		p.noteRecords(all)
		p.mixed = append(p.mixed, &mixedIn{g: workload.FromRecords(all, b, p.shortest())})
	}
	return errors.Join(faults...)
}

// noteRecords notes which flows NAT changes, and how small a sample was recorded.
func (p *playback) noteRecords(all []flow.Record) {
	p.nat, p.sample = map[uint64]struct{}{}, 1
	for i := range all {
		if all[i].NAT() {
			p.nat[replay.HashOf(&all[i].Orig)] = struct{}{}
		}
		if s := all[i].Sample; s > 0 {
			p.sample = min(p.sample, s)
		}
	}
}

// align moves the records so that the first begins with the first packet of the captures.
func (p *playback) align(all []flow.Record) error {
	var first time.Time
	for _, name := range captures(p.files) {
		r, err := capture.Open(name, nil)
		if err != nil {
			return nil //nolint:nilerr // readAll will name it
		}
		if frame, err := r.Next(); err == nil && (first.IsZero() || frame.Time.Before(first)) {
			first = frame.Time
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	if first.IsZero() {
		return nil
	}
	start := slices.MinFunc(all, func(a, b flow.Record) int { return a.Start.Compare(b.Start) }).Start
	for i := range all {
		r := &all[i]
		r.Start = first.Add(r.Start.Sub(start))
		if !r.End.IsZero() {
			r.End = first.Add(r.End.Sub(start))
		}
	}
	return nil
}

func eachRecord(name string, fn func(flow.Record)) (err error) {
	r, err := capture.OpenRecord(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(rec)
	}
}

// shortest is a time in which no timer of a live flow runs out under any variant.
func (p *playback) shortest() time.Duration {
	least := int64(time.Hour)
	var all []*model.Settings
	for i := range p.variants {
		v := &p.variants[i]
		all = append(all, &v.settings)
		for j := range v.policies {
			if !v.policies[j].Notrack {
				all = append(all, &v.policies[j].Settings)
			}
		}
	}
	for _, s := range all {
		for _, name := range []string{"tcp_timeout_established", "tcp_timeout_max_retrans", "tcp_timeout_unacknowledged", "udp_timeout", "udp_timeout_stream",
			"icmp_timeout", "icmpv6_timeout"} {
			if v, ok := s.Get(name); ok && v > 0 {
				least = min(least, v*int64(time.Second))
			}
		}
	}
	return time.Duration(max(least/3, int64(300*time.Millisecond)))
}
