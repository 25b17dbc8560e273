package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/model"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// replayBase is what the first run uses, and where it came from.
type replayBase struct {
	profile  model.Profile
	kernel   settings.Kernel
	settings model.Settings
	// source is host, snapshot or defaults; assumed are the settings that were not known and are defaults.
	source  string
	assumed []string
	// namespace is the one that they are of; "" when they are nobody's.
	namespace string
}

// replayBase takes --kernel's defaults, or the settings of --from, of a snapshot among the sources, or of the host.
func (a *app) replayBase(ctx context.Context, kernel string, files []string) (replayBase, error) {
	if kernel != "" {
		profile, ok := model.ForKernel(kernel)
		if !ok {
			return replayBase{}, usageError{fmt.Errorf("--kernel %s: not a release of 5.10 or newer", kernel)}
		}
		k, _ := settings.ParseKernel(kernel)
		return replayBase{profile: profile, kernel: k, settings: model.Defaults(profile), source: "defaults"}, nil
	}
	if i := slices.IndexFunc(files, func(n string) bool { return strings.HasSuffix(n, snapshotSuffix) }); i >= 0 && a.from == "" {
		a.from = files[i]
		defer func() { a.from = "" }()
	}
	s, err := a.snapshot(ctx, quick())
	if err != nil {
		return replayBase{}, err
	}
	return a.baseOf(s)
}

// baseOf takes the settings of a snapshot's first namespace.
func (a *app) baseOf(s snapshot.Snapshot) (replayBase, error) {
	b := replayBase{source: "host"}
	if a.from != "" {
		b.source = "snapshot"
	}
	profile, ok := model.ForKernel(s.Host.Kernel)
	if !ok {
		return replayBase{}, hintError{fmt.Errorf("kernel %q has no profile in the model", s.Host.Kernel), []string{"--kernel 6.18"}}
	}
	b.profile = profile
	b.kernel, _ = settings.ParseKernel(s.Host.Kernel)
	b.settings = model.Defaults(profile)
	if len(s.Namespaces) == 0 {
		b.source, b.assumed = "defaults", model.Names()
		return b, nil
	}
	ns := &s.Namespaces[0]
	b.namespace = ns.Name
	for _, name := range model.Names() {
		v, ok := ns.Setting(name)
		if !ok || b.settings.Set(name, v) != nil {
			b.assumed = append(b.assumed, name)
		}
	}
	if len(b.assumed) == len(model.Names()) {
		b.source = "defaults"
	}
	return b, nil
}

// replayProgress tells on a terminal how far a replay is.
type replayProgress struct {
	out    io.Writer // nil when it tells nothing
	total  int64     // bytes of all files; 0 when a pipe hides it
	before int64     // of the files before
	begin  time.Time
	last   time.Time
	shown  bool
}

func newReplayProgress(a *app, files []string) *replayProgress {
	p := &replayProgress{begin: time.Now(), last: time.Now()}
	if f, ok := a.err.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.out = f
		}
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || name == "-" {
			p.total = 0
			break
		}
		p.total += info.Size()
	}
	return p
}

func (p *replayProgress) show(packets, read int64) {
	now := time.Now()
	if p.out == nil || now.Sub(p.begin) < time.Second || now.Sub(p.last) < 200*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	share := ""
	if p.total > 0 {
		share = fmt.Sprintf("%3d %%  ", (p.before+read)*100/p.total)
	}
	fmt.Fprintf(p.out, "\r%s%d  %.0f/s\x1b[K", share, packets, float64(packets)/now.Sub(p.begin).Seconds())
}

func (p *replayProgress) next(read int64) { p.before += read }

func (p *replayProgress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
