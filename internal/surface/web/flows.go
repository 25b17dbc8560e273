package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"ctkeeper/internal/conntrack/filter"
	"ctkeeper/internal/conntrack/flow"
	"ctkeeper/internal/conntrack/rank"
	"ctkeeper/internal/conntrack/snapshot"
)

// RankQuery is a ranking of the flows that a filter selects.
type RankQuery struct {
	Namespace string
	By        rank.By
	Filter    filter.Filter
	Rows      int
	Flows     int // how many flows are listed as they are
}

// Ranked is what a table that was read for it tells.
type Ranked struct {
	rank.Ranking
	At    time.Time
	Whole bool
	Flows []flow.Flow
}

// rankingRow is one row; its filter is what descends into it.
type rankingRow struct {
	Key      string `json:"key"`
	Where    string `json:"where,omitempty"`
	Count    uint64 `json:"count"`
	Error    uint64 `json:"error,omitempty"`
	Assured  uint64 `json:"assured"`
	HalfOpen uint64 `json:"half_open"`
	IdleLong uint64 `json:"idle_over_1h,omitempty"`
}

// rankingDocument is the schema ctkeeper.ranking/1.
type rankingDocument struct {
	Schema     string       `json:"schema"`
	Namespace  string       `json:"namespace"`
	By         string       `json:"by"`
	Filter     string       `json:"filter,omitempty"`
	Total      uint64       `json:"total"` // flows that the filter selects
	ReadAt     time.Time    `json:"read_at"`
	Consistent bool         `json:"consistent"` // no flow can be missing or doubled
	Asked      bool         `json:"asked"`      // the table was read for this answer
	Exact      bool         `json:"exact"`      // there were not more keys than are counted exactly
	Rows       []rankingRow `json:"rows"`
	Flows      []flow.Flow  `json:"flows,omitempty"`
}

const (
	defaultRows = 20
	maxRows     = 200
	maxFlows    = 200
)

// prefixes are keys with the lengths that summaries have.
var prefixes = map[string]string{"src_prefix": "src/24", "dst_prefix": "dst/24"}

// flows is a ranking: of the last read of the table where that has it, else of a reading made for it.
func (s *server) flows(r *http.Request) (any, error) {
	n, err := s.space(r)
	if err != nil {
		return nil, err
	}
	q, name, err := s.rankQuery(r)
	if err != nil {
		return nil, err
	}
	q.Namespace = n.Name
	doc := rankingDocument{Schema: "ctkeeper.ranking/1", Namespace: n.Name, By: name, Filter: q.Filter.String(), Exact: true}
	if q.Filter.All() && q.Flows == 0 && n.Flows != nil && doc.summary(name, n, q.Rows) {
		for i := range doc.Rows {
			if s.o.Redact != nil {
				doc.Rows[i].Where = "" // no filter is taken
			}
		}
		return doc, nil
	}
	answer, err := s.source.Rank(r.Context(), q)
	if err != nil {
		return nil, err
	}
	doc.Total, doc.ReadAt, doc.Consistent, doc.Asked, doc.Exact, doc.Flows = answer.Total.Count, answer.At, answer.Whole, true, answer.Exact, answer.Flows
	doc.Rows = []rankingRow{}
	for _, p := range answer.Rows {
		doc.Rows = append(doc.Rows, s.row(p))
	}
	return doc, nil
}

// rankQuery reads by, filter, limit and list.
func (s *server) rankQuery(r *http.Request) (q RankQuery, name string, err error) {
	if name = r.FormValue("by"); name == "" {
		name = "src"
	}
	key := name
	if p, ok := prefixes[name]; ok {
		key = p
	}
	if q.By, err = rank.ParseBy(key); err != nil {
		return q, name, RequestError(fmt.Sprintf("by=%.80s: %v", name, err))
	}
	text := strings.TrimSpace(r.FormValue("filter"))
	if len(text) > 2000 {
		return q, name, RequestError("the filter is longer than 2000 bytes")
	}
	if text != "" {
		if q.Filter, err = filter.Parse(text); err != nil {
			return q, name, RequestError(err.Error())
		}
	}
	if q.Rows, err = number(r, "limit", defaultRows, maxRows); err != nil {
		return q, name, err
	}
	if r.FormValue("list") != "" {
		if q.Flows, err = number(r, "list", 0, maxFlows); err != nil {
			return q, name, err
		}
	}
	if s.o.Redact != nil && (text != "" || q.Flows > 0) {
		return q, name, RequestError("addresses are redacted here: a filter would tell them one by one")
	}
	return q, name, nil
}

func (s *server) row(p rank.Place) rankingRow {
	row := rankingRow{Key: strings.Join(p.Keys, " "), Where: p.Where, Count: p.Count, Error: p.Error, Assured: p.Assured, HalfOpen: p.HalfOpen, IdleLong: p.IdleLong}
	if s.o.Redact != nil {
		for i, k := range p.Keys {
			p.Keys[i] = s.o.Redact.Key(k)
		}
		row.Key, row.Where = strings.Join(p.Keys, " "), ""
	}
	return row
}

// summary takes the rows of the last read; false when it does not rank by that key.
func (d *rankingDocument) summary(by string, n snapshot.Watched, limit int) bool {
	sum := &n.Flows.Summary
	rows, ok := map[string][]rank.Row{"src": sum.Source, "dst": sum.Dest, "src_prefix": sum.SourcePrefix, "dst_prefix": sum.DestPrefix,
		"dport": sum.DestPort, "zone": sum.Zone}[by]
	if by == "state" {
		ok = true
		for _, c := range sum.Classes {
			rows = append(rows, rank.Row{Key: strings.TrimSpace(c.Proto + " " + c.State), Count: c.Count, Assured: c.Assured, HalfOpen: c.Unreplied})
		}
	}
	if !ok {
		return false
	}
	d.Total, d.ReadAt, d.Consistent = sum.Total, n.FlowsAt, n.Flows.Consistent
	d.Rows = []rankingRow{}
	for _, name := range sum.Sketched {
		d.Exact = d.Exact && name != by
	}
	for _, r := range rows[:min(len(rows), limit)] {
		d.Rows = append(d.Rows, rankingRow{Key: r.Key, Where: where(by, r.Key), Count: r.Count, Error: r.Error, Assured: r.Assured, HalfOpen: r.HalfOpen})
	}
	return true
}

// where is the filter that selects a row of a summary.
func where(by, key string) string {
	switch by {
	case "src", "src_prefix":
		return "src " + key
	case "dst", "dst_prefix":
		return "dst " + key
	case "zone":
		return "zone " + key
	case "dport":
		proto, port, ok := strings.Cut(key, "/")
		if !ok {
			return "proto " + proto
		}
		return "proto " + proto + " and dport " + port
	}
	proto, state, ok := strings.Cut(key, " ")
	if !ok {
		return "proto " + proto
	}
	return "proto " + proto + " and state " + state
}
