package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// watch is what is known now, redacted where that is asked for.
func (s *server) watch() snapshot.Watch {
	w := s.source.Watch()
	if s.o.Redact != nil {
		w = s.o.Redact.Watch(w)
	}
	return w
}

// snapshotDocument is the schema ctkeeper.watch/1.
type snapshotDocument struct {
	Schema  string `json:"schema"`
	Host    string `json:"host,omitempty"`
	Version string `json:"version,omitempty"`
	snapshot.Watch
}

func (s *server) snapshot(*http.Request) (any, error) { return s.document(), nil }

func (s *server) document() snapshotDocument {
	return snapshotDocument{Schema: "ctkeeper.watch/1", Host: s.o.Host, Version: s.o.Version, Watch: s.watch()}
}

// space is the namespace that a request names; the first when it names none.
func (s *server) space(r *http.Request) (snapshot.Watched, error) {
	w, name := s.watch(), r.FormValue("namespace")
	for i := range w.Namespaces {
		if n := &w.Namespaces[i]; name == "" && n.Initial || n.Name == name || strconv.FormatUint(n.Inode, 10) == name {
			return *n, nil
		}
	}
	if name == "" && len(w.Namespaces) > 0 {
		return w.Namespaces[0], nil
	}
	return snapshot.Watched{}, notFound(fmt.Sprintf("namespace %q", name))
}

// flows is a ranking of the last read of a table.
func (s *server) flows(r *http.Request) (any, error) {
	n, err := s.space(r)
	if err != nil {
		return nil, err
	}
	if n.Flows == nil {
		return nil, notFound("read of the table yet")
	}
	sum := &n.Flows.Summary
	by := r.FormValue("by")
	if by == "" {
		by = "src"
	}
	rows, ok := map[string][]rank.Row{"src": sum.Source, "dst": sum.Dest, "src_prefix": sum.SourcePrefix, "dst_prefix": sum.DestPrefix,
		"dport": sum.DestPort, "zone": sum.Zone}[by]
	if !ok && by != "state" {
		return nil, requestError(fmt.Sprintf("by=%s: not src, dst, src_prefix, dst_prefix, dport, zone or state", by))
	}
	doc := map[string]any{"schema": "ctkeeper.ranking/1", "namespace": n.Name, "by": by, "total": sum.Total, "read_at": n.FlowsAt, "consistent": n.Flows.Consistent}
	if by == "state" {
		doc["rows"] = sum.Classes
	} else {
		doc["rows"] = append([]rank.Row{}, rows...)
	}
	return doc, nil
}

func (s *server) findings(r *http.Request) (any, error) {
	return s.source.Findings(r.Context(), lang(r))
}

func (s *server) settings(r *http.Request) (any, error) {
	n, err := s.space(r)
	if err != nil {
		return nil, err
	}
	return s.source.Settings(r.Context(), n.Name, lang(r))
}

// lang is the language that a request asks for; English without one.
func lang(r *http.Request) wording.Lang { return wording.ParseLang(r.FormValue("lang")) }

// limits of what one answer holds.
const (
	defaultSamples = 720
	maxSamples     = 5000
	maxIncidents   = 500
)

// history is samples over a range: from and to as RFC 3339 or seconds since 1970, or last=SECONDS.
func (s *server) history(r *http.Request) (any, error) {
	n, err := s.space(r)
	if err != nil {
		return nil, err
	}
	from, to, err := s.span(r, time.Hour)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", defaultSamples, maxSamples)
	if err != nil {
		return nil, err
	}
	samples, err := s.source.Samples(r.Context(), n.Name, from, to, limit)
	if err != nil {
		return nil, err
	}
	if samples == nil {
		samples = []snapshot.Sample{}
	}
	step := 0.0
	if len(samples) > 0 {
		step = samples[0].Step.Seconds()
	}
	return map[string]any{"schema": "ctkeeper.history/1", "namespace": n.Name, "step": step, "samples": samples}, nil
}

func (s *server) incidents(r *http.Request) (any, error) {
	from, to, err := s.span(r, 31*24*time.Hour)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", 100, maxIncidents)
	if err != nil {
		return nil, err
	}
	all, err := s.source.Incidents(r.Context(), from, to, limit)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = []snapshot.Incident{}
	}
	if s.o.Redact != nil {
		for i := range all {
			all[i] = s.o.Redact.Incident(all[i])
		}
	}
	return map[string]any{"schema": "ctkeeper.incidents/1", "incidents": all}, nil
}

// span is the range that a request asks for.
func (s *server) span(r *http.Request, usual time.Duration) (from, to time.Time, err error) {
	to = s.o.Now()
	from = to.Add(-usual)
	if v := r.FormValue("last"); v != "" {
		sec, err := strconv.ParseFloat(v, 64)
		if err != nil || !(sec > 0 && sec < 1e9) {
			return from, to, requestError(fmt.Sprintf("last=%.40s: no number of seconds", v))
		}
		return to.Add(-time.Duration(sec * float64(time.Second))), to, nil
	}
	for key, into := range map[string]*time.Time{"from": &from, "to": &to} {
		if v := r.FormValue(key); v != "" {
			if *into, err = instant(v); err != nil {
				return from, to, requestError(fmt.Sprintf("%s=%.40s: neither RFC 3339 nor seconds since 1970", key, v))
			}
		}
	}
	if to.Before(from) {
		return from, to, requestError("from lies after to")
	}
	return from, to, nil
}

func instant(v string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		return t, nil
	}
	sec, err := strconv.ParseInt(v, 10, 64)
	if err != nil || sec < 0 || sec > 1e11 {
		return time.Time{}, requestError("no time")
	}
	return time.Unix(sec, 0), nil
}

func number(r *http.Request, key string, usual, most int) (int, error) {
	v := r.FormValue(key)
	if v == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, requestError(fmt.Sprintf("%s=%.40s: not from 1 to %d", key, v, most))
	}
	return n, nil
}

// words are the page's sentences in a language.
func (s *server) words(r *http.Request) (any, error) { return wording.Area("web_", lang(r)), nil }

// stream sends the snapshot every second until the reader goes.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.events <- struct{}{}:
		defer func() { <-s.events }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many open streams", http.StatusServiceUnavailable)
		return
	}
	c := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		body, err := json.Marshal(s.document())
		if err != nil {
			return
		}
		if err := c.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "event: snapshot\ndata: %s\n\n", body); err != nil {
			return
		}
		if err := c.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
