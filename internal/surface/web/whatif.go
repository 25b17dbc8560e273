package web

import (
	"fmt"
	"net/http"
	"time"

	"ctkeeper/internal/advice/whatif"
)

// WhatIf is the schema ctkeeper.whatif/1: the last day under other settings.
type WhatIf struct {
	Schema    string `json:"schema"`
	Namespace string `json:"namespace"`
	// Ready is false while there is too little of a record; Since is when it began.
	Ready bool      `json:"ready"`
	Since time.Time `json:"since,omitzero"`
	// Settings are those that the model knows: in force, and as they were asked about.
	Settings map[string]Pair `json:"settings"`
	// MemoryFull is what a table that is full by these settings would cost.
	MemoryFull uint64 `json:"memory_full_bytes,omitempty"`
	// Reading is how far apart the readings of the table are, in seconds: what lived shorter was estimated.
	Reading float64 `json:"reading_seconds,omitempty"`
	// Seconds is what the answer cost, MemoryLimit and Budget what it may cost: in bytes, and as a share of a core.
	Seconds     float64        `json:"cost_seconds,omitempty"`
	MemoryLimit uint64         `json:"memory_limit_bytes"`
	Budget      float64        `json:"budget"`
	Answer      *whatif.Answer `json:"answer,omitempty"`
}

// Pair is a setting's value in force and then.
type Pair struct {
	Now  int64 `json:"now"`
	Then int64 `json:"then"`
}

// maxSet bounds the settings of one question.
const maxSet = 40

// whatIf asks what the last day would have been; the asking ends when the client goes.
func (s *server) whatIf(r *http.Request) (any, error) {
	n, err := s.space(r)
	if err != nil {
		return nil, err
	}
	set := r.Form["set"]
	if len(set) > maxSet {
		return nil, RequestError(fmt.Sprintf("more than %d settings", maxSet))
	}
	doc, err := s.source.WhatIf(r.Context(), n.Name, set)
	doc.Schema, doc.Namespace = "ctkeeper.whatif/1", n.Name
	return doc, err
}
