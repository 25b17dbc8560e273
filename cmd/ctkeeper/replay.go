package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/advice/replay"
	"ctkeeper/internal/advice/workload"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/packet"
	"ctkeeper/internal/host/capture"
)

const replayLong = `Run captured traffic through a model of the kernel's connection tracking: first under the settings
of this host (of --from, or the defaults of --kernel), then under every variant, side by side in
one pass. For each: the peak count and pressure, packets refused by a full table, early drops,
flows broken because the table had forgotten them, memory, and the kernel's counters.

Variants: --set makes one, --variant 'NAME=VALUE,...' adds one each, --sweep NAME=LO..HI/N,...
adds one for each combination of N values spaced geometrically, --settings FILE a list in YAML,
--upgrade RELEASE the same settings under another kernel. A variant may also say kernel=RELEASE.

--workload FILE describes traffic to play beside the captures, from their first packet on, or alone:
see docs/replay.md.

Flow records (.parquet, from ctkeeper record) hold no packet times: they are played twice, as if every flow
had been busy between what the record tells, and as if it had been silent; the truth lies between.

A snapshot (FILE.json with FILE.flows.jsonl beside it, from ctkeeper snapshot --flows) or the host's own table (--live) is
carried forward: its flows are there from the start, and traffic goes on at the rates that its timers, or two readings,
tell. Twice too: at the low end of each rate with its flows silent, and at the high end with its flows going on.

Captures are pcap or pcapng, plain or compressed (.gz, .zst); - reads standard input. One that
is cut or corrupt is used as far as it can be read; the exit code is then 1.`

// replayOptions are the command's flags.
type replayOptions struct {
	variants variantFlags
	kernel   string
	repair   bool
	trace    bool
	flows    string
	outputs  replayOutputs
	// workloads are files that describe traffic.
	workloads []string
	// helpers are attached to new flows by their ports.
	helpers []string
	// live carries the table of the namespace forward, read twice with window between; a table is carried forward
	// for a time.
	live            bool
	window, forward time.Duration
	// readEvery is how often somebody reads the table; 0: nobody does.
	readEvery time.Duration
	// together lets flow records begin with the captures.
	together bool
}

func newReplay(a *app) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay [FILE...]",
		Short: "Run captured traffic through the model, under these and other settings",
		Long:  replayLong,
		Example: `  ctkeeper replay traffic.pcap --set tcp_timeout_established=3600
  ctkeeper replay traffic.pcap --sweep tcp_timeout_established=3600..432000/6,max=65536..1048576/5
  ctkeeper replay traffic.pcap --upgrade 6.12 --report report.html
  ctkeeper replay - --kernel 6.12 --set max=65536 --format json < traffic.pcapng
  ctkeeper replay traffic.pcap --trace --format jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args)+len(o.workloads) == 0 && !o.live:
				return usageError{errors.New("replay needs a source: a capture, a flow record, a snapshot, - for standard input, --workload or --live")}
			case o.window < 0 || o.forward <= 0 || o.readEvery < 0:
				return usageError{errors.New("--window, --forward and --read-every are times above 0")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error { return a.replay(cmd, files, o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.variants.set, "set", nil, "`NAME=VALUE` of one variant; repeated, all make that variant")
	f.StringArrayVar(&o.variants.variant, "variant", nil, "another variant, `NAME=VALUE,...`; repeated")
	f.StringArrayVar(&o.variants.sweep, "sweep", nil, "variants for all values of `NAME=LO..HI/N,...`, N each")
	f.StringVar(&o.variants.file, "settings", "", "YAML `FILE` with a list of variants")
	f.StringVar(&o.variants.upgrade, "upgrade", "", "a variant with the same settings under the kernel `RELEASE`")
	f.StringArrayVar(&o.workloads, "workload", nil, "YAML `FILE` that describes traffic, beside the captures or alone; repeated")
	f.BoolVar(&o.live, "live", false, "carry this host's table forward, beside the other sources or alone")
	f.DurationVar(&o.window, "window", 10*time.Second, "time between the two readings of --live that measure its traffic")
	f.DurationVar(&o.forward, "forward", 10*time.Minute, "for how long a table is carried forward")
	f.DurationVar(&o.readEvery, "read-every", 0, "somebody reads the table this often (a monitor, an exporter): the kernel then collects what expired")
	f.BoolVar(&o.together, "together", false, "let flow records begin when the captures do, whatever their dates")
	f.StringSliceVar(&o.helpers, "helper", nil, "attach `NAME[=PORT]` to new flows to its port, as a rule would: ftp, pptp; repeated")
	f.StringVar(&o.kernel, "kernel", "", "kernel to model, with its default settings: 5.10, 6.1, 6.12, 6.18 or any release (default: this host's)")
	f.BoolVar(&o.repair, "repair", false, "zero-fill packets that were cut, and mend checksums, as captures on a sending host need")
	f.BoolVar(&o.trace, "trace", false, "print what becomes of each packet, for the last variant (without any, for the only run)")
	f.StringVar(&o.flows, "flows", "auto", "the flows left at the end, in json and jsonl: `yes`, no, or auto: for at most two runs")
	o.outputs.flags(f)
	return cmd
}

// playback is a replay under way: one decoding for all runs.
type playback struct {
	app      *app
	options  replayOptions
	files    []string
	base     replayBase
	helpers  []model.Helper
	variants []variant
	player   *replay.Player
	observe  func(at int64, p *packet.Packet) // instead of the player
	results  []replay.Result
	trace    *tracer
	decoder  *packet.Decoder
	pk       packet.Packet // decoded last
	buf      []byte
	mixed    []*mixedIn
	mixing   bool
	table    *tableIn
	nat      map[uint64]struct{} // recorded flows that NAT changes, by replay.HashOf
	sample   float64             // the smallest share of the flows that a record stands for; 0: no record
	silent   []replay.Result     // the other bound of flow records and tables; nil without them

	frame       *capture.Frame // the one being played
	packets     int64
	first, now  int64
	nextRead    int64
	until       int64 // that time passes to when no packet comes
	wallNS      int64
	unknownLink map[packet.Link]int64
	traceErr    error
}

func (a *app) replay(cmd *cobra.Command, files []string, o replayOptions) error {
	if o.flows != "auto" && o.flows != "yes" && o.flows != "no" {
		return usageError{fmt.Errorf("--flows %s: not yes, no or auto", o.flows)}
	}
	files, err := a.sources(files)
	if err != nil {
		return err
	}
	base, err := a.replayBase(cmd.Context(), o.kernel, files)
	if err != nil {
		return err
	}
	table, err := a.table(cmd.Context(), files, o, &base)
	if err != nil {
		return err
	}
	bounds := len(recordsOf(files)) > 0 || table != nil
	if bounds && slices.Contains(files, "-") {
		return usageError{errors.New("flow records and tables are played twice: give the capture beside them as a file, not as standard input")}
	}
	p, err := a.newPlayback(files, o, base, table)
	if err != nil {
		return err
	}
	if bounds { // a first pass for the lower
		q, err := a.newPlayback(files, o, base, table)
		if err != nil {
			return err
		}
		q.options.trace = false
		if _, err := q.pass(cmd, workload.Silent); err != nil {
			return err
		}
		p.silent = q.results
	}
	begin := time.Now()
	fault, err := p.pass(cmd, workload.Busy)
	if err != nil {
		return err
	}
	p.wallNS = int64(time.Since(begin))
	if o.trace {
		return errors.Join(p.traceErr, p.trace.flush(), fault)
	}
	return errors.Join(p.print(), p.write(), fault)
}

// newPlayback prepares one pass over the input.
func (a *app) newPlayback(files []string, o replayOptions, base replayBase, table *tableIn) (p *playback, err error) {
	p = &playback{app: a, options: o, files: files, base: base, table: table, unknownLink: map[packet.Link]int64{},
		decoder: packet.NewDecoder(packet.Options{Checksums: true, DCCP: base.profile.DCCP})}
	if p.variants, err = base.variants(o.variants); err != nil {
		return nil, err
	}
	for _, name := range o.helpers {
		h, err := model.ParseHelper(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("--helper: %w", err)}
		}
		p.helpers = append(p.helpers, h)
	}
	return p, p.mix(o.workloads)
}

// pass plays everything once. fault is what could not be read of the input, err what ends the replay.
func (p *playback) pass(cmd *cobra.Command, b workload.Between) (fault, err error) {
	fault = p.mixRecords(b)
	p.mixTable(b)
	p.start()
	fault = errors.Join(fault, p.readAll(cmd, p.files), p.playMixed(cmd.Context(), math.MaxInt64))
	if fault != nil && p.packets == 0 {
		return nil, fault
	}
	if p.until > p.now && cmd.Context().Err() == nil {
		p.now = p.until
		p.player.Pass(p.now)
	}
	p.results = p.player.Finish()
	return fault, nil
}

// start makes the runs: the base, then the variants.
func (p *playback) start() {
	opts := replay.Options{Helpers: p.helpers}
	if len(p.nat) > 0 {
		opts.Translated = func(hash uint64) bool { _, ok := p.nat[hash]; return ok }
	}
	for _, v := range p.variants {
		opts.Variants = append(opts.Variants, replay.Variant{Profile: v.profile, Settings: v.settings, Policies: v.policies})
	}
	if p.options.trace {
		p.trace = newTracer(p.app)
		opts.Verdict = func(pk *packet.Packet, v model.Verdict) {
			p.traceErr = errors.Join(p.traceErr, p.trace.packet(p.packets, p.frame.Time.UnixNano()-p.first, p.frame, pk, v))
		}
	}
	p.player = replay.New(opts)
}

// packet plays one frame through every run.
func (p *playback) packet(frame *capture.Frame, at int64) error {
	if p.packets++; p.packets == 1 && p.table == nil {
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
	pk := &p.pk
	p.decoder.IP(p.now, ip, pk)
	pk.Link, p.frame = tags, frame
	if p.observe != nil {
		p.observe(p.now, pk)
		return nil
	}
	for p.options.readEvery > 0 && p.now >= p.nextRead {
		if p.nextRead > 0 {
			p.player.Read(p.nextRead, 0, 1)
		}
		p.nextRead = max(p.nextRead, p.now) + int64(p.options.readEvery)
	}
	p.player.Packet(p.now, pk)
	return p.traceErr
}

// flows calls f with the flows left in a run.
func (p *playback) flows(run int, f func(*flow.Flow) error) (err error) {
	p.player.Model(run).Flows(p.now, func(fl *flow.Flow) bool {
		err = f(fl)
		return err == nil
	})
	return err
}
