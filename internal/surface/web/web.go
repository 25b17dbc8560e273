// Package web is the daemon's page and the JSON API behind it. Both only read: there is no request that
// changes a host. What they show comes from a Source that the command passes.
//
//	GET /                    the page; /incident/ID one incident's
//	GET /api/v1/snapshot     what is known now
//	GET /api/v1/flows        a ranking of a namespace's table, by any key, of the flows that a filter selects
//	GET /api/v1/findings     the doctor's report
//	GET /api/v1/settings     settings with default and origin
//	GET /api/v1/history      samples over a range
//	GET /api/v1/incidents    incidents, newest first; /api/v1/incidents/ID one of them
//	GET /api/v1/whatif       the last day as it would have been under other settings
//	GET /api/v1/events       the snapshot as server-sent events
//	GET /api/v1/openapi.json this list for machines
//
// Everything is embedded; the page asks nobody else for anything.
package web

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"
	"unicode/utf8"

	"ctkeeper/internal/conntrack/snapshot"
	"ctkeeper/internal/surface/wording"
)

// Source is where everything shown comes from.
type Source interface {
	Watch() snapshot.Watch
	Samples(ctx context.Context, namespace string, from, to time.Time, limit int) ([]snapshot.Sample, error)
	Incidents(ctx context.Context, from, to time.Time, limit int) ([]snapshot.Incident, error)
	// Incident is one by its ID; false when there is none.
	Incident(ctx context.Context, id string) (snapshot.Incident, bool, error)
	// Rank reads a table for one ranking.
	Rank(ctx context.Context, q RankQuery) (Ranked, error)
	// WhatIf tells what the last day would have been under settings, given as NAME=VALUE.
	WhatIf(ctx context.Context, namespace string, set []string) (WhatIf, error)
	// Findings and Settings are documents ready to be written as JSON.
	Findings(ctx context.Context, lang wording.Lang) (any, error)
	Settings(ctx context.Context, namespace string, lang wording.Lang) (any, error)
}

// Options of the page.
type Options struct {
	// Hosts are names that requests may be for, beside loopback's: a page elsewhere cannot make a browser
	// read this one under another name.
	Hosts []string
	// AnyHost lets every Host header in: for unix sockets.
	AnyHost bool
	// Token, when set, must come with every request: as a bearer token, or as the password of basic
	// authentication, which browsers ask for.
	Token string
	// Redact makes addresses unrecognisable.
	Redact *snapshot.Redactor
	// Metrics is served at /metrics under the same guard.
	Metrics http.Handler
	// Host and Version are shown.
	Host, Version string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

//go:embed static
var files embed.FS

// openAPI describes the API for machines.
//
//go:embed openapi.json
var openAPI []byte

// server answers requests.
type server struct {
	source Source
	o      Options
	events chan struct{} // one slot for each open event stream
	now    latest
}

// maxStreams bounds the open event streams.
const maxStreams = 32

// Handler serves the page and its API.
func Handler(source Source, o Options) (http.Handler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &server{source: source, o: o, events: make(chan struct{}, maxStreams)}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", pages(static))
	mux.HandleFunc("GET /api/v1/snapshot", s.answer(s.snapshot))
	mux.HandleFunc("GET /api/v1/flows", s.answer(s.flows))
	mux.HandleFunc("GET /api/v1/findings", s.answer(s.findings))
	mux.HandleFunc("GET /api/v1/settings", s.answer(s.settings))
	mux.HandleFunc("GET /api/v1/history", s.answer(s.history))
	mux.HandleFunc("GET /api/v1/incidents", s.answer(s.incidents))
	mux.HandleFunc("GET /api/v1/incidents/{id}", s.answer(s.incident))
	mux.HandleFunc("GET /api/v1/whatif", s.answer(s.whatIf))
	mux.HandleFunc("GET /api/v1/words", s.answer(s.words))
	mux.HandleFunc("GET /api/v1/openapi.json", s.answer(func(*http.Request) (any, error) { return json.RawMessage(openAPI), nil }))
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, NotFoundError("such route")) })
	mux.Handle("GET /incident/{id}", page(static, "incident.html"))
	mux.HandleFunc("GET /api/v1/events", s.stream)
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	return newGuard(mux, o), nil
}

// pages serves the embedded files. A path that no file system can hold is not found, as any other that names
// nothing: http.FileServerFS alone calls it an error of the server.
func pages(static fs.FS) http.Handler {
	serve := http.FileServerFS(static)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !utf8.ValidString(r.URL.Path) {
			http.NotFound(w, r)
			return
		}
		serve.ServeHTTP(w, r)
	})
}

// page serves one embedded file under another name.
func page(static fs.FS, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, static, name) })
}

// answer writes what a function returns as JSON, or its error as {"error": …}.
func (s *server) answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		doc, err := fn(r)
		if err != nil {
			refuse(w, err)
			return
		}
		body, err := json.Marshal(doc)
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, http.StatusOK, body)
	}
}

func reply(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the reader is gone: nobody to tell
}
