package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ctkeeper/internal/action/sample"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/host/history"
	"ctkeeper/internal/surface/exporter"
	"ctkeeper/internal/surface/web"
)

const serveLong = `Watch this host: sample the counters of every namespace that tracks once a second and the tables as
often as the CPU budget allows, keep a bounded history, open and close incidents, serve metrics at
/metrics and a page with its JSON API. It changes nothing on the host.

The configuration is /etc/ctkeeper/ctkeeper.yaml, read again on SIGHUP; every key has a default.`

// serveFlags override the configuration.
type serveFlags struct {
	config, listen, stateDir, budget string
	nodeNames, check                 bool
}

func newServe(a *app) *cobra.Command {
	var o serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "The daemon: history, metrics, incidents and a page",
		Long:  serveLong,
		Example: `  ctkeeper serve
  ctkeeper serve --listen unix:/run/ctkeeper/ctkeeper.sock --state-dir /var/lib/ctkeeper
  ctkeeper serve --check --config ctkeeper.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration `FILE` (default "+defaultConfigPath+", if it is there)")
	f.StringVar(&o.listen, "listen", "", "`ADDRESS`: host:port, or unix:PATH (default 127.0.0.1:9745)")
	f.StringVar(&o.stateDir, "state-dir", "", "`DIR` of the history (default /var/lib/ctkeeper)")
	f.StringVar(&o.budget, "cpu-budget", "", "`SHARE` of one core to stay within (default 1%)")
	f.BoolVar(&o.nodeNames, "node-exporter-names", false, "serve node_nf_conntrack_* too")
	f.BoolVar(&o.check, "check", false, "check the configuration and end")
	return cmd
}

// config reads the file and lays the flags over it.
func (o *serveFlags) read() (serveConfig, error) {
	c, err := readServeConfig(o.config)
	if err != nil {
		return c, err
	}
	if o.listen != "" {
		c.Listen = o.listen
	}
	if o.stateDir != "" {
		c.StateDir = o.stateDir
	}
	if o.budget != "" {
		if err := c.CPUBudget.parse(o.budget); err != nil {
			return c, usageError{fmt.Errorf("--cpu-budget %w", err)}
		}
	}
	c.NodeExporterNames = c.NodeExporterNames || o.nodeNames
	return c, c.check()
}

// leanGC lets the heap grow by half of what lives between two collections: what stays on a host shall be small.
const leanGC = 50

func (a *app) serve(ctx context.Context, o serveFlags) error {
	c, err := o.read()
	if err == nil {
		err = c.checkFiles()
	}
	if err != nil || o.check {
		return err
	}
	debug.SetGCPercent(leanGC)
	log := slog.New(slog.NewTextHandler(a.err, nil))
	db, lacks := openHistory(c, log)
	if db != nil {
		defer func() {
			if err := db.Close(); err != nil {
				log.Error("history", "error", err)
			}
		}()
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	s := serving{db: db, log: log, again: again, flags: o, confined: confineSelf(c, log), hooks: newNotifier(log)}
	s.lacks = append(lacks, s.confined.missing()...)
	if s.host, err = sample.NewHost(s.confined.outside.Do); err != nil {
		s.lacks = append(s.lacks, snapshot.Missing{Source: "/dev/kmsg, followed", Why: err.Error(), Code: "needs_root"})
		log.Warn("the kernel log is not followed", "error", err)
	}
	defer func() { _ = s.host.Close() }() // it was only read
	hooks, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { s.hooks.run(hooks) })
	defer func() { stop(); told.Wait() }()
	if history.Dir(filepath.Join(c.StateDir, "history.db")) == nil {
		s.kept = newRecords(c.StateDir, log)
		defer s.kept.close()
	}
	for {
		next, err := a.serveOnce(ctx, c, &s)
		if err != nil || next == nil {
			return err
		}
		c = *next
		if db != nil {
			db.Renew(int64(c.HistorySize))
		}
	}
}

// openHistory opens the store; without a usable directory the daemon goes on with what memory holds.
func openHistory(c serveConfig, log *slog.Logger) (*history.DB, []snapshot.Missing) {
	path := filepath.Join(c.StateDir, "history.db")
	var db *history.DB
	err := history.Dir(path)
	if err == nil {
		db, _, err = history.Open(path, history.Options{
			MaxBytes: int64(c.HistorySize),
			Failed:   func(err error) { log.Error("the history cannot be written; samples wait in memory", "error", err) },
			Damaged:  func(aside string) { log.Error("the history was damaged and is begun anew", "kept", aside) },
		})
	}
	if err != nil {
		log.Warn("no history is kept", "error", err)
		return nil, []snapshot.Missing{{Source: "history in " + c.StateDir, Why: err.Error(), Code: "no_history"}}
	}
	return db, nil
}

// serving is what stays from one configuration to the next.
type serving struct {
	db       *history.DB // nil: no history
	log      *slog.Logger
	again    <-chan os.Signal
	flags    serveFlags
	confined *confined
	hooks    *notifier
	host     *sample.LiveHost
	sampler  *sample.Sampler    // of the last configuration, nil at first
	lacks    []snapshot.Missing // what the daemon goes on without
	kept     *records           // nil: there is no directory for them
}

// options are the sampler's under a configuration.
func (s *serving) options(ctx context.Context, c serveConfig, source *serveSource) sample.Options {
	o := sample.Options{Every: time.Duration(c.Interval), Budget: float64(c.CPUBudget), PresentOnly: c.Namespaces == "present",
		Pressure: float64(c.Pressure), Drift: source.drift, By: changedBy, Changed: s.hooks.incident, Lost: lossLogger(s.log)}
	if s.db == nil {
		return o
	}
	o.Store = s.db
	o.Past = func(ctx context.Context, namespace string, from, to time.Time) ([]snapshot.Sample, error) {
		return s.db.Samples(ctx, namespace, from, to, 2000) // the minutes of a day
	}
	if s.sampler == nil {
		var err error
		if o.Open, err = s.db.OpenIncidents(ctx); err != nil {
			s.log.Error("incidents of an earlier run are not known", "error", err)
		}
	}
	return o
}

// lossLogger logs why something was lost, each kind once a minute: the metrics count them all.
func lossLogger(log *slog.Logger) func(what string, err error) {
	told := map[string]time.Time{}
	return func(what string, err error) {
		if time.Since(told[what]) >= time.Minute {
			told[what] = time.Now()
			log.Warn("lost", "what", what, "error", err)
		}
	}
}

// serveOnce serves under one configuration, until the end or until another is to be used.
func (a *app) serveOnce(ctx context.Context, c serveConfig, s *serving) (*serveConfig, error) {
	source := &serveSource{app: a, db: s.db, outside: s.confined.outside.Do, lacks: s.lacks}
	o := s.options(ctx, c, source)
	if c.WhatIf && s.kept != nil {
		o.Recorder, source.asker = s.kept.recorder, newAsker(source, s.kept)
	}
	source.sampler = sample.New(s.host, o)
	if s.sampler != nil {
		source.sampler.Continue(s.sampler)
	}
	s.sampler = source.sampler
	s.hooks.tell(c.Webhooks)
	server, listener, err := a.server(c, source)
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	done := make(chan struct{})
	go func() { defer close(done); source.sampler.Run(run) }()
	go func() { ended <- server.serve(listener) }()
	s.log.Info("watching", "listen", c.Listen, "state_dir", c.StateDir, "cpu_budget", float64(c.CPUBudget))
	notify := newServiceNotifier()
	select {
	case <-source.sampler.First():
	case <-ctx.Done():
	}
	notify.send("READY=1\nSTATUS=watching")
	next, err := s.wait(ctx, ended, notify, source)
	if next == nil {
		notify.send("STOPPING=1")
	}
	stop()
	<-done
	return next, errors.Join(err, server.close())
}

// wait ends with the context, with the server, or with a configuration to go on with.
func (s *serving) wait(ctx context.Context, ended <-chan error, notify *serviceNotifier, source *serveSource) (*serveConfig, error) {
	tick := time.NewTicker(notify.every())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case err := <-ended:
			return nil, err
		case <-tick.C:
			w := source.sampler.Watch()
			if time.Since(w.At) < time.Minute { // a sampler that hangs shall be restarted
				notify.send("WATCHDOG=1\nSTATUS=" + statusLine(w))
			}
		case <-s.again:
			c, err := s.flags.read()
			if err == nil && !s.confined.covers(c) {
				err = errors.New("it needs what was given up when the daemon began: restart it")
			}
			if err == nil {
				err = c.checkFiles()
			}
			if err != nil {
				s.log.Error("the configuration is kept as it was", "error", err)
				continue
			}
			s.log.Info("the configuration was read again")
			notify.send("RELOADING=1")
			return &c, nil
		}
	}
}

// statusLine is what systemctl status shows.
func statusLine(w snapshot.Watch) string {
	for _, n := range w.Namespaces {
		if n.Initial || len(w.Namespaces) == 1 {
			return fmt.Sprintf("%d of %d flows, %d refused", n.Last.Count, n.Last.Max, n.Refused)
		}
	}
	return fmt.Sprintf("%d namespaces", len(w.Namespaces))
}

// handler is the page, its API and the metrics.
func (a *app) handler(c serveConfig, source *serveSource) (http.Handler, error) {
	host, _ := os.Hostname()
	o := web.Options{Hosts: append([]string{host}, c.Hosts...), AnyHost: isUnix(c.Listen), Host: host, Version: versionText(),
		Metrics: exporter.Handler(source.Watch, exporter.Options{NodeExporterNames: c.NodeExporterNames, Version: versionText()})}
	if c.TokenFile != "" {
		token, err := readToken(c.TokenFile)
		if err != nil {
			return nil, err
		}
		o.Token = token
	}
	if c.Redact {
		key, err := redactKey(c.StateDir)
		if err != nil {
			return nil, err
		}
		r := snapshot.NewRedactor(key)
		o.Redact, source.redact = &r, &r
	}
	return web.Handler(source, o)
}
