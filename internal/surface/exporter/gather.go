package exporter

import (
	"cmp"
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ctkeeper/internal/conntrack/snapshot"
)

// gatherer makes the metrics of one Watch at each scrape. A registry would check, hash and sort each of thousands of
// series every time: here they are right by construction, and tests hold them to what a registry checks.
type gatherer struct {
	source func() snapshot.Watch
	o      Options
}

// Gather is what promhttp asks for.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) { return g.families(), nil }

// families turns what is known now into metrics, sorted by name.
func (g *gatherer) families() []*dto.MetricFamily {
	begin := time.Now()
	w := g.source()
	spaces := fullest(w.Namespaces)
	e := emitter{families: map[string]*dto.MetricFamily{}, pairs: map[pair]*dto.LabelPair{}, settingNames: settingNames(spaces)}
	for i := range spaces {
		e.namespace(&spaces[i], w.At)
	}
	e.set(gauge("namespaces", "Network namespaces that track connections."), float64(len(w.Namespaces)))
	e.set(gauge("namespaces_unreadable", "Namespaces that are there and cannot be read at present."), float64(w.Unreadable))
	e.set(gauge("namespaces_left_out", "Namespaces beyond the bound on labels, which are not shown."), float64(len(w.Namespaces)-len(spaces)))
	e.self(&w, g.o.Version)
	if g.o.NodeExporterNames {
		e.nodeExporter(w.Namespaces)
	}
	e.set(gauge("scrape_duration_seconds", "What collecting this scrape took."), time.Since(begin).Seconds())
	return e.sorted()
}

// emitter holds what one scrape has made so far.
type emitter struct {
	families     map[string]*dto.MetricFamily // by name
	pairs        map[pair]*dto.LabelPair      // shared: a namespace's name stands at each of its series
	free         []series                     // made many at a time
	settingNames []string
}

type pair struct{ name, value string }

// series is a metric with all that it points to, in one piece of memory.
type series struct {
	metric dto.Metric
	gauge  dto.Gauge
	value  float64
	labels [3]*dto.LabelPair // as many as any has
}

// set adds one series to its family.
func (e *emitter) set(m metric, v float64, labels ...string) {
	f := e.families[m.name]
	if f == nil {
		f = &dto.MetricFamily{Name: new(m.name), Help: new(m.help), Type: m.typ.Enum()}
		e.families[m.name] = f
	}
	if len(e.free) == 0 {
		e.free = make([]series, 128)
	}
	s := &e.free[0]
	e.free = e.free[1:]
	s.value = v
	if m.typ == dto.MetricType_COUNTER {
		s.metric.Counter = &dto.Counter{Value: &s.value}
	} else {
		s.gauge.Value = &s.value
		s.metric.Gauge = &s.gauge
	}
	s.metric.Label = s.labels[:0]
	for i, name := range m.labels {
		s.metric.Label = append(s.metric.Label, e.pair(pair{name, labels[i]}))
	}
	f.Metric = append(f.Metric, &s.metric)
}

func (e *emitter) pair(of pair) *dto.LabelPair {
	p := e.pairs[of]
	if p == nil {
		p = &dto.LabelPair{Name: new(of.name), Value: new(of.value)}
		e.pairs[of] = p
	}
	return p
}

// sorted are the families by name.
func (e *emitter) sorted() []*dto.MetricFamily {
	return slices.SortedFunc(maps.Values(e.families), func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
}
