package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"ctkeeper/internal/conntrack/settings"
)

// Decode reads a plan strictly: unknown keys, another schema, steps that name no setting or a path that is
// not the setting's are errors.
func Decode(data []byte) (Plan, error) {
	var p Plan
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return Plan{}, fmt.Errorf("offset %d: %w", syntax.Offset, err)
		}
		return Plan{}, err
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		return Plan{}, fmt.Errorf("offset %d: something follows the plan", dec.InputOffset())
	}
	if p.Schema != Schema {
		return Plan{}, fmt.Errorf("schema %q: this ctkeeper reads %s", p.Schema, Schema)
	}
	seen := map[string]bool{}
	for i, st := range p.Steps {
		if err := st.valid(); err != nil {
			return Plan{}, fmt.Errorf("step %d: %w", i+1, err)
		}
		if seen[st.Setting] {
			return Plan{}, fmt.Errorf("step %d: %s is set twice", i+1, st.Setting)
		}
		seen[st.Setting] = true
	}
	return p, nil
}

// valid refuses a step that would write anything but the setting it names.
func (st Step) valid() error {
	s, ok := settings.Lookup(st.Setting)
	if !ok || s.Name != st.Setting {
		return fmt.Errorf("%q is no setting", st.Setting)
	}
	for _, k := range s.Keys {
		if k.Name == st.Key && k.Path() == st.Path {
			if !s.Sane(st.To) {
				return fmt.Errorf("%s=%d is out of range", st.Setting, st.To)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is not set by %s at %s", st.Setting, st.Key, st.Path)
}

// Sysctl is the plan as lines of sysctl.conf, in order; what has no sysctl key is a comment.
func (p Plan) Sysctl() string {
	var b strings.Builder
	for _, st := range p.Steps {
		if strings.HasPrefix(st.Path, "/proc/sys/") {
			fmt.Fprintf(&b, "%s = %d\n", st.Key, st.To)
		} else {
			fmt.Fprintf(&b, "# echo %d > %s\n", st.To, st.Path)
		}
	}
	return b.String()
}
