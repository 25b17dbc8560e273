package exporter

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

func watch(n int) snapshot.Watch {
	at := time.Unix(1.8e9, 0)
	w := snapshot.Watch{At: at, Started: at.Add(-time.Hour), CPUSeconds: 12.5, Resident: 30 << 20, TableCost: 3.4, TableEvery: 340,
		LogLines: map[snapshot.LogKind]uint64{snapshot.LogTableFull: 7}, Lost: map[string]uint64{"samples": 2}}
	for i := range n {
		full := 300.0
		expectations := int64(3)
		w.Namespaces = append(w.Namespaces, snapshot.Watched{Name: fmt.Sprintf("ns%d", i), Inode: uint64(1000 + i), Initial: i == 0, Buckets: 65536, Refused: 42,
			Last:   snapshot.Sample{At: at, Count: int64(1000 + i), Max: 2000},
			Totals: map[string]uint64{"drop": 1 << 33, "early_drop": 5, "invalid": 9, "found": 0},
			Flows: &snapshot.Flows{Summary: rank.Summary{Total: 1000, Assured: 700, Closing: 100,
				Classes: []rank.Class{{Proto: "tcp", State: "ESTABLISHED", Count: 600}, {Proto: "udp", Count: 400}}, Source: []rank.Row{{Key: "192.0.2.99", Count: 9}}}},
			FlowsAt: at.Add(-20 * time.Second), Expectations: &expectations, Settings: map[string]int64{"tcp_timeout_established": 432000, "count": 5},
			Forecast: &snapshot.Forecast{Trend: "filling", Rate: 3, Full: &full}, Drift: []snapshot.Drifted{{Setting: "max"}}})
	}
	return w
}

func scrape(t *testing.T, w snapshot.Watch, o Options, accept string) string {
	t.Helper()
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	rec := httptest.NewRecorder()
	Handler(func() snapshot.Watch { return w }, o).ServeHTTP(rec, req)
	if rec.Code != http.StatusOK {
		t.Fatalf("%d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

const openMetrics = "application/openmetrics-text; version=1.0.0"

func TestMetrics(t *testing.T) {
	text := scrape(t, watch(1), Options{Version: "1.2"}, "")
	for _, want := range []string{
		`ctkeeper_flows{namespace="ns0"} 1000`, `ctkeeper_flows_max{namespace="ns0"} 2000`, `ctkeeper_drop_total{namespace="ns0"} 8.589934592e+09`,
		`ctkeeper_pressure_ratio{namespace="ns0"} 0.3`, `ctkeeper_flows_reclaimable{namespace="ns0"} 400`, `ctkeeper_table_age_seconds{namespace="ns0"} 20`,
		`ctkeeper_flows_by_state{namespace="ns0",proto="tcp",state="established"} 600`, `ctkeeper_full_in_seconds{namespace="ns0"} 300`,
		`ctkeeper_setting{namespace="ns0",setting="tcp_timeout_established"} 432000`, `ctkeeper_drifted_settings{namespace="ns0"} 1`,
		`ctkeeper_kernel_log_messages_total{kind="table_full"} 7`, `ctkeeper_lost_total{what="samples"} 2`, `ctkeeper_cpu_seconds_total 12.5`,
		`ctkeeper_refused_total{namespace="ns0"} 42`, `ctkeeper_expectations{namespace="ns0"} 3`, `ctkeeper_build_info{version="1.2"} 1`,
		"# TYPE ctkeeper_drop_total counter", "# TYPE ctkeeper_flows gauge",
	} {
		if !strings.Contains(text, want+"\n") && !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "192.0.2") || strings.Contains(text, "node_nf_conntrack") || strings.Contains(text, `setting="count"`) {
		t.Error("an address, an alias that nobody asked for, or the count as a setting")
	}
}

func TestOpenMetrics(t *testing.T) {
	text := scrape(t, watch(2), Options{}, openMetrics)
	if !strings.HasSuffix(text, "# EOF\n") || !strings.Contains(text, "# TYPE ctkeeper_drop counter") {
		t.Errorf("no OpenMetrics:\n%.300s", text)
	}
}

// TestNodeExporterNames: what node_exporter's conntrack collector has (1.11: all gauges, without labels), no more
// and no less, of the first namespace.
func TestNodeExporterNames(t *testing.T) {
	text := scrape(t, watch(2), Options{NodeExporterNames: true}, "")
	want := []string{"entries", "entries_limit", "stat_drop", "stat_early_drop", "stat_found", "stat_ignore", "stat_insert", "stat_insert_failed", "stat_invalid",
		"stat_search_restart"}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE node_nf_conntrack_(\S+) gauge\nnode_nf_conntrack_(\S+) \S+$`).FindAllStringSubmatch(text, -1) {
		if m[1] == m[2] {
			got = append(got, m[1])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || strings.Count(text, "# TYPE node_") != len(want) {
		t.Error(diff)
	}
	if !strings.Contains(text, "node_nf_conntrack_entries 1000\n") {
		t.Error("not the first namespace's")
	}
}

func TestLabelsAreBounded(t *testing.T) {
	w := watch(1000)
	w.Namespaces[1].Name = "ns0"
	w.Namespaces[0].Last.Count, w.Namespaces[1].Last.Count = 1e6, 1e6
	text := scrape(t, w, Options{}, "")
	if n := strings.Count(text, "\nctkeeper_flows{"); n != maxNamespaces {
		t.Errorf("%d namespaces shown", n)
	}
	for _, want := range []string{"ctkeeper_namespaces_left_out 744", `ctkeeper_flows{namespace="ns0@1000"} 1e+06`, `namespace="ns0@1001"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestEmptyWatch(t *testing.T) {
	if text := scrape(t, snapshot.Watch{}, Options{NodeExporterNames: true}, ""); !strings.Contains(text, "ctkeeper_namespaces 0") {
		t.Error(text)
	}
}

// TestPromtool holds the metrics to Prometheus's own linter.
func TestPromtool(t *testing.T) { promtool(t, scrape(t, watch(3), Options{}, "")) }

func promtool(t *testing.T, text string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not installed")
		}
		t.Skip("promtool is not installed (Debian package prometheus)")
	}
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	lint := regexp.MustCompile(`(?m)^node_nf_conntrack_\S+ .*\n`).ReplaceAllString(string(out), "") // node_exporter's names are its own
	if err != nil && lint == string(out) || lint != "" {
		t.Errorf("%v\n%s", err, lint)
	}
}

// BenchmarkScrape64Namespaces is one scrape of 64 namespaces with all settings.
func BenchmarkScrape64Namespaces(b *testing.B) {
	w := watch(64)
	for i := range w.Namespaces {
		for _, s := range settings.All() { // as every namespace has them
			w.Namespaces[i].Settings[s.Name] = 1
		}
	}
	h := Handler(func() snapshot.Watch { return w }, Options{})
	for name, accept := range map[string]string{"text": "", "openmetrics": openMetrics} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			req.Header.Set("Accept", accept)
			req.Header.Set("Accept-Encoding", "gzip") // as Prometheus does
			rec := httptest.NewRecorder()
			for b.Loop() {
				rec.Body.Reset()
				h.ServeHTTP(rec, req)
			}
			b.ReportMetric(float64(rec.Body.Len()), "B/scrape")
		})
	}
}
