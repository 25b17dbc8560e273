package web

import (
	"fmt"
	"net/http"
	"strconv"

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
	return snapshot.Watched{}, NotFoundError(fmt.Sprintf("namespace %q", name))
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

// words are the page's sentences in a language.
func (s *server) words(r *http.Request) (any, error) { return wording.Area("web_", lang(r)), nil }
