package web

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"ctkeeper/internal/conntrack/snapshot"
)

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
	for i := range all {
		all[i] = s.redacted(all[i])
	}
	return map[string]any{"schema": "ctkeeper.incidents/1", "incidents": all}, nil
}

func (s *server) redacted(i snapshot.Incident) snapshot.Incident {
	if s.o.Redact == nil {
		return i
	}
	return s.o.Redact.Incident(i)
}

// incident is one, by the ID that stands in its address.
func (s *server) incident(r *http.Request) (any, error) {
	id := r.PathValue("id")
	i, ok, err := s.source.Incident(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, NotFoundError(fmt.Sprintf("incident %.80q", id))
	}
	return map[string]any{"schema": "ctkeeper.incident/1", "host": s.o.Host, "incident": s.redacted(i)}, nil
}

// span is the range that a request asks for.
func (s *server) span(r *http.Request, usual time.Duration) (from, to time.Time, err error) {
	to = s.o.Now()
	from = to.Add(-usual)
	if v := r.FormValue("last"); v != "" {
		sec, err := strconv.ParseFloat(v, 64)
		if err != nil || !(sec > 0 && sec < 1e9) {
			return from, to, RequestError(fmt.Sprintf("last=%.40s: no number of seconds", v))
		}
		return to.Add(-time.Duration(sec * float64(time.Second))), to, nil
	}
	for key, into := range map[string]*time.Time{"from": &from, "to": &to} {
		if v := r.FormValue(key); v != "" {
			if *into, err = instant(v); err != nil {
				return from, to, RequestError(fmt.Sprintf("%s=%.40s: neither RFC 3339 nor seconds since 1970", key, v))
			}
		}
	}
	if to.Before(from) {
		return from, to, RequestError("from lies after to")
	}
	return from, to, nil
}

func instant(v string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		return t, nil
	}
	sec, err := strconv.ParseInt(v, 10, 64)
	if err != nil || sec < 0 || sec > 1e11 {
		return time.Time{}, RequestError("no time")
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
		return 0, RequestError(fmt.Sprintf("%s=%.40s: not from 1 to %d", key, v, most))
	}
	return n, nil
}
