// Package exporter shows what the daemon knows as Prometheus metrics. Names follow Prometheus's conventions
// under ctkeeper_; labels are namespaces, settings, protocols, states and reasons: never addresses, so that
// their number is bounded. It only reads.
package exporter

import (
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ctkeeper/internal/conntrack/snapshot"
)

// Options of the metrics.
type Options struct {
	// NodeExporterNames adds node_nf_conntrack_*, as node_exporter names them, for the first namespace.
	NodeExporterNames bool
	// Version is ctkeeper's own.
	Version string
}

// maxNamespaces bounds the label: those with the fullest tables are shown, the others counted.
const maxNamespaces = 256

// Handler serves the metrics of what source tells, in the text format or as OpenMetrics.
func Handler(source func() snapshot.Watch, o Options) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&collector{source: source, o: o})
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// collector makes metrics of one Watch at each scrape.
type collector struct {
	source func() snapshot.Watch
	o      Options

	mu    sync.Mutex
	descs map[string]*prometheus.Desc // by name: making one costs more than a sample
}

// metric is one family.
type metric struct {
	name, help string
	typ        prometheus.ValueType
	labels     []string
}

func family(name, help string, typ prometheus.ValueType, labels ...string) metric {
	return metric{"ctkeeper_" + name, help, typ, labels}
}

func gauge(name, help string, labels ...string) metric {
	return family(name, help, prometheus.GaugeValue, labels...)
}

func counter(name, help string, labels ...string) metric {
	return family(name, help, prometheus.CounterValue, labels...)
}

// desc is the family's description, made once.
func (c *collector) desc(m metric) *prometheus.Desc {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.descs[m.name]
	if d == nil {
		if c.descs == nil {
			c.descs = map[string]*prometheus.Desc{}
		}
		d = prometheus.NewDesc(m.name, m.help, m.labels, nil)
		c.descs[m.name] = d
	}
	return d
}

// Describe sends nothing: the collector is unchecked, its families are few and fixed.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect turns what is known now into metrics.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	begin := time.Now()
	w := c.source()
	e := emitter{c: c, out: out}
	spaces := fullest(w.Namespaces)
	for i := range spaces {
		e.namespace(&spaces[i], w.At)
	}
	e.set(gauge("namespaces", "Network namespaces that track connections."), float64(len(w.Namespaces)))
	e.set(gauge("namespaces_unreadable", "Namespaces that are there and cannot be read at present."), float64(w.Unreadable))
	e.set(gauge("namespaces_left_out", "Namespaces beyond the bound on labels, which are not shown."), float64(len(w.Namespaces)-len(spaces)))
	e.self(&w, c.o.Version)
	if c.o.NodeExporterNames {
		e.nodeExporter(w.Namespaces)
	}
	e.set(gauge("scrape_duration_seconds", "What collecting this scrape took."), time.Since(begin).Seconds())
}

type emitter struct {
	c   *collector
	out chan<- prometheus.Metric
}

func (e *emitter) set(m metric, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(e.c.desc(m), m.typ, v, labels...)
}

// self is the daemon's own cost and losses.
func (e *emitter) self(w *snapshot.Watch, version string) {
	e.set(gauge("build_info", "A constant 1, labelled with the version.", "version"), 1, version)
	e.set(gauge("start_time_seconds", "When the watching began."), unix(w.Started))
	e.set(gauge("last_sample_timestamp_seconds", "When counters were read last."), unix(w.At))
	e.set(counter("cpu_seconds_total", "CPU time of ctkeeper itself."), w.CPUSeconds)
	e.set(gauge("resident_memory_bytes", "Memory of ctkeeper itself."), float64(w.Resident))
	e.set(gauge("goroutines", "Goroutines of ctkeeper itself."), float64(w.Goroutines))
	e.set(gauge("open_files", "Files that ctkeeper itself holds open."), float64(w.OpenFiles))
	e.set(gauge("table_read_cpu_seconds", "CPU time of the last reading of all tables."), w.TableCost)
	e.set(gauge("table_read_interval_seconds", "How often the CPU budget lets tables be read."), w.TableEvery)
	for _, what := range []string{"samples", "tables", "log", "history", "past"} {
		e.set(counter("lost_total", "What ctkeeper itself could not read or keep.", "what"), float64(w.Lost[what]), what)
	}
	for _, kind := range []snapshot.LogKind{snapshot.LogTableFull, snapshot.LogExpectFull, snapshot.LogConntrackOther} {
		e.set(counter("kernel_log_messages_total", "Conntrack's messages in the kernel log since the watching began.", "kind"), float64(w.LogLines[kind]), string(kind))
	}
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}
