package exporter

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"ctkeeper/internal/conntrack/snapshot"
)

// TestRegistryFindsNothing: prometheus.Gatherers checks what a registry checks (types, labels, no series twice).
func TestRegistryFindsNothing(t *testing.T) {
	alike := watch(5)
	for i, name := range []string{"a", "a", "a@1000", "a@1000@1002", "b"} { // inodes from 1000 on
		alike.Namespaces[i].Name = name
	}
	for name, w := range map[string]snapshot.Watch{"three": watch(3), "too many": watch(300), "alike": alike, "all": everything(), "none": {}} {
		g := &gatherer{source: func() snapshot.Watch { return w }, o: Options{NodeExporterNames: true, Version: "1.2"}}
		checked, err := prometheus.Gatherers{g}.Gather()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		families := g.families()
		if diff := cmp.Diff(names(checked), names(families)); diff != "" {
			t.Errorf("%s: not sorted, or not all: %s", name, diff)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if diff := cmp.Diff(labels(f.GetMetric()[0]), labels(m)); diff != "" || !slices.IsSorted(labels(m)) {
					t.Errorf("%s: labels of %s: %v", name, f.GetName(), labels(m))
				}
			}
		}
	}
}

func names(families []*dto.MetricFamily) (out []string) {
	for _, f := range families {
		out = append(out, f.GetName())
	}
	return out
}

func labels(m *dto.Metric) (out []string) {
	for _, l := range m.GetLabel() {
		out = append(out, l.GetName())
	}
	return out
}

// TestNextScrapeShowsWhatChanged: a setting, one that is new, one that is gone, and a namespace that is gone.
func TestNextScrapeShowsWhatChanged(t *testing.T) {
	w := watch(2)
	h := Handler(func() snapshot.Watch { return w }, Options{})
	settings := func() (out []string) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for line := range strings.Lines(rec.Body.String()) {
			if rest, ok := strings.CutPrefix(line, "ctkeeper_setting"); ok {
				out = append(out, strings.TrimSpace(rest))
			}
		}
		return out
	}
	w.Namespaces[0].Settings = map[string]int64{"max": 5, "acct": 0}
	want := []string{`{namespace="ns0",setting="acct"} 0`, `{namespace="ns0",setting="max"} 5`, `{namespace="ns1",setting="tcp_timeout_established"} 432000`}
	if diff := cmp.Diff(want, settings()); diff != "" {
		t.Error(diff)
	}
	w.Namespaces = w.Namespaces[:1]
	w.Namespaces[0].Settings = map[string]int64{"max": 6, "udp_timeout": 30}
	if diff := cmp.Diff([]string{`{namespace="ns0",setting="max"} 6`, `{namespace="ns0",setting="udp_timeout"} 30`}, settings()); diff != "" {
		t.Error(diff)
	}
}

// TestScrapesAtOnce: two that run beside each other share nothing.
func TestScrapesAtOnce(t *testing.T) {
	w := watch(20)
	h := Handler(func() snapshot.Watch { return w }, Options{})
	done := make(chan int)
	for range 4 {
		go func() {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			done <- strings.Count(rec.Body.String(), "\nctkeeper_flows{")
		}()
	}
	for range 4 {
		if n := <-done; n != 20 {
			t.Errorf("%d of 20 namespaces", n)
		}
	}
}
