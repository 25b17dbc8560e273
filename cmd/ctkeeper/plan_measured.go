package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/advice/plan"
	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/capture"
)

// measureFlags are those of a plan from recordings.
type measureFlags struct {
	headroom  string
	repair    bool
	workloads []string
}

func (f *measureFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.headroom, "headroom", "30%", "growth of the recorded traffic to leave room for, a `SHARE` like 30% or 1.5")
	cmd.Flags().BoolVar(&f.repair, "repair", false, "mend checksums and cut packets of captures taken on a sending host")
	cmd.Flags().StringArrayVar(&f.workloads, "workload", nil, "YAML `FILE` that describes traffic, beside the recordings or alone; repeated")
}

// words are the recordings and flags as they were given; none without recordings.
func (f *measureFlags) words(files []string) []string {
	words := slices.Clone(files)
	for _, w := range f.workloads {
		words = append(words, "--workload", w)
	}
	if len(words) == 0 {
		return nil
	}
	if f.repair {
		words = append(words, "--repair")
	}
	return append(words, "--headroom", f.headroom)
}

// share is the headroom.
func (f *measureFlags) share() (float64, error) {
	v, err := parseShare(f.headroom)
	if err != nil {
		return 0, usageError{fmt.Errorf("--headroom: %w", err)}
	}
	return v, nil
}

// parseShare reads 30% or 0.3.
func parseShare(text string) (float64, error) {
	t, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(t), 64)
	if percent {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v > 100 {
		return 0, fmt.Errorf("%q is no share like 30%% or 0.3", text)
	}
	return v, nil
}

// measuring is a plan from recordings in the making.
type measuring struct {
	app   *app
	cmd   *cobra.Command
	flags *measureFlags
	files []string
	base  replayBase
	share float64 // the smallest share of the flows that a record holds
	fault error   // of the input, as the first pass met it
}

// measure plans from recordings: what they show of the demand, then a replay of every alternative.
func (a *app) measure(cmd *cobra.Command, s snapshot.Snapshot, files []string, f *measureFlags, o plan.Options) (plan.Measured, error, error) {
	share, err := f.share()
	if err != nil {
		return plan.Measured{}, nil, err
	}
	if slices.Contains(files, "-") {
		return plan.Measured{}, nil, usageError{errors.New("a plan reads its recordings several times: give files, not standard input")}
	}
	if len(o.Wishes) > 0 {
		return plan.Measured{}, nil, usageError{errors.New("--set and recordings do not go together: ctkeeper replay tries values of your own")}
	}
	if i := slices.IndexFunc(files, isTable); i >= 0 {
		return plan.Measured{}, nil, usageError{fmt.Errorf("%s is a reading of a table, no recording: ctkeeper replay carries it forward", files[i])}
	}
	if files, err = a.sources(files); err != nil {
		return plan.Measured{}, nil, err
	}
	base, err := a.baseOf(s)
	if err != nil {
		return plan.Measured{}, nil, err
	}
	basis, err := plan.NewBasis(s, base.profile, base.settings, o, share)
	if err != nil {
		return plan.Measured{}, nil, err
	}
	m := &measuring{app: a, cmd: cmd, flags: f, files: files, base: base, share: 1}
	d, err := m.demand()
	if err != nil {
		return plan.Measured{}, nil, err
	}
	basis.Share = m.share
	out, err := plan.Measure(basis, d, m.play)
	out.Sources = slices.Concat(files, f.workloads)
	out.Lost, out.Unseen = m.notes()
	return out, m.fault, err
}

// notes are what the flow records say of themselves: what the recorder lost, and the packets that a full table refused
// while it was recorded, up to the last file. What cannot be opened is named when it is read.
func (m *measuring) notes() (lost, refused uint64) {
	for _, name := range recordsOf(m.files) {
		r, err := capture.OpenRecord(name)
		if err != nil {
			continue
		}
		number := func(key string) uint64 {
			n, _ := strconv.ParseUint(r.Notes[key], 10, 64) // 0 where older files have none
			return n
		}
		lost = max(lost, number("lost")+number("beyond")+number("unsaved"))
		refused = max(refused, number("refused"))
		_ = r.Close() // it was only read
	}
	return lost, refused
}

func (m *measuring) playback() (*playback, error) {
	p := &playback{app: m.app, options: replayOptions{repair: m.flags.repair}, files: m.files, base: m.base, unknownLink: map[packet.Link]int64{},
		decoder: packet.NewDecoder(packet.Options{Checksums: true, DCCP: m.base.profile.DCCP})}
	return p, p.mix(m.flags.workloads)
}

// demand reads everything once.
func (m *measuring) demand() (demand.Demand, error) {
	p, err := m.playback()
	if err != nil {
		return demand.Demand{}, err
	}
	c := demand.NewCounter()
	var faults []error
	for _, name := range recordsOf(m.files) {
		faults = append(faults, eachRecord(name, func(r flow.Record) {
			c.Record(&r)
			if r.Sample > 0 {
				m.share = min(m.share, r.Sample)
			}
		}))
	}
	w := demand.NewPackets(c, timeoutsOf(&m.base.settings))
	p.observe = w.Packet
	faults = append(faults, p.readAll(m.cmd, m.files), p.playMixed(m.cmd.Context(), math.MaxInt64))
	w.Finish()
	d := c.Demand()
	if m.fault = errors.Join(faults...); d.Flows == 0 {
		return d, cmp.Or(m.fault, errNoFlows)
	}
	return d, m.cmd.Context().Err()
}

var errNoFlows = errors.New("the recordings hold no flow")

// timeoutsOf are how long flows stay after their last packet.
func timeoutsOf(s *model.Settings) demand.Timeouts {
	of := func(name string) time.Duration {
		v, _ := s.Get(name)
		return time.Duration(v) * time.Second
	}
	return demand.Timeouts{HalfOpen: max(of("tcp_timeout_syn_sent"), of("tcp_timeout_syn_recv")), Established: of("tcp_timeout_established"),
		Closed: of("tcp_timeout_time_wait"), UDP: of("udp_timeout"), UDPStream: of("udp_timeout_stream"), Other: of("icmp_timeout")}
}

// play replays everything under variants: once, or with flow records twice, for both bounds.
func (m *measuring) play(variants []replay.Variant) (busy, silent []replay.Result, err error) {
	if busy, err = m.pass(variants, workload.Busy); err != nil || len(recordsOf(m.files)) == 0 {
		return busy, nil, err
	}
	silent, err = m.pass(variants, workload.Silent)
	return busy, silent, err
}

func (m *measuring) pass(variants []replay.Variant, b workload.Between) ([]replay.Result, error) {
	p, err := m.playback()
	if err != nil {
		return nil, err
	}
	for _, v := range variants {
		p.variants = append(p.variants, variant{profile: v.Profile, settings: v.Settings, policies: v.Policies})
	}
	_, err = p.pass(m.cmd, b) // the fault is the one that the first reading met
	if err == nil {
		err = m.cmd.Context().Err()
	}
	return p.results, err
}
