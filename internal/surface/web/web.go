// Package web is the daemon's page and the JSON API behind it. Both only read: there is no request that
// changes a host. What they show comes from a Source that the command passes.
//
//	GET /                    the page
//	GET /api/v1/snapshot     what is known now
//	GET /api/v1/flows        the ranking of a namespace's table, by source, prefix, port …
//	GET /api/v1/findings     the doctor's report
//	GET /api/v1/settings     settings with default and origin
//	GET /api/v1/history      samples over a range
//	GET /api/v1/incidents    incidents, newest first
//	GET /api/v1/events       the snapshot as server-sent events
//	GET /api/v1/openapi.json this list for machines
//
// Everything is embedded; the page asks nobody else for anything.
package web

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
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

// server answers requests.
type server struct {
	source Source
	o      Options
	events chan struct{} // one slot for each open event stream
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
	mux.HandleFunc("GET /api/v1/words", s.answer(s.words))
	mux.HandleFunc("GET /api/v1/openapi.json", s.answer(func(*http.Request) (any, error) { return openAPI(), nil }))
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

// requestError is a request that makes no sense.
type requestError string

// Error says what is wrong with it.
func (e requestError) Error() string { return string(e) }

// notFound is something asked for that there is not.
type notFound string

// Error names it.
func (e notFound) Error() string { return "no " + string(e) }

// answer writes what a function returns as JSON, or its error as {"error": …}.
func (s *server) answer(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		doc, err := fn(r)
		code := http.StatusOK
		if err != nil {
			doc = map[string]string{"error": err.Error()}
			code = http.StatusInternalServerError
			switch err.(type) { //nolint:errorlint // these two are never wrapped
			case requestError:
				code = http.StatusBadRequest
			case notFound:
				code = http.StatusNotFound
			}
		}
		body, err := json.Marshal(doc)
		if err != nil {
			http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_, _ = w.Write(body) // the reader is gone: nobody to tell
	}
}
