package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/host/capture"
)

func isRecord(name string) bool { return strings.HasSuffix(name, ".parquet") }

// recordsOf are the flow records among files, captures all others.
func recordsOf(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(n string) bool { return !isRecord(n) })
}

func captures(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), isRecord)
}

// mixRecords reads the flow records and plays them beside all else; of a file that is torn, what could be read
// is used.
func (p *playback) mixRecords(b workload.Between) error {
	var all []flow.Record
	var faults []error
	for _, name := range recordsOf(p.files) {
		faults = append(faults, eachRecord(name, func(r flow.Record) { all = append(all, r) }))
	}
	if len(all) > 0 {
		p.mixed = append(p.mixed, &mixedIn{g: workload.FromRecords(all, b, p.shortest())})
	}
	return errors.Join(faults...)
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
