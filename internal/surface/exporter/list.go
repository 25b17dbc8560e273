package exporter

import (
	"strings"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
)

// Metric is one family as documents describe it.
type Metric struct {
	Name, Type, Help string
	Labels           []string
}

// Metrics lists every family of ctkeeper's own that can be exported, by name.
func Metrics() []Metric {
	var out []Metric
	for _, f := range (&gatherer{source: everything}).families() {
		m := Metric{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
		for _, l := range f.GetMetric()[0].GetLabel() {
			m.Labels = append(m.Labels, l.GetName())
		}
		out = append(out, m)
	}
	return out
}

// everything is a watch in which each figure is known.
func everything() snapshot.Watch {
	full, one := 1.0, int64(1)
	n := snapshot.Watched{Name: "host", Initial: true, Last: snapshot.Sample{Max: 1}, Totals: map[string]uint64{}, Expectations: &one,
		Flows:    &snapshot.Flows{Summary: rank.Summary{Classes: []rank.Class{{Proto: "tcp", State: "ESTABLISHED", Count: 1}}}},
		Forecast: &snapshot.Forecast{Full: &full}, Settings: map[string]int64{"max": 1}}
	for _, c := range kernelCounters {
		n.Totals[c.key] = 1
	}
	return snapshot.Watch{At: time.Unix(1, 0), Started: time.Unix(1, 0), Namespaces: []snapshot.Watched{n}}
}
