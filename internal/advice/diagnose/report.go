package diagnose

import (
	"ctkeeper/internal/conntrack/message"
	"ctkeeper/internal/conntrack/snapshot"
)

// Severity says how bad a finding is.
type Severity string

// Severities. Only a report as a whole can be Unknown.
const (
	OK       Severity = "ok"
	Warning  Severity = "warning"
	Critical Severity = "critical"
	Unknown  Severity = "unknown"
)

func (s Severity) rank() int {
	switch s {
	case Warning:
		return 1
	case Critical:
		return 2
	}
	return 0
}

// ExitCode is the exit code of a checking command: 0 ok, 1 warning, 2 critical, 3 unknown.
func (s Severity) ExitCode() int {
	switch s {
	case OK:
		return 0
	case Warning:
		return 1
	case Critical:
		return 2
	}
	return 3
}

// Report is the answer to "is conntrack the problem?".
type Report struct {
	// Verdict is the code of the finding that leads, or one of the Verdict constants.
	Verdict string
	// Text is the verdict's sentence.
	Text     message.Message
	Severity Severity
	// Confidence is how sure the verdict is, 0 to 1: what could not be read lowers it.
	Confidence float64
	Namespaces []Namespace
	Findings   []Finding
	Missing    []snapshot.Missing
}

// Find returns the first finding with a code.
func (r *Report) Find(code string) (Finding, bool) {
	for _, f := range r.Findings {
		if f.Code == code {
			return f, true
		}
	}
	return Finding{}, false
}

// Namespace is one table in figures. What is not known is absent.
type Namespace struct {
	Name     string `json:"name"`
	Kind     string `json:"kind,omitempty"`
	Inode    uint64 `json:"inode,omitempty"`
	Tracking *bool  `json:"tracking,omitempty"`
	Count    *int64 `json:"count,omitempty"`
	Max      *int64 `json:"max,omitempty"`
	Buckets  *int64 `json:"buckets,omitempty"`
	// Occupancy is count / max, Pressure the share of max that the kernel cannot reclaim by itself.
	Occupancy *float64 `json:"occupancy,omitempty"`
	Pressure  *float64 `json:"pressure,omitempty"`
	// RefuseProbability is the chance that a new flow is refused when the table is full.
	RefuseProbability *float64 `json:"refuse_probability,omitempty"`
	// Refused is how many packets were refused between the two readings, Seconds apart.
	Refused *uint64 `json:"refused,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// Finding is one conclusion.
type Finding struct {
	Code     string
	Severity Severity
	// Confidence is 0 to 1.
	Confidence float64
	// Namespace is the table concerned; "" for the machine.
	Namespace string
	Evidence  []Evidence
	Cause     message.Message
	Cure      []Cure
}

// Evidence is one figure or line, and where it was read.
type Evidence struct {
	Source  string
	Message message.Message
	Value   any
}

// Cure is one thing to do: what it does, ctkeeper's command, and the same as plain commands.
type Cure struct {
	Text    message.Message
	Command string
	Sysctl  []string
}

// evidence makes one line; its sentence knows the value as {value}.
func evidence(source, code string, value any, pairs ...any) Evidence {
	m := message.New(code, pairs...)
	if m.Params == nil {
		m.Params = message.Params{}
	}
	m.Params["value"] = value
	return Evidence{Source: source, Message: m, Value: value}
}
