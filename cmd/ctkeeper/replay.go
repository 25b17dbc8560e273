package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/host/capture"
)

const replayLong = `Run captured traffic through a model of the kernel's connection tracking: first under the settings
of this host (of --from, or the defaults of --kernel), then under the variant that --set makes.
For each run: the peak count, packets refused by a full table, early drops, the kernel's
counters, and the flows left at the last packet's time.

Captures are pcap or pcapng, plain or compressed (.gz, .zst); - reads standard input. One that
is cut or corrupt is used as far as it can be read; the exit code is then 1.`

// replayOptions are the command's flags.
type replayOptions struct {
	set    []string
	kernel string
	repair bool
	trace  bool
}

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay FILE...",
		Short: "Run captured traffic through the model, under these and other settings",
		Long:  replayLong,
		Example: `  ctkeeper replay traffic.pcap --set tcp_timeout_established=3600
  ctkeeper replay - --kernel 6.12 --set max=65536 --format json < traffic.pcapng
  ctkeeper replay traffic.pcap --trace --format jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("replay needs a capture file, or - for standard input")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error { return a.replay(cmd, files, o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.set, "set", nil, "`NAME=VALUE` of the variant; repeated, all make one variant")
	f.StringVar(&o.kernel, "kernel", "", "kernel to model, with its default settings: 5.10, 6.1, 6.12, 6.18 or any release (default: this host's)")
	f.BoolVar(&o.repair, "repair", false, "zero-fill packets that were cut, and mend checksums, as captures on a sending host need")
	f.BoolVar(&o.trace, "trace", false, "print what becomes of each packet, for the variant (without --set for the only run)")
	return cmd
}

// playback is a replay under way: one decoding, every run stepped with it.
type playback struct {
	app     *app
	options replayOptions
	base    replayBase
	runs    []*replayRun
	trace   *tracer
	decoder *packet.Decoder
	buf     []byte

	packets     int64
	first, now  int64
	wallNS      int64
	unknownLink map[packet.Link]int64
}

// replayRun is one set of settings.
type replayRun struct {
	m       *model.Model
	changed map[string]int64
	log     []string
	lines   int64
}

func (a *app) replay(cmd *cobra.Command, files []string, o replayOptions) error {
	base, err := a.replayBase(cmd.Context(), o.kernel)
	if err != nil {
		return err
	}
	p := &playback{app: a, options: o, base: base, unknownLink: map[packet.Link]int64{},
		decoder: packet.NewDecoder(packet.Options{Checksums: true, DCCP: base.profile.DCCP})}
	p.addRun(base.settings, nil)
	if len(o.set) > 0 {
		variant, changed, err := base.variant(o.set)
		if err != nil {
			return err
		}
		p.addRun(variant, changed)
	}
	if o.trace {
		p.trace = newTracer(a)
	}
	fault := p.readAll(cmd, files)
	if fault != nil && p.packets == 0 {
		return fault
	}
	if o.trace {
		err = p.trace.flush()
	} else {
		err = p.print()
	}
	return errors.Join(err, fault)
}

func (p *playback) addRun(s model.Settings, changed map[string]int64) {
	r := &replayRun{changed: changed}
	r.m = model.New(model.Config{Profile: p.base.profile, Settings: &s, Logged: func(_ int64, line string) {
		if r.lines++; len(r.log) < maxLogLines {
			r.log = append(r.log, line)
		}
	}})
	p.runs = append(p.runs, r)
}

// maxLogLines bounds the log lines shown for a run; their number is always exact.
const maxLogLines = 20

// variant applies --set to the base.
func (b *replayBase) variant(sets []string) (model.Settings, map[string]int64, error) {
	s, changed := b.settings, map[string]int64{}
	for _, text := range sets {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return s, nil, usageError{fmt.Errorf("--set %s: not NAME=VALUE", text)}
		}
		reg, ok := settings.Lookup(strings.TrimSpace(name))
		if !ok {
			return s, nil, usageError{fmt.Errorf("--set: %w", unknownSetting(name))}
		}
		v, err := reg.Accept(b.kernel, value)
		if err != nil {
			return s, nil, usageError{fmt.Errorf("--set %s: %w", text, err)}
		}
		if err := s.Set(reg.Name, v); err != nil {
			return s, nil, usageError{fmt.Errorf("--set %s: %w", text, err)}
		}
		changed[reg.Name] = v
	}
	return s, changed, nil
}

// readAll plays the files one after the other; the first fault ends its file, not the others.
func (p *playback) readAll(cmd *cobra.Command, files []string) error {
	var faults []error
	bar := newReplayProgress(p.app, files)
	defer bar.done()
	begin := bar.begin
	for _, name := range files {
		r, err := capture.Open(name, p.app.in)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		err = p.readOne(cmd, r, bar)
		if err := errors.Join(err, r.Close()); err != nil {
			faults = append(faults, err)
		}
		bar.next(r.InputRead())
	}
	p.wallNS = int64(bar.since(begin))
	return errors.Join(faults...)
}

func (p *playback) readOne(cmd *cobra.Command, r *capture.Reader, bar *replayProgress) error {
	for {
		frame, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.packet(&frame); err != nil {
			return err
		}
		if p.packets&0x3fff == 0 {
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			bar.show(p.packets, r.InputRead())
		}
	}
}

// packet plays one frame through every run.
func (p *playback) packet(frame *capture.Frame) error {
	at := frame.Time.UnixNano()
	if p.packets++; p.packets == 1 {
		p.first, p.now = at, at
	}
	p.now = max(p.now, at)
	if !frame.Link.Known() {
		p.unknownLink[frame.Link]++
	}
	ip, tags := packet.Network(frame.Link, frame.Data)
	if p.options.repair && len(ip) > 0 {
		p.buf = packet.Repair(p.buf[:0], ip)
		ip = p.buf
	}
	var pk packet.Packet
	p.decoder.IP(p.now, ip, &pk)
	pk.Link = tags
	var v model.Verdict
	for _, r := range p.runs {
		v = r.m.Step(p.now, &pk)
	}
	if p.trace != nil {
		return p.trace.packet(p.packets, at-p.first, frame, &pk, v)
	}
	return nil
}

// flows calls f with the flows left in a run.
func (p *playback) flows(r *replayRun, f func(*flow.Flow) error) (err error) {
	r.m.Flows(p.now, func(fl *flow.Flow) bool {
		err = f(fl)
		return err == nil
	})
	return err
}
