package exporter

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"

	"ctkeeper/internal/conntrack/snapshot"
)

// fullest are the namespaces to show, by name: all, or those with the highest counts. Names that occur twice get
// their inode; so do those that could look like it, so that no two are alike.
func fullest(all []snapshot.Watched) []snapshot.Watched {
	out := slices.Clone(all)
	if len(out) > maxNamespaces {
		slices.SortFunc(out, func(a, b snapshot.Watched) int { return cmp.Compare(b.Last.Count, a.Last.Count) })
		out = out[:maxNamespaces]
	}
	times := map[string]int{}
	for i := range out {
		out[i].Name = label(out[i].Name)
		times[out[i].Name]++
	}
	for i := range out {
		if times[out[i].Name] > 1 || strings.Contains(out[i].Name, "@") {
			out[i].Name += "@" + strconv.FormatUint(out[i].Inode, 10)
		}
	}
	slices.SortFunc(out, func(a, b snapshot.Watched) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// maxLabel bounds a name's length in bytes.
const maxLabel = 128

// label makes a value that Prometheus takes of a name, which may be any bytes.
func label(name string) string {
	if len(name) > maxLabel {
		name = name[:maxLabel]
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// kernelCounters are the kernel's own, by metric, with what they count.
var kernelCounters = []struct{ key, name, help string }{ //nolint:gochecknoglobals // a constant table
	{"drop", "drop_total", "Packets dropped: a full table, but clashes and chains too."},
	{"early_drop", "early_drop_total", "Flows evicted to make room."},
	{"insert_failed", "insert_failed_total", "Flows that could not be put into the table."},
	{"chain_toolong", "chain_toolong_total", "Flows refused because a hash chain was too long."},
	{"clash_resolve", "clash_resolve_total", "Clashes of flows made at the same time that were resolved."},
	{"search_restart", "search_restart_total", "Look-ups begun anew because of a resize."},
	{"invalid", "invalid_total", "Packets that belong to no flow."},
	{"found", "found_total", "Look-ups that found a flow; zero on kernels since 4.9."},
	{"insert", "insert_total", "Flows inserted; on recent kernels those made through ctnetlink only."},
	{"ignore", "ignore_total", "Packets that needed no tracking; not counted since 5.10 or so."},
	{"searched", "searched_total", "Entries looked at in hash chains; on old kernels only."},
	{"new", "new_total", "Flows added; on old kernels only."},
	{"delete", "delete_total", "Flows deleted; on old kernels only."},
	{"delete_list", "delete_list_total", "Flows put on the dying list; on old kernels only."},
	{"error", "icmp_error_total", "ICMP errors that could not be attached to a flow."},
}

// namespace is one namespace's metrics.
func (e *emitter) namespace(w *snapshot.Watched, now time.Time) {
	const by = "namespace"
	ns, last := w.Name, w.Last
	e.set(gauge("flows", "Flows in the table (nf_conntrack_count).", by), float64(last.Count), ns)
	e.set(gauge("flows_max", "The table's limit (nf_conntrack_max).", by), float64(last.Max), ns)
	e.set(gauge("buckets", "Buckets of the hash table.", by), float64(w.Buckets), ns)
	for _, c := range kernelCounters {
		if v, ok := w.Totals[c.key]; ok {
			e.set(counter(c.name, c.help, by), float64(v), ns)
		}
	}
	e.set(counter("refused_total", "Packets that the full table refused, since the watching began.", by), float64(w.Refused), ns)
	if w.Expectations != nil {
		e.set(gauge("expectations", "Expected flows (the expectation table).", by), float64(*w.Expectations), ns)
	}
	incident := 0.0
	if w.Incident != nil {
		incident = 1
	}
	e.set(gauge("incident", "1 while packets are refused or pressure is over the threshold.", by), incident, ns)
	e.table(w, now)
	e.forecast(w)
	e.settings(w)
}

// table is what the last read of the table told.
func (e *emitter) table(w *snapshot.Watched, now time.Time) {
	if w.Flows == nil {
		return
	}
	s := &w.Flows.Summary
	e.set(gauge("table_age_seconds", "How old the figures are that need the table to be read.", "namespace"), max(now.Sub(w.FlowsAt).Seconds(), 0), w.Name)
	e.set(gauge("flows_reclaimable", "Flows that the kernel can reclaim by itself: not assured, or closing.", "namespace"), float64(s.Total-s.Pinned()), w.Name)
	if w.Last.Max > 0 {
		e.set(gauge("pressure_ratio", "Flows that the kernel cannot reclaim, as a share of max.", "namespace"), float64(s.Pinned())/float64(w.Last.Max), w.Name)
	}
	for _, c := range s.Classes {
		e.set(gauge("flows_by_state", "Flows by protocol and state.", "namespace", "proto", "state"), float64(c.Count), w.Name, c.Proto, strings.ToLower(c.State))
	}
}

// forecast is set always, so that an alert can tell "not filling" from "unknown".
func (e *emitter) forecast(w *snapshot.Watched) {
	if w.Forecast == nil {
		return
	}
	filling := 0.0
	if f := w.Forecast; f.Full != nil {
		filling = 1
		e.set(gauge("full_in_seconds", "Time until the table is full at its present rate; absent while it is not filling.", "namespace"), *f.Full, w.Name)
	}
	e.set(gauge("filling", "1 while the table fills.", "namespace"), filling, w.Name)
	e.set(gauge("fill_rate", "Flows a second that the count rises by.", "namespace"), w.Forecast.Rate, w.Name)
}

// settings are three quarters of a scrape with many namespaces.
func (e *emitter) settings(w *snapshot.Watched) {
	m := gauge("setting", "A setting's running value; timeouts in seconds.", "namespace", "setting")
	for _, name := range e.settingNames {
		if v, ok := w.Settings[name]; ok {
			e.set(m, float64(v), w.Name, name)
		}
	}
	e.set(gauge("drifted_settings", "Settings whose running value is not what the next boot will set.", "namespace"), float64(len(w.Drift)), w.Name)
}

// settingNames are those that any namespace has, in order. The count is no setting.
func settingNames(spaces []snapshot.Watched) []string {
	all := map[string]bool{}
	for i := range spaces {
		for name := range spaces[i].Settings {
			all[name] = true
		}
	}
	delete(all, "count")
	return slices.Sorted(maps.Keys(all))
}

// nodeExporter repeats the first namespace's figures under node_exporter's names.
func (e *emitter) nodeExporter(all []snapshot.Watched) {
	i := slices.IndexFunc(all, func(w snapshot.Watched) bool { return w.Initial })
	if i < 0 {
		return
	}
	w := &all[i]
	put := func(name, help string, v float64) {
		e.set(metric{name: "node_nf_conntrack_" + name, help: help, typ: dto.MetricType_GAUGE}, v)
	}
	put("entries", "Number of currently allocated flow entries for connection tracking.", float64(w.Last.Count))
	put("entries_limit", "Maximum size of connection tracking table.", float64(w.Last.Max))
	for key, name := range map[string]string{"found": "stat_found", "invalid": "stat_invalid", "ignore": "stat_ignore", "insert": "stat_insert",
		"insert_failed": "stat_insert_failed", "drop": "stat_drop", "early_drop": "stat_early_drop", "search_restart": "stat_search_restart"} {
		put(name, "As /proc/net/stat/nf_conntrack counts "+key+".", float64(w.Totals[key]))
	}
}
