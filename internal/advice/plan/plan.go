// Package plan proposes what to set: ordered steps with a reason, a source, a cost and an effect each,
// and what is left alone and why.
//
//	p, err := plan.Make(snapshot, plan.Options{})
//
// It writes nothing. A plan is JSON (schema ctkeeper.plan/1), so that it can be looked at, kept and
// applied later; action/apply checks again that the host is still as the plan found it.
package plan

import (
	"time"

	"ctkeeper/internal/advice/demand"
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/settings"
	"ctkeeper/internal/conntrack/snapshot"
)

// Schema is the first key of the JSON form.
const Schema = "ctkeeper.plan/1"

// Plan is what to set on one host.
type Plan struct {
	Schema string    `json:"schema"`
	Made   time.Time `json:"made"`
	Host   string    `json:"host,omitempty"`
	Kernel string    `json:"kernel,omitempty"`
	// Namespace is whose timeouts the steps are about; max and buckets are the machine's.
	Namespace string `json:"namespace"`
	Path      string `json:"path,omitempty"` // enters the namespace; "" is the present one
	// Initial tells that it is the machine's first namespace, which files can persist.
	Initial bool   `json:"initial"`
	Memory  Memory `json:"memory"`
	Steps   []Step `json:"steps"`
	// Kept is what was looked at and left alone.
	Kept []Kept `json:"kept,omitempty"`
	// Measured is what a replay of the host's own recording says, and Manual what the chosen alternative asks
	// of people: commands that ctkeeper shows and does not run.
	Measured *Measured `json:"measured,omitempty"`
	// History is what the samples show that the daemon kept.
	History *History          `json:"history,omitempty"`
	Manual  []Manual          `json:"manual,omitempty"`
	Notes   []message.Message `json:"notes,omitempty"`
}

// Memory is what a full table costs, in bytes.
type Memory struct {
	Flow   uint64 `json:"flow"`   // one flow: slab object and extensions
	Source string `json:"source"` // of Flow
	Budget uint64 `json:"budget,omitempty"`
	Before uint64 `json:"before,omitempty"`
	After  uint64 `json:"after,omitempty"`
}

// Step sets one setting.
type Step struct {
	Setting string          `json:"setting"`
	Key     string          `json:"key"` // the key or parameter that this host has
	Path    string          `json:"path"`
	From    *int64          `json:"from,omitempty"`
	To      int64           `json:"to"`
	Reason  message.Message `json:"reason"`
	Source  string          `json:"source"` // of the figure behind the reason
	Effect  message.Message `json:"effect"`
	// Memory is the change in what a full table costs, in bytes.
	Memory int64 `json:"memory,omitempty"`
	// Breaks is what the step would break.
	Breaks []message.Message `json:"breaks,omitempty"`
	// Flows is how many existing flows keep their present timer all the same.
	Flows *uint64 `json:"flows,omitempty"`
	// Wish marks the user's own step.
	Wish bool `json:"wish,omitempty"`
}

// Manual is what is shown and not done: the commands, and those that take them back.
type Manual struct {
	Reason   message.Message `json:"reason"`
	Commands []string        `json:"commands"`
	Undo     []string        `json:"undo"`
}

// History is what the first namespace's table did over days, and where that was kept.
type History struct {
	Source string `json:"source"`
	demand.Past
}

// Kept is a setting that is left alone.
type Kept struct {
	Setting string          `json:"setting"`
	Value   *int64          `json:"value,omitempty"`
	Why     message.Message `json:"why"`
}

// Wish is a value that the user wants.
type Wish struct {
	Setting string
	Value   int64
}

// Options of a plan. The zero value advises within an eighth of the machine's memory.
type Options struct {
	// Wishes are the user's own values; with Only nothing else is proposed.
	Wishes []Wish
	Only   bool
	// Budget is the memory that a full table may take, in bytes; 0 means BudgetShare of it all.
	Budget uint64
	// Measured decides instead of the snapshot alone.
	Measured *Measured
	// History tells how high the table stood before this moment.
	History *History
	// Notes are said of the plan beside its own.
	Notes []message.Message
	// Force lets a wish stand that refuses new flows at once (max below the present count).
	Force bool
}

// BudgetShare of the machine's memory is what a full table may take by default.
const BudgetShare = settings.MemoryShare

// maker is one plan in the making.
type maker struct {
	s      *snapshot.Snapshot
	n      *snapshot.Namespace
	o      Options
	kernel settings.Kernel
	p      Plan
}

// Make plans for the snapshot's first namespace; max is sized for the fullest of all.
func Make(s snapshot.Snapshot, o Options) (Plan, error) {
	if s.Module.State == snapshot.ModuleAbsent {
		return Plan{}, ErrNoConntrack
	}
	if len(s.Namespaces) == 0 || len(s.Namespaces[0].Settings) == 0 {
		return Plan{}, ErrNoSettings
	}
	m := newMaker(&s, o)
	if err := m.wishes(); err != nil {
		return Plan{}, err
	}
	if !o.Only {
		m.advise()
	}
	m.finish()
	return m.p, nil
}

func newMaker(s *snapshot.Snapshot, o Options) *maker {
	k, _ := settings.ParseKernel(s.Host.Kernel)
	k.HZ, k.PageSize, k.Bits = s.Host.HZ, s.Host.PageSize, s.Host.Bits
	n := &s.Namespaces[0]
	m := &maker{s: s, n: n, o: o, kernel: k}
	m.p = Plan{Schema: Schema, Made: s.Taken, Host: s.Host.Name, Kernel: s.Host.Kernel, Namespace: n.Name, Initial: n.Initial, Steps: []Step{},
		History: o.History, Notes: o.Notes}
	if !n.Present {
		m.p.Path = n.Path
	}
	m.p.Memory.Flow, m.p.Memory.Source = flowBytes(s, k)
	m.p.Memory.Budget = o.Budget
	if o.Budget == 0 {
		m.p.Memory.Budget = s.Host.MemTotal / BudgetShare
	}
	return m
}

// flowBytes is what one flow costs on this host.
func flowBytes(s *snapshot.Snapshot, k settings.Kernel) (uint64, string) {
	if s.Host.Slab != nil && s.Host.Slab.ObjectSize > 0 {
		return s.Host.Slab.ObjectSize + settings.ExtensionBytes, "/proc/slabinfo"
	}
	if k.Known() {
		return settings.FlowBytes(k), "estimate for Linux " + k.Version.String()
	}
	return settings.FlowBytes(k), "estimate"
}

// advise adds what the snapshot itself asks for, in order of harm: room first, then timeouts that shorten
// nobody's life, then established.
func (m *maker) advise() {
	if m.o.Measured != nil {
		m.measured(m.o.Measured)
		return
	}
	m.room()
	m.opening()
	m.established()
}

// value is the running value of a setting, or what an earlier step makes it.
func (m *maker) value(name string) (int64, bool) {
	for _, st := range m.p.Steps {
		if st.Setting == name {
			return st.To, true
		}
	}
	return m.running(name)
}

func (m *maker) running(name string) (int64, bool) { return m.n.Setting(name) }

func (m *maker) planned(name string) bool {
	for _, st := range m.p.Steps {
		if st.Setting == name {
			return true
		}
	}
	return false
}

func (m *maker) keep(name string, why message.Message) {
	k := Kept{Setting: name, Why: why}
	if v, ok := m.running(name); ok {
		k.Value = &v
	}
	m.p.Kept = append(m.p.Kept, k)
}

// step adds a step; a setting that a wish has set already is left to the wish, and one that has the value
// already needs none.
func (m *maker) step(name string, to int64, reason message.Message, source string) *Step {
	v, known := m.running(name)
	if m.planned(name) || known && v == to {
		return nil
	}
	s, _ := settings.Lookup(name)
	val := m.n.Settings[name]
	_, key, ok := settings.LookupKey(val.Key)
	if !ok {
		return nil
	}
	st := Step{Setting: name, Key: key.Name, Path: key.Path(), To: to, Reason: reason, Source: source, Effect: message.New(string(s.Effect))}
	if known {
		st.From = &v
	}
	m.p.Steps = append(m.p.Steps, st)
	return &m.p.Steps[len(m.p.Steps)-1]
}
