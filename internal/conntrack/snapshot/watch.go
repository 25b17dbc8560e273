package snapshot

import (
	"time"

	"ctkeeper/internal/conntrack/rank"
)

// Sample is a namespace's figures at one instant, or over the step that ends then. Counters are what they
// rose by since the sample before.
type Sample struct {
	At    time.Time     `json:"at"`
	Step  time.Duration `json:"-"`
	Count int64         `json:"count"`
	// Peak is the highest count of the step; Count of a single reading.
	Peak int64 `json:"peak"`
	Max  int64 `json:"max,omitempty"`
	// Held is how many flows the kernel could not reclaim, by the last read of the table; absent before one.
	Held  *int64 `json:"held,omitempty"`
	Rises Rises  `json:"rises"`
}

// Rises is what counters rose by.
type Rises struct {
	// Refused is the part of Drop that a full table caused.
	Refused       uint64 `json:"refused"`
	Drop          uint64 `json:"drop"`
	EarlyDrop     uint64 `json:"early_drop"`
	InsertFailed  uint64 `json:"insert_failed"`
	ChainTooLong  uint64 `json:"chain_toolong"`
	ClashResolve  uint64 `json:"clash_resolve"`
	SearchRestart uint64 `json:"search_restart"`
	Invalid       uint64 `json:"invalid"`
}

// Add adds another's rises.
func (r *Rises) Add(o Rises) {
	r.Refused += o.Refused
	r.Drop += o.Drop
	r.EarlyDrop += o.EarlyDrop
	r.InsertFailed += o.InsertFailed
	r.ChainTooLong += o.ChainTooLong
	r.ClashResolve += o.ClashResolve
	r.SearchRestart += o.SearchRestart
	r.Invalid += o.Invalid
}

// Incident is a period with refused packets, or with pressure over the threshold.
type Incident struct {
	ID        string    `json:"id"`
	Namespace string    `json:"namespace"`
	Inode     uint64    `json:"inode,omitempty"`
	Began     time.Time `json:"began"`
	// Ended is zero while it lasts.
	Ended time.Time `json:"ended,omitzero"`
	// Seen is when it was written down last: how far it is known while it lasts.
	Seen time.Time `json:"seen,omitzero"`
	// Before is the count a minute before it began, Peak the highest in it.
	Before       int64   `json:"before"`
	Peak         int64   `json:"peak"`
	PeakPressure float64 `json:"peak_pressure,omitempty"`
	Max          int64   `json:"max"`
	Refused      uint64  `json:"refused"`
	EarlyDrops   uint64  `json:"early_drops"`
	// LogLines are the kernel's messages about a full table in its time.
	LogLines uint64 `json:"log_lines,omitempty"`
	// Sources are who filled the table most, from the table read in it.
	Sources []rank.Row `json:"sources,omitempty"`
	// Settings are those that it began with, Changes what was done to them in its time.
	Settings map[string]int64 `json:"settings,omitempty"`
	Changes  []Changed        `json:"changes,omitempty"`
}

// Changed is a setting that was changed while it was watched.
type Changed struct {
	At      time.Time `json:"at"`
	Setting string    `json:"setting"`
	From    int64     `json:"from"`
	To      int64     `json:"to"`
	// By is ctkeeper's own command that did it, "" when it was another's, or is not known.
	By string `json:"by,omitempty"`
}

// Watched is what the daemon knows of one namespace.
type Watched struct {
	Name    string `json:"name"`
	Inode   uint64 `json:"inode,omitempty"`
	Initial bool   `json:"initial,omitempty"`
	Last    Sample `json:"last"`
	// Totals are the counters since the kernel's own beginning as far as they are known: the kernel's are 32
	// bits wide and wrap, these do not.
	Totals   map[string]uint64 `json:"totals,omitempty"`
	Refused  uint64            `json:"refused"` // since the watching began
	Buckets  int64             `json:"buckets,omitempty"`
	Settings map[string]int64  `json:"settings,omitempty"`
	// Flows is the last read of the table, FlowsAt when it was read.
	Flows        *Flows    `json:"flows,omitempty"`
	FlowsAt      time.Time `json:"flows_at,omitzero"`
	Expectations *int64    `json:"expectations,omitempty"`
	Forecast     *Forecast `json:"forecast,omitempty"`
	Incident     *Incident `json:"incident,omitempty"`
	Drift        []Drifted `json:"drift,omitempty"`
	Error        string    `json:"error,omitempty"` // why it cannot be read at present
}

// Forecast is whether a table fills, and when it will be full.
type Forecast struct {
	Trend string `json:"trend"` // unknown, level, falling, filling or full
	// Rate is flows a second; the times are seconds from now, set only while it fills.
	Rate    float64  `json:"rate"`
	Full    *float64 `json:"full_in,omitempty"`
	Soonest *float64 `json:"full_in_soonest,omitempty"`
	Latest  *float64 `json:"full_in_latest,omitempty"`
}

// Drifted is a setting whose running value is not what the next boot will set.
type Drifted struct {
	Setting string `json:"setting"`
	Running int64  `json:"running"`
	Boot    int64  `json:"boot"`
}

// Watch is everything that the daemon knows at an instant.
type Watch struct {
	At         time.Time `json:"at"`
	Started    time.Time `json:"started"`
	Namespaces []Watched `json:"namespaces"`
	// LogLines are the kernel's messages since the watching began, by kind.
	LogLines map[LogKind]uint64 `json:"log_lines,omitempty"`
	// Lost counts what the daemon itself had to leave out, by what it was.
	Lost map[string]uint64 `json:"lost,omitempty"`
	// CPUSeconds and Resident are the daemon's own cost.
	CPUSeconds float64 `json:"cpu_seconds"`
	Resident   uint64  `json:"resident_bytes"`
	// Goroutines and OpenFiles are what must not grow.
	Goroutines int `json:"goroutines"`
	OpenFiles  int `json:"open_files"`
	// Unreadable are namespaces that are there and could not be read.
	Unreadable int `json:"unreadable_namespaces,omitempty"`
	// TableCost is what the last reads of all tables took, in CPU seconds, and TableEvery how often the
	// budget lets them be read.
	TableCost  float64 `json:"table_cost_seconds"`
	TableEvery float64 `json:"table_every_seconds"`
}

// Watch is a copy with its addresses replaced.
func (r Redactor) Watch(w Watch) Watch {
	out := w
	out.Namespaces = append([]Watched(nil), w.Namespaces...)
	for i := range out.Namespaces {
		n := &out.Namespaces[i]
		n.Flows = r.flows(n.Flows)
		if n.Incident != nil {
			copied := r.Incident(*n.Incident)
			n.Incident = &copied
		}
	}
	return out
}

// Incident is a copy with its addresses replaced.
func (r Redactor) Incident(i Incident) Incident {
	rows := append([]rank.Row(nil), i.Sources...)
	for j := range rows {
		rows[j].Key = r.Key(rows[j].Key)
	}
	i.Sources = rows
	return i
}
