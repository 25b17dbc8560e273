package oracle

import (
	"fmt"
	"time"
)

// Wait stands in a sequence for time that passes, in whole seconds.
type Wait time.Duration

// String is the wait as [Parse] reads it.
func (w Wait) String() string { return "wait=" + time.Duration(w).String() }

func (w Wait) append(dst []byte, _ *Conversation) []byte { return dst }

// Setting stands in a sequence for a setting that changes, by its name below net/netfilter/nf_conntrack_.
type Setting struct {
	Name  string
	Value int64
}

// String is the change as [Parse] reads it.
func (s Setting) String() string { return fmt.Sprintf("set=%s value=%d", s.Name, s.Value) }

func (s Setting) append(dst []byte, _ *Conversation) []byte { return dst }
