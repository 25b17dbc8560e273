// Package exporter shows what the daemon knows as Prometheus metrics. Names follow Prometheus's conventions
// under ctkeeper_; labels are namespaces, settings, protocols, states and reasons: never addresses, so that
// their number is bounded. It only reads.
package exporter

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

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

// Handler serves the metrics of what source tells, in the text format or as OpenMetrics. Uncompressed: compressing
// would take more time than all the rest.
func Handler(source func() snapshot.Watch, o Options) http.Handler {
	return promhttp.HandlerFor(&gatherer{source: source, o: o},
		promhttp.HandlerOpts{EnableOpenMetrics: true, DisableCompression: true, MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// metric is one family.
type metric struct {
	name, help string
	typ        dto.MetricType
	labels     []string
}

func family(name, help string, typ dto.MetricType, labels ...string) metric {
	return metric{"ctkeeper_" + name, help, typ, labels}
}

func gauge(name, help string, labels ...string) metric {
	return family(name, help, dto.MetricType_GAUGE, labels...)
}

func counter(name, help string, labels ...string) metric {
	return family(name, help, dto.MetricType_COUNTER, labels...)
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
